# Three images from one file, one for each program:
#   docker build --target server -t lizardcd/lizardcd-server:0.1.0 .
#   docker build --target agent  -t lizardcd/lizardcd-agent:0.1.0 .
#   docker build --target cli    -t lizardcd/lizardcd:0.1.0 .
# They run as user 65532 and on a read-only root: the server writes to /data and /tmp, the agent to nothing.

FROM node:22.17.1-bookworm-slim AS build
WORKDIR /src
# Dependencies first: they change less often than the source.
COPY package.json package-lock.json bunfig.toml ./
COPY scripts/prepare.mjs scripts/
RUN node scripts/prepare.mjs
COPY tsconfig.json ./
COPY scripts scripts
COPY src src
# Shown by --version: git is not at hand here.
ARG LIZARDCD_COMMIT=""
RUN LIZARDCD_COMMIT="$LIZARDCD_COMMIT" npm run build

# Not smaller than this: bash and grep ask for the health, cat shows the first password.
FROM debian:12.13-slim AS base
RUN install --directory --owner 65532 --group 65532 --mode 0700 /data /home/lizardcd
ENV HOME=/home/lizardcd

FROM base AS server
COPY --from=build /src/dist/lizardcd-server /usr/local/bin/lizardcd-server
USER 65532:65532
# In /tmp are the sockets of the agents that dial out.
VOLUME ["/data", "/tmp"]
EXPOSE 5117 15117
# On the metrics port, which stays plain where the pages are served over TLS.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
  CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/15117 && printf 'GET /healthz HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n' >&3 && grep -q ' 200 ' <&3"]
ENTRYPOINT ["/usr/local/bin/lizardcd-server"]
# Whoever gives flags of their own gives these too.
CMD ["--data", "/data", "--http-addr", "0.0.0.0:5117", "--metrics-addr", "0.0.0.0:15117", "--http.plain"]

FROM base AS agent
COPY --from=build /src/dist/lizardcd-agent /usr/local/bin/lizardcd-agent
USER 65532:65532
EXPOSE 5017 15017
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
  CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/15017 && printf 'GET /healthz HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n' >&3 && grep -q ' 200 ' <&3"]
ENTRYPOINT ["/usr/local/bin/lizardcd-agent"]

FROM base AS cli
COPY --from=build /src/dist/lizardcd /usr/local/bin/lizardcd
RUN ln -s lizardcd /usr/local/bin/lzcli
USER 65532:65532
WORKDIR /home/lizardcd
HEALTHCHECK NONE
ENTRYPOINT ["/usr/local/bin/lizardcd"]
