// What every operation of the contract must have, whichever it is.
import { describe, expect, test } from "bun:test";
import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { ScaleWorkloadRequestSchema } from "../gen/lizardcd/v1/workload_pb.ts";
import { nearest } from "../process/nearest.ts";
import { Failed, type FailureCode, failures, fromFailure, toFailure } from "./errors.ts";
import { openApi } from "./openapi.ts";
import { agentServices, href, operation, operations, pathFields, search } from "./operation.ts";
import { reason, reasons } from "./reasons.ts";
import { inputOf } from "./request.ts";
import { check, ruleOf } from "./rules.ts";

describe("every operation", () => {
  for (const op of operations) {
    test(`${op.id} says who may call it, in words, and where`, () => {
      expect(op.summary).toMatch(/^[A-Z].+[^.]$/);
      if (op.caller === "user") expect(op.permission).toMatch(/^[a-z]+\.[a-z_]+$/);
      else expect(op.permission).toBe("");
      if (!op.http) return expect(op.streams).toBe(true);
      expect(op.audited).toBe(op.http.method !== "GET" && op.caller !== "agent");
      const names = op.method.input.fields.map((field) => field.localName);
      for (const name of [...pathFields(op.http), ...op.arguments]) expect(names).toContain(name);
      for (const name of pathFields(op.http)) {
        const rule = ruleOf(op.method.input.fields.find((field) => field.localName === name)!);
        expect(rule?.required).toBe(true);
        expect(Boolean(rule?.pattern) || (rule?.in.length ?? 0) > 0).toBe(true);
      }
    });
  }

  test("has a path and a verb of its own", () => {
    const doors = operations.flatMap(({ http }) =>
      http ? [`${http.method} ${http.path.replace(/\{\w+\}/g, "{}")}`] : [],
    );
    expect(new Set(doors).size).toBe(doors.length);
  });

  test("has words of its own in the CLI", () => {
    const commands = operations.map(({ command }) => command).filter(Boolean);
    expect(new Set(commands).size).toBe(commands.length);
  });

  test("of an agent is served by an agent's service", () => {
    for (const noun of Object.keys(agentServices)) expect(operations.some((op) => op.noun === noun)).toBe(true);
  });
});

test("every pattern of every rule is a whole-string pattern that compiles, with words for the error", () => {
  let patterns = 0;
  for (const { method } of operations) {
    for (const field of method.input.fields) {
      const rule = ruleOf(field);
      if (!rule?.pattern) continue;
      patterns++;
      expect(() => new RegExp(`^(?:${rule.pattern})$`, "u")).not.toThrow();
      expect([field.name, rule.means]).not.toEqual([field.name, ""]);
    }
  }
  expect(patterns).toBeGreaterThan(10);
});

test("OpenAPI refers to nothing it does not define, and lists every operation with a path", () => {
  const document = openApi("1.2.3");
  const text = JSON.stringify(document);
  const refs = [...text.matchAll(/"#\/components\/schemas\/(\w+)"/g)].map(([, name]) => name!);
  expect(refs.length).toBeGreaterThan(20);
  for (const name of refs) expect(Object.keys(document.components.schemas)).toContain(name);
  const listed = Object.values(document.paths).flatMap((verbs) => Object.values(verbs) as { operationId: string }[]);
  expect(listed.map(({ operationId }) => operationId).sort() as string[]).toEqual(
    operations
      .filter(({ http }) => http)
      .map(({ id }) => id as string)
      .sort(),
  );
});

test("OpenAPI tells which lists go on as streams, and of what", () => {
  const { paths } = openApi("1.2.3");
  const streams = Object.entries(paths).filter(([, verbs]) => JSON.stringify(verbs).includes("text/event-stream"));
  expect(streams.map(([path]) => path).sort()).toEqual([
    "/clusters/{cluster}/namespaces/{namespace}/{resource}",
    "/workloads",
  ]);
  for (const [path, { get }] of streams) {
    const { parameters } = get as { parameters: { name: string }[] };
    expect([path, parameters.map(({ name }) => name)]).toEqual([path, expect.arrayContaining(["watch"])]);
  }
});

describe("href", () => {
  test("puts the path's fields into the path and the rest into the query", () => {
    const key = { cluster: "eu-1", namespace: "shop", resource: "deployments", name: "web" };
    expect(href("workload.get", key)).toBe("/clusters/eu-1/namespaces/shop/deployments/web");
    expect(href("fleet.listWorkloads", { cluster: ["a", "b"], q: "x y", state: [] })).toBe(
      "/workloads?cluster=a&cluster=b&q=x+y",
    );
    expect(() => href("workload.get", { cluster: "eu-1" })).toThrow("needs namespace");
  });

  test("survives any value: what goes in comes out of the URL again", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.string({ minLength: 1 }), (cluster, q) => {
        const url = new URL(`http://localhost${href("agent.info", { cluster: `c${cluster}` })}`);
        expect(decodeURIComponent(url.pathname.split("/")[2]!)).toBe(`c${cluster}`.toWellFormed());
        expect(new URLSearchParams(search([["q", q]])).get("q")).toBe(q.toWellFormed());
      }),
    );
  });
});

describe("input", () => {
  test("never crashes on any JSON: it is a message or a failure that names a field", () => {
    const fields = fc.dictionary(
      fc.constantFrom("cluster", "namespace", "resource", "name", "replicas", "container", "image", "dryRun", "x"),
      fc.anything(),
    );
    fc.assert(
      fc.property(
        fields,
        fc.constantFrom("workload.scale", "workload.setImage", "fleet.listWorkloads"),
        (given, id) => {
          try {
            inputOf(operation(id as "workload.scale"), given as Record<string, unknown>);
          } catch (cause) {
            expect(cause).toBeInstanceOf(Failed);
            expect((cause as Failed).code).toBe("request.invalid");
          }
        },
      ),
      { numRuns: 2_000 },
    );
  });

  test("text from a form becomes numbers, booleans and lists; both spellings of a name are taken", () => {
    const key = { cluster: "eu-1", namespace: "shop", resource: "deployments", name: "web" };
    expect(inputOf(operation("workload.scale"), { ...key, replicas: "0" })).toMatchObject({ replicas: 0 });
    expect(inputOf(operation("workload.setImage"), { ...key, image: "a:1", dry_run: "true" })).toMatchObject({
      dryRun: true,
    });
    expect(inputOf(operation("fleet.listWorkloads"), { cluster: "a", label_selector: "x=y" })).toMatchObject({
      cluster: ["a"],
      labelSelector: "x=y",
    });
  });

  test("a name within two edits is proposed, another is not", () => {
    expect(nearest("replcas", ["replicas", "name"])).toBe("replicas");
    expect(nearest("zzz", ["replicas", "name"])).toBeUndefined();
  });

  test("is checked again where it arrives: the same rule, without the door", () => {
    const message = create(ScaleWorkloadRequestSchema, {
      cluster: "eu-1",
      namespace: "shop",
      resource: "deployments",
      name: "../etc",
      replicas: 1,
    });
    expect(() => check(ScaleWorkloadRequestSchema, message)).toThrow("name must be");
  });
});

describe("failures", () => {
  test("cross the wire and come back as they were", () => {
    for (const code of Object.keys(failures) as FailureCode[]) {
      const params = Object.fromEntries(
        [...failures[code].message.matchAll(/\{(\w+)\}/g)].map(([, name]) => [name!, `<${name}>`]),
      );
      const failed = new Failed(code, params as never, { object: "deployments/shop/web in eu-1" });
      expect(failed.message).not.toMatch(/\{\w+\}/);
      const back = fromFailure(toFailure(failed, "r1"), "agent");
      expect([back.code, back.message, back.object, back.http]).toEqual([
        failed.code,
        failed.message,
        failed.object,
        failed.http,
      ]);
    }
  });

  test("of a newer version keep nothing but that something failed", () => {
    const failure = { ...toFailure(new Failed("session.missing", {}), "r1"), code: "moon.full" };
    expect(fromFailure(failure, "agent").code).toBe("internal.error");
  });
});

test("reasons carry an English sentence for foreign clients", () => {
  const made = reason(
    "image.pull",
    { image: "web:2", problem: "manifest unknown" },
    { object: "pod web-1", sinceMs: 5 },
  );
  expect(made).toMatchObject({
    message: "Image web:2 cannot be pulled: manifest unknown",
    object: "pod web-1",
    sinceMs: 5,
  });
  for (const { rank } of Object.values(reasons)) expect(rank).toBeGreaterThan(0);
});
