import { afterAll, expect, test } from "bun:test";
import { startFake, workloadRow } from "./testserver.ts";

const fake = startFake();
afterAll(() => fake.stop());

const cluster = { name: "eu-1", state: "ok", labels: { env: "prod" } };
fake.answers["GET /fleet"] = () => Response.json({ clusters: [cluster], total: 1 });
fake.answers["GET /workloads"] = () => Response.json({ items: [{ row: workloadRow("web"), ageMs: 1 }] });
fake.answers["GET /clusters/eu-1/namespaces/shop/deployments/web"] = () => Response.json({ row: workloadRow("web") });

const printed = (words: string, template: string) => fake.cli([...words.split(" "), "-o", `jsonpath=${template}`]);

test("each list is items in a template, and the fields of its rows are theirs", async () => {
  const cases: [words: string, template: string, out: string][] = [
    ["get clusters", "{.items[*].name}", "eu-1\n"],
    ["get clusters", '{range .items[*]}{.name} {.labels.env}{"\\n"}{end}', "eu-1 prod\n"],
    ["get clusters eu-1", "{.state}", "ok\n"],
    ["describe cluster eu-1", "{.state}", "ok\n"],
    ["get deploy", "{.items[*].name}", "web\n"],
    ["get deploy", "{.items[*].row.name}", "web\n"],
    ["get deploy web -c eu-1 -n shop", "{.name} {.containers[0].image}", "web registry/web:1\n"],
    // These are known, and not there: nothing failed, and labels are anybody's.
    ["get clusters", "{.items[*].failure.code}", ""],
    ["get clusters", "{.items[*].labels.zone}", ""],
  ];
  for (const [words, template, out] of cases) {
    expect([template, await printed(words, template)]).toEqual([template, { code: 0, out, err: "" }]);
  }
});

test("a template that names a field which there is not is told which there are", async () => {
  const cases: [words: string, template: string, said: RegExp][] = [
    ["get clusters", "{.itemz[*].name}", /no field "itemz" is known there; there are clusters, answering, /],
    ["get clusters", "{.items[*].metadata.name}", /no field "metadata" .* there are name, state, labels, /],
    ["get clusters eu-1", "{.stat}", /no field "stat" .* there are name, state, /],
    ["describe cluster eu-1", "{.stat}", /no field "stat" .* there are name, state, /],
    ["get deploy", '{range .items[*]}{.metadata.name}{"\\n"}{end}', /no field "metadata" .* name, state, .*, ageMs/],
    ["get deploy", "{.items[*].row.kind}", /no field "kind" .* there are cluster, namespace, resource, name, /],
    ["get deploy web -c eu-1 -n shop", "{.spec.replicas}", /no field "spec" .* desired, .* pods, conditions, /],
  ];
  for (const [words, template, said] of cases) {
    const { code, err } = await printed(words, template);
    expect([template, code, err]).toEqual([template, 0, expect.stringMatching(said)]);
  }
});

test("jsonpath without a template is no format", async () => {
  for (const output of ["jsonpath", "jsonpath="]) {
    const { code, err } = await fake.cli(["get", "clusters", "-o", output]);
    expect([output, code, err]).toEqual([output, 2, expect.stringContaining("jsonpath=TEMPLATE")]);
  }
});
