import { afterAll, expect, test } from "bun:test";
import { startFake, workloadRow } from "./testserver.ts";

const fake = startFake();
afterAll(() => fake.stop());

fake.answers["GET /fleet"] = () => Response.json({ clusters: ["eu-1", "us-1", "edge-1"].map((name) => ({ name })) });
fake.answers["GET /clusters/eu-1/namespaces"] = () => Response.json({ items: [{ name: "shop" }, { name: "pay" }] });
fake.answers["GET /workloads"] = ({ path }) => {
  const query = new URL(path, fake.url).searchParams;
  const rows = [workloadRow("web"), workloadRow("worker"), workloadRow("db", { resource: "statefulsets" })];
  const wanted = rows.filter(
    ({ resource, name }) =>
      (!query.has("resource") || query.get("resource") === resource) && name.includes(query.get("q") ?? ""),
  );
  return Response.json({ items: wanted.map((row) => ({ row })) });
};

const complete = async (...words: string[]) => (await fake.cli(["__complete", ...words])).out.trimEnd().split("\n");

test("words, flags, enumerations and what the server knows are proposed", async () => {
  const cases: [words: string[], proposed: string[]][] = [
    [["rest"], ["restart"]],
    [["roll"], ["rollout"]],
    [["rollout", "s"], ["status"]],
    [
      ["context", ""],
      ["delete", "list", "set", "use"],
    ],
    [
      ["completion", ""],
      ["bash", "fish", "zsh"],
    ],
    [
      ["get", "deploy", "-c", "e"],
      ["edge-1", "eu-1"],
    ],
    [["get", "deploy", "-c", "eu-1,u"], ["eu-1,us-1"]],
    [["get", "clusters", "u"], ["us-1"]],
    [["describe", "cluster", "ed"], ["edge-1"]],
    [
      ["get", "deploy", "--cluster=e"],
      ["--cluster=edge-1", "--cluster=eu-1"],
    ],
    [
      ["restart", "web", "-c", "eu-1", "-n", ""],
      ["pay", "shop"],
    ],
    [
      ["describe", "deploy/w"],
      ["deploy/web", "deploy/worker"],
    ],
    [["describe", "d"], ["deploy/web", "deploy/worker", "sts/db"].filter((one) => one.startsWith("d"))],
    [["describe", "wo"], ["worker"]],
    [["restart", "sts/"], ["sts/db"]],
    [
      ["get", "deploy", "w"],
      ["web", "worker"],
    ],
    [["get", "workloads", "--state", "f"], ["failed"]],
    [
      ["get", "clusters", "-o", "j"],
      ["json", "jsonpath="],
    ],
    [["scale", "web", "--rep"], ["--replicas"]],
    [["nothing", "x"], [""]],
  ];
  for (const [words, proposed] of cases) expect([words, await complete(...words)]).toEqual([words, proposed]);
});

test("a server that is away, or that nobody knows, proposes nothing and says nothing", async () => {
  for (const LIZARDCD_SERVER of ["http://127.0.0.1:1", undefined, "not an address"]) {
    const answer = await fake.cli(["__complete", "restart", "web", "-c", ""], { env: { LIZARDCD_SERVER } });
    expect(answer).toEqual({ code: 0, out: "", err: "" });
  }
});

test("a shell that it does not know is told", async () => {
  const { code, err } = await fake.cli("completion tcsh");
  expect([code, err]).toEqual([2, expect.stringContaining("bash, zsh and fish")]);
});
