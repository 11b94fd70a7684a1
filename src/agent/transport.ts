// How bytes reach an API server: Bun's fetch, or node's client where a header must be sent more than once, which fetch
// would fold into one line that Kubernetes reads as one value (impersonated groups).
import { request as requestHttp } from "node:http";
import { Agent, request as requestHttps } from "node:https";
import { Readable } from "node:stream";

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

function overNode({ ca, cert, key, insecure, tlsServerName, headers: own }: TransportOptions): Transport {
  const agent = new Agent({ keepAlive: true });
  const repeated: Record<string, string[]> = {};
  for (const [name, value] of own) {
    repeated[name] ??= [];
    repeated[name].push(value);
  }
  return {
    send: (url, { method, headers, body, signal }) =>
      new Promise((resolve, reject) => {
        const options = { method, headers: { ...Object.fromEntries(headers), ...repeated }, signal };
        const tls = { agent, ca, cert, key, rejectUnauthorized: !insecure, servername: tlsServerName };
        const sent = url.startsWith("https:") ? requestHttps(url, { ...options, ...tls }) : requestHttp(url, options);
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
