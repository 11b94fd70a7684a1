import { expect, test } from "bun:test";
import { createMetrics, serveMetrics } from "./metrics.ts";

test("figures on a loopback address are given under the names of this machine alone; probes come by any", async () => {
  const { url, stop } = serveMetrics({ host: "127.0.0.1", port: 0 }, createMetrics());
  try {
    const status = async (path: string, host: string) => (await fetch(url + path, { headers: { host } })).status;
    for (const host of ["127.0.0.1:15017", "localhost"])
      expect([host, await status("/metrics", host)]).toEqual([host, 200]);
    for (const host of ["evil.example", "10.0.0.7"])
      expect([host, await status("/metrics", host)]).toEqual([host, 421]);
    expect(await status("/healthz", "10.0.0.7")).toBe(200);
  } finally {
    await stop();
  }
});
