// The real kubectl, asked the same: scripts that were written for it go on.
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describePart } from "../../test/testbed/part.ts";
import { parseJsonPath } from "./jsonpath.ts";

// What kubectl prints without any cluster, as it orders it.
const config = {
  apiVersion: "v1",
  kind: "Config",
  clusters: [
    { name: "one", cluster: { server: "https://one:6443" } },
    { name: "three", cluster: { server: "https://three:6443" } },
    { name: "two", cluster: { server: "https://two:6443", "insecure-skip-tls-verify": true } },
  ],
  contexts: [
    { name: "a", context: { cluster: "one", user: "u" } },
    { name: "b", context: { cluster: "two", user: "v" } },
  ],
  "current-context": "b",
  users: [{ name: "u", user: { username: "x" } }],
};

const templates = [
  "{.clusters[*].name}",
  "{.clusters[*].cluster.server}",
  "{.clusters[0].name}{.clusters[-1].name}",
  "{.clusters[0,2].name}",
  "{.clusters[0:2].name}",
  "{.clusters[0:3:2].name}",
  "{.clusters[-2:].name}",
  "{.clusters[:-1].name}",
  "{.clusters.name}",
  '{range .clusters[*]}{.name}{"\\n"}{end}',
  '{range .clusters[*]}{.name}{"\\t"}{.cluster.server}{"\\n"}{end}',
  "{range .clusters[*]}{.name} {end}",
  "{range .clusters[*]}{.name}{','}{end}",
  '{range .users[*]}{@.name}{"  "}{end}',
  "{range .contexts[*]}{.name}: {range .context}{.cluster}{end};{end}",
  "{range .contexts[*]}{$.kind}{end}",
  "names: {.clusters[*].name}!",
  "a{.kind}b{ .apiVersion }c",
  "{.kind}, plain text",
  "{.current-context}",
  "{['current-context']}",
  "{['current-context','kind']}",
  "{.clusters[*]['name']}",
  "{.clusters[*]['name','cluster.server']}",
  "{.users[*].user['username']}",
  "{..server}",
  "{.clusters..server}",
  '{.clusters[?(@.name=="two")].cluster.server}',
  "{.clusters[?(.name=='two')].name}",
  '{.clusters[?(@.name!="two")].name}',
  '{.clusters[?(@.name=="none")].name}',
  "{.clusters[?(@.cluster.insecure-skip-tls-verify==true)].name}",
  "{.clusters[?(@.cluster.insecure-skip-tls-verify)].name}",
  "{.users[0].user}",
  "{.nothing}",
  "{.clusters[*].nothing}",
  '{"a\\"b\\u00e9"}{\'it\'}',
];

const refused = ["{end}", "{.clusters[", "{.clusters[x]}", '{.clusters[?(@.name=="a" || @.name=="b")].name}'];

const folder = mkdtempSync(join(tmpdir(), "lizardcd-kubectl-"));
const file = join(folder, "config");
writeFileSync(file, JSON.stringify(config));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describePart("kubernetes", "the real kubectl", ({ kubectl }) => {
  const theirs = (template: string) => {
    const words = ["config", "view", `--kubeconfig=${file}`, "-o", `jsonpath=${template}`];
    const { exitCode, stdout } = Bun.spawnSync([kubectl, ...words]);
    return exitCode === 0 ? stdout.toString() : undefined;
  };
  const ours = (template: string) => parseJsonPath(template).write(config, (text) => text);

  test("prints the same for each template", () => {
    for (const template of templates) expect([template, ours(template)]).toEqual([template, theirs(template)!]);
  });

  test("refuses what is refused here", () => {
    for (const template of refused) {
      expect([template, theirs(template)]).toEqual([template, undefined]);
      expect(() => ours(template)).toThrow();
    }
  });
});
