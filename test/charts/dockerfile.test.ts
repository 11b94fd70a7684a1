// No Docker engine is at hand where the tests run: what can be said of the Dockerfile without building it.
import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { agentSettings } from "../../src/agent/settings.ts";
import { hostPort } from "../../src/process/settings.ts";
import { serverSettings } from "../../src/server/settings.ts";
import { describePart } from "../testbed/part.ts";

const root = join(import.meta.dirname, "../..");
const text = readFileSync(join(root, "Dockerfile"), "utf8");

interface Stage {
  name: string;
  from: string;
  lines: { word: string; rest: string }[];
}

const stages: Stage[] = [];
for (const line of text.replace(/\\\n/g, " ").split("\n")) {
  const [, word, rest] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? [];
  if (word === "FROM") {
    const [, from, name] = /^(\S+) AS (\S+)$/.exec(rest!)!;
    stages.push({ name: name!, from: from!, lines: [] });
  } else if (word) stages.at(-1)!.lines.push({ word, rest: rest! });
}
const stage = (name: string) => stages.find((one) => one.name === name)!;
const said = (name: string, word: string) => stage(name).lines.flatMap((line) => (line.word === word ? line.rest : []));

describePart("hadolint", "the Dockerfile", ({ hadolint }) => {
  test("is as hadolint would have it", () => {
    const linted = Bun.spawnSync([hadolint, join(root, "Dockerfile")]);
    expect([linted.exitCode, linted.stdout.toString()]).toEqual([0, ""]);
    // It does find what is wrong.
    const wrong = Bun.spawnSync([hadolint, "-"], { stdin: Buffer.from("FROM debian:latest\nRUN cd /tmp\n") });
    expect(wrong.stdout.toString()).toContain("DL3007");
  });
});

describe("the Dockerfile", () => {
  test("begins with images of one version each", () => {
    const outside = stages.filter(({ from }) => !stages.some(({ name }) => name === from)).map(({ from }) => from);
    expect(outside.length).toBeGreaterThan(0);
    for (const image of outside) expect(image).toMatch(/:\d+\.\d+(\.\d+)?-/);
  });

  test("copies only what is there, and what .dockerignore lets through", () => {
    const allowed = readFileSync(join(root, ".dockerignore"), "utf8").split("\n");
    const sources = said("build", "COPY").flatMap((rest) => rest.split(/\s+/).slice(0, -1));
    for (const source of sources) {
      expect([source, existsSync(join(root, source))]).toEqual([source, true]);
      expect(allowed).toContain(`!${source.split("/")[0]}`);
    }
  });

  for (const [target, program] of [
    ["server", "lizardcd-server"],
    ["agent", "lizardcd-agent"],
    ["cli", "lizardcd"],
  ] as const) {
    test(`its target ${target} runs ${program} as a user without rights, and says how it is`, () => {
      expect(said(target, "USER")).toEqual(["65532:65532"]);
      expect(said(target, "ENTRYPOINT")).toEqual([`["/usr/local/bin/${program}"]`]);
      expect(said(target, "COPY")[0]).toBe(`--from=build /src/dist/${program} /usr/local/bin/${program}`);
      expect(said(target, "HEALTHCHECK")).toHaveLength(1);
    });
  }

  test("its ports and flags are those of the programs", () => {
    const port = (address: string) => String(hostPort(address).port);
    const server = [port(serverSettings.httpAddr.default), port(serverSettings.metricsAddr.default)];
    const agent = [port(agentSettings.grpcAddr.default), port(agentSettings.metricsAddr.default)];
    expect(said("server", "EXPOSE")).toEqual([server.join(" ")]);
    expect(said("agent", "EXPOSE")).toEqual([agent.join(" ")]);
    expect(said("server", "HEALTHCHECK")[0]).toContain(`/dev/tcp/127.0.0.1/${server[1]} `);
    expect(said("agent", "HEALTHCHECK")[0]).toContain(`/dev/tcp/127.0.0.1/${agent[1]} `);
    const known = Object.values(serverSettings).map(({ flag }) => `--${flag}`);
    const flags = (JSON.parse(said("server", "CMD")[0]!) as string[]).filter((word) => word.startsWith("--"));
    expect(flags.filter((flag) => !known.includes(flag))).toEqual([]);
  });

  test("the charts' pods are that user", () => {
    for (const chart of ["lizardcd-server", "lizardcd-agent"]) {
      const values = Bun.YAML.parse(readFileSync(join(root, "helm", chart, "values.yaml"), "utf8")) as {
        podSecurityContext: { runAsUser: number };
        image: { repository: string };
      };
      expect(`${values.podSecurityContext.runAsUser}:65532`).toBe(said(chart.replace("lizardcd-", ""), "USER")[0]!);
      expect(text).toContain(`-t ${values.image.repository}:`);
    }
  });
});
