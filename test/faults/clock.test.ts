// Clocks that are a day off: certificates hold, ages are the observer's own, nothing is renewed in a hurry.

import { afterEach, expect, test } from "bun:test";
import { X509Certificate } from "node:crypto";
import { join } from "node:path";
import { endAll, eventually, startTestServer, type TestServer } from "../harness.ts";
import { agentFleet } from "./agent-process.ts";
import { figure, shownMs } from "./figure.ts";

afterEach(endAll);

const day = 86_400_000;
const cluster = "eu-1";

const ok = (server: TestServer) =>
  eventually(
    () => server.client.get("/fleet"),
    ({ body }) => body.clusters.find(({ name }: { name: string }) => name === cluster)?.state === "ok",
  );

async function agesOf(server: TestServer): Promise<Map<string, number>> {
  const { body } = await server.client.get(`/workloads?cluster=${cluster}`);
  return new Map(
    body.items.map(({ row }: { row: { namespace: string; name: string; createdMs: number } }) => [
      `${row.namespace}/${row.name}`,
      row.createdMs,
    ]),
  );
}

for (const [which, off] of [
  ["behind", -day],
  ["ahead", day],
] as const) {
  for (const reach of ["address", "tunnel"] as const) {
    test(`an agent whose clock is a day ${which} serves by ${reach}, and the ages it tells are right`, async () => {
      const server = await startTestServer({ trust: { lifeMs: 30 * day } });
      const fleet = await agentFleet(server, cluster);
      const right = await fleet.start({ reach });
      await ok(server);
      const before = await agesOf(server);
      await right.stop("SIGTERM");
      await eventually(
        () => server.pool.directory.find(cluster),
        (entry) => entry === undefined,
      );
      const wrong = await fleet.start({ reach, preload: "./clock.ts", env: { LIZARDCD_TEST_CLOCK_OFF: String(off) } });
      await ok(server);
      const after = await agesOf(server);
      expect(after.size).toBeGreaterThan(5);
      const differences = [...after].map(([name, age]) => Math.abs(age - before.get(name)!));
      figure(`agent's clock a day ${which}, by ${reach}: ages differ by`, shownMs(Math.max(...differences)), "seconds");
      expect(Math.max(...differences)).toBeLessThan(120_000);
      expect(wrong.log()).toContain("enrolled");
      expect(wrong.log()).not.toContain("certificate renewed");
    });
  }
}

test("every certificate holds since a day ago: a clock that is a day behind finds it valid", async () => {
  const server = await startTestServer({ trust: { lifeMs: day } });
  const fleet = await agentFleet(server, cluster);
  await fleet.start();
  await ok(server);
  for (const file of ["ca.crt", "server.crt"]) {
    const { validFrom } = new X509Certificate(await Bun.file(join(server.data, file)).text());
    expect(Date.parse(validFrom)).toBeLessThanOrEqual(Date.now() - day + 1_000);
  }
  const { body } = await server.client.get("/agents");
  expect(body.items[0].certificateMs).toBeGreaterThan(day / 2);
});
