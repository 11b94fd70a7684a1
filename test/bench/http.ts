// HTTP/1.1 over a plain socket, one request at a time: it costs the load generator next to nothing, so that on a small
// machine the figures are the server's.
export interface HttpAnswer {
  status: number;
  /** Bytes of the body. */
  bytes: number;
}

export interface HttpConnection {
  send(request: Uint8Array): Promise<HttpAnswer>;
  close(): void;
}

export function requestBytes(url: string, path: string, token: string): Uint8Array {
  const head = [`GET ${path} HTTP/1.1`, `host: ${new URL(url).host}`, "accept: application/json"];
  return new TextEncoder().encode(`${[...head, `authorization: Bearer ${token}`].join("\r\n")}\r\n\r\n`);
}

export async function connectHttp(url: string): Promise<HttpConnection> {
  const { hostname, port } = new URL(url);
  let waiting: PromiseWithResolvers<HttpAnswer> | undefined;
  let left = 0;
  let status = 0;
  let size = 0;
  let head = "";

  function read(bytes: Uint8Array): void {
    if (left === 0) {
      head += Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
      const end = head.indexOf("\r\n\r\n");
      if (end < 0) return;
      status = Number(head.slice(9, 12));
      size = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1]);
      if (Number.isNaN(size)) {
        fail(new Error(`${url} answered ${status} without a length`));
        return;
      }
      left = size - (head.length - end - 4);
      head = "";
    } else left -= bytes.byteLength;
    if (left > 0) return;
    left = 0;
    const done = waiting;
    waiting = undefined;
    done?.resolve({ status, bytes: size });
  }

  function fail(cause: Error): void {
    waiting?.reject(cause);
    waiting = undefined;
  }

  const socket = await Bun.connect({
    hostname,
    port: Number(port),
    socket: {
      data: (_, bytes) => read(bytes),
      close: () => fail(new Error(`${url} closed the connection`)),
      error: (_, cause) => fail(cause),
    },
  });
  socket.setNoDelay(true);
  return {
    send(request) {
      waiting = Promise.withResolvers();
      socket.write(request);
      return waiting.promise;
    },
    close: () => void socket.end(),
  };
}
