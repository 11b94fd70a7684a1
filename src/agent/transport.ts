// How bytes reach an API server: Bun's fetch, or node's client where a header must be sent more than once, which fetch
// would fold into one line that Kubernetes reads as one value (impersonated groups).
import { request as requestHttp } from "node:http";
import { Agent, type RequestOptions, request as requestHttps } from "node:https";
import { isIP } from "node:net";
import { type Duplex, Readable } from "node:stream";
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from "node:tls";

export interface TransportOptions {
  /** PEM. */
  ca?: string;
  cert?: string;
  key?: string;
  insecure: boolean;
  tlsServerName?: string;
  proxy?: string;
  /** Sent with every request, each on a line of its own. */
  headers: readonly (readonly [string, string])[];
}

export interface Transport {
  send(url: string, init: { method: string; headers: Headers; body?: string; signal: AbortSignal }): Promise<Response>;
  close(): void;
}

/** Connections are kept and shared by all requests of one transport. */
export function createTransport(options: TransportOptions): Transport {
  const names = options.headers.map(([name]) => name.toLowerCase());
  return new Set(names).size === names.length ? overFetch(options) : overNode(options);
}

function overFetch({ ca, cert, key, insecure, tlsServerName, proxy, headers: own }: TransportOptions): Transport {
  const session = new Bun.FetchSession({
    ...(proxy ? { proxy } : {}),
    tls: { ca, cert, key, rejectUnauthorized: !insecure, serverName: tlsServerName },
  });
  return {
    send(url, { method, headers, body, signal }) {
      for (const [name, value] of own) headers.set(name, value);
      return session.fetch(url, { method, headers, body, signal, redirect: "manual" });
    },
    close: () => session.close(),
  };
}

function overNode({ ca, cert, key, insecure, tlsServerName, proxy, headers: own }: TransportOptions): Transport {
  const agent = proxy ? new ProxiedAgent(new URL(proxy)) : new Agent({ keepAlive: true });
  const repeated: Record<string, string[]> = {};
  for (const [name, value] of own) {
    repeated[name] ??= [];
    repeated[name].push(value);
  }
  const tls = { agent, ca, cert, key, rejectUnauthorized: !insecure, servername: tlsServerName };
  return {
    send: (url, { method, headers, body, signal }) =>
      new Promise((resolve, reject) => {
        const options = { method, headers: { ...Object.fromEntries(headers), ...repeated }, signal };
        const sent = url.startsWith("https:")
          ? requestHttps(url, { ...options, ...tls })
          : proxy
            ? requestHttp(throughProxy(url, new URL(proxy), options))
            : requestHttp(url, options);
        sent.on("error", reject);
        sent.on("response", (response) => {
          const status = response.statusCode ?? 502;
          const pairs = Object.entries(response.headers).map(([name, value]): [string, string] => [
            name,
            String(value),
          ]);
          // Read as it comes: a watch never ends its body.
          resolve(new Response(Readable.toWeb(response) as unknown as ReadableStream, { status, headers: pairs }));
        });
        sent.end(body);
      }),
    close: () => agent.destroy(),
  };
}

/** Plain HTTP is asked of the proxy by the whole address. */
function throughProxy<T extends { headers: object }>(url: string, proxy: URL, options: T) {
  const { host } = new URL(url);
  const headers = { ...options.headers, host, ...proxyHeaders(proxy) };
  return { ...options, headers, host: proxy.hostname, port: proxy.port || 80, path: url };
}

function proxyHeaders({ username, password }: URL): Record<string, string> {
  if (!username && !password) return {};
  const given = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { "proxy-authorization": `Basic ${Buffer.from(given).toString("base64")}` };
}

/** TLS to the API server within a connection that the proxy opens by CONNECT. */
class ProxiedAgent extends Agent {
  constructor(private readonly proxy: URL) {
    super({ keepAlive: true });
  }

  override createConnection(options: RequestOptions, told?: Connected): undefined {
    const done = (cause: Error | null, socket?: TLSSocket) => told?.(cause, socket as Duplex);
    const target = `${options.host?.includes(":") ? `[${options.host}]` : options.host}:${options.port}`;
    const fail = (cause: Error) => done(cause);
    const headers = { host: target, ...proxyHeaders(this.proxy) };
    const asked = { method: "CONNECT", path: target, host: this.proxy.hostname, headers };
    const secure = this.proxy.protocol === "https:";
    const request = secure
      ? requestHttps({ ...asked, port: this.proxy.port || 443 })
      : requestHttp({ ...asked, port: this.proxy.port || 80 });
    request.on("error", fail);
    request.on("connect", ({ statusCode }, socket) => {
      if (statusCode !== 200) {
        socket.destroy();
        return fail(new Error(`the proxy ${this.proxy.host} answered ${statusCode} when asked for ${target}`));
      }
      const name = options.servername || (isIP(options.host ?? "") ? undefined : options.host);
      const secured = { ...(options as ConnectionOptions), socket, servername: name };
      const inner = connectTls(secured, () => done(null, inner));
      inner.on("error", fail);
    });
    request.end();
    return undefined;
  }
}

type Connected = (cause: Error | null, stream: Duplex) => void;
