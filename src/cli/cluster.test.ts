import { afterAll, beforeEach, expect, test } from "bun:test";
import { failure, startFake, workloadRow } from "./testserver.ts";

const fake = startFake();
afterAll(() => fake.stop());

const clusters = ["eu-1", "eu-10", "us-1"].map((name) => ({
  name,
  state: name === "eu-1" ? "degraded" : "ok",
  kubernetesVersion: "v1.34.1",
  labels: { region: name.slice(0, 2), near: "eu-1" },
  scope: ["*"],
  agents: 1,
  agentsAnswering: 1,
  states: { ok: 5, failed: 1 },
  workloads: 6,
  keys: [`lizardcd-agent.*.${name}`],
}));

beforeEach(() => {
  fake.seen.length = 0;
  // As the server does: parts of names, and labels.
  fake.answers["GET /fleet"] = ({ path }) => {
    const q = new URL(path, fake.url).searchParams.get("q") ?? "";
    const found = clusters.filter(({ name, labels }) =>
      [name, ...Object.values(labels)].some((one) => one.includes(q)),
    );
    return Response.json({ clusters: found, total: clusters.length });
  };
  fake.answers["GET /workloads"] = () =>
    Response.json({ items: [{ row: workloadRow("cart", { state: "failed", ready: 0 }) }], total: 3 });
});

test("get clusters with a name shows that one alone, as every format has it", async () => {
  for (const words of ["get clusters eu-1", "get cluster eu-1", "clusters eu-1"]) {
    const { code, out } = await fake.cli(`${words} --no-headers`);
    expect([words, code, out]).toEqual([words, 0, expect.stringMatching(/^eu-1 +Degraded .*\n$/)]);
  }
  expect(fake.seen.at(-1)!.path).toContain("q=eu-1");
  expect((await fake.cli("get clusters eu-1 -o name")).out).toBe("eu-1\n");
  expect(JSON.parse((await fake.cli("get clusters eu-1 -o json")).out)).toEqual(clusters[0]);
  expect((await fake.cli("get clusters eu-1 -o jsonpath={.state}")).out).toBe("degraded\n");
  expect((await fake.cli("get clusters -o name")).out).toBe("eu-1\neu-10\nus-1\n");
});

test("a cluster that is not there is not found, and the nearest is named", async () => {
  for (const words of ["get clusters eu-11", "get clusters eu-11 -o json", "get clusters eu-11 -w"]) {
    expect(await fake.cli(words)).toEqual({
      code: 5,
      out: "",
      err: 'lizardcd: There is no cluster "eu-11". Did you mean eu-1?\n',
    });
  }
  const { code, err } = await fake.cli("describe cluster zzz");
  expect([code, err]).toEqual([5, expect.stringContaining("lizardcd get clusters shows")]);
});

test("a name and what narrows a list are not taken together", async () => {
  const { code, err } = await fake.cli("get clusters eu-1 --state ok");
  expect([code, err]).toEqual([2, expect.stringContaining("get clusters eu-1 takes no --state")]);
  expect((await fake.cli("get clusters eu-1 us-1")).err).toContain('"us-1" is one argument too many');
  expect(fake.seen).toEqual([]);
});

test("describe cluster shows its health, agents and labels, and the workloads that need somebody", async () => {
  const { code, out } = await fake.cli("describe cluster eu-1");
  expect(code).toBe(0);
  for (const said of ["Degraded", "v1.34.1", "6 (5 Healthy, 1 Failed)", "region=eu", "lizardcd-agent.*.eu-1"]) {
    expect(out).toContain(said);
  }
  expect(out).toMatch(/^eu-1 +shop +deployments\/cart +Failed/m);
  expect(out).toEndWith("2 more\n");
  expect(fake.seen.at(-1)!.path).toMatch(/cluster=eu-1&state=failed&state=degraded/);
  fake.seen.length = 0;
  expect(JSON.parse((await fake.cli("describe cluster us-1 -o json")).out).name).toBe("us-1");
  expect((await fake.cli("describe cluster eu-1", { terminal: { columns: 20 } })).out).not.toMatch(/^.{21}/m);
});

test("describe cluster is about the context's where none is named, and a workload may be called cluster", async () => {
  const env = { LIZARDCD_SERVER: undefined };
  expect((await fake.cli("describe cluster", { env: { ...env, LIZARDCD_SERVER: fake.url } })).code).toBe(2);
  await fake.cli(`context set home --server ${fake.url} -c us-1`, { env });
  expect((await fake.cli("describe cluster -o name", { env })).out).toBe("us-1\n");
  fake.answers["GET /clusters/us-1/namespaces/shop/deployments/cluster"] = () => failure(404, "workload.not_found");
  await fake.cli("describe deploy/cluster -n shop", { env });
  expect(fake.seen.at(-1)!.path).toBe("/clusters/us-1/namespaces/shop/deployments/cluster");
});

test("a cluster that does not answer is described as it was last known, and does not count as done", async () => {
  const [lost] = clusters.filter(({ name }) => name === "us-1").map((row) => ({ ...row, state: "lost" }));
  fake.answers["GET /fleet"] = () => Response.json({ clusters: [lost], total: 3 });
  fake.answers["GET /workloads"] = () =>
    Response.json({ items: [], unanswered: [{ cluster: "us-1", code: "agent.unavailable", message: "it is gone" }] });
  const { code, out, err } = await fake.cli("describe cluster us-1");
  expect([code, err]).toEqual([6, "lizardcd: us-1 did not answer: It is gone\n"]);
  expect(out).toMatch(/^Health +Lost$/m);
  expect(out).toContain("This is what was last known");
  const narrow = await fake.cli("describe cluster us-1", { terminal: { columns: 20 } });
  expect(narrow.out).not.toMatch(/^.{21}/m);
});
