import { connect, createServer, type Socket } from "node:net";

/** A proxy that connects where it is told to, and remembers what it was asked. Names of example.com lead to this machine. */
export async function connectProxy() {
  const asked: string[] = [];
  const sockets = new Set<Socket>();
  const proxy = createServer((client) => {
    sockets.add(client);
    client.on("error", () => client.destroy());
    client.once("data", (head) => {
      const line = head.toString().split("\r\n")[0]!;
      asked.push(line);
      const [host, port] = line.split(" ")[1]!.split(":");
      const upstream = connect(Number(port), host!.endsWith(".example.com") ? "127.0.0.1" : host, () => {
        client.write("HTTP/1.1 200 Connection established\r\n\r\n");
        client.pipe(upstream).pipe(client);
      });
      sockets.add(upstream);
      upstream.on("error", () => client.destroy());
    });
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  const { port } = proxy.address() as { port: number };
  const stop = () => {
    for (const socket of sockets) socket.destroy();
    proxy.close();
  };
  return { proxy: `http://127.0.0.1:${port}`, asked, stop };
}
