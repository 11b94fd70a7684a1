import { expect, test } from "bun:test";
import { create } from "@bufbuild/protobuf";
import { SummaryResponseSchema } from "../gen/lizardcd/v1/agent_pb.ts";
import { createKept } from "./kept.ts";

const summary = (cluster: string, version = "1.0.0", ok = 3) =>
  create(SummaryResponseSchema, {
    info: {
      cluster,
      keys: [`lizardcd-agent.*.${cluster}`],
      version,
      labels: { env: "prod" },
      scope: ["*"],
      instance: cluster,
    },
    states: { ok },
    workloads: ok,
  });

test("agents that say the same of themselves share it, whatever they are called", () => {
  const keep = createKept();
  const [one, other, newer] = [keep(summary("a")), keep(summary("b")), keep(summary("c", "1.1.0", 4))];
  expect(other.info).toBe(one.info!);
  expect(other.states).toBe(one.states);
  expect(newer.info).not.toBe(one.info!);
  expect(newer).toMatchObject({ info: { version: "1.1.0", labels: { env: "prod" }, scope: ["*"] }, states: { ok: 4 } });
});

test("sharing does not remember without end", () => {
  const keep = createKept();
  const first = keep(summary("a", "0"));
  for (let each = 1; each < 3_000; each++) keep(summary("a", `${each}`));
  expect(keep(summary("a", "0")).info).not.toBe(first.info!);
  expect(keep(summary("a", "0")).info).toEqual(first.info!);
});
