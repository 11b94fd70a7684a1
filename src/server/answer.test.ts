// The door for what agents answer, held against every method of the contract that agents serve.
import { describe, expect, test } from "bun:test";
import { create, type DescMessage, fromBinary, type MessageInitShape, ScalarType, toBinary } from "@bufbuild/protobuf";
import { Failed } from "../contract/errors.ts";
import { agentServices, type OperationId, operation, operations } from "../contract/operation.ts";
import { AgentInfoSchema, SummaryResponseSchema } from "../gen/lizardcd/v1/agent_pb.ts";
import { ListNamespacesResponseSchema } from "../gen/lizardcd/v1/namespace_pb.ts";
import {
  ListWorkloadsResponseSchema,
  WorkloadEventSchema,
  type WorkloadRowSchema,
  WorkloadSchema,
} from "../gen/lizardcd/v1/workload_pb.ts";
import {
  clean,
  createAnswers,
  mostAgeMs,
  mostItems,
  mostText,
  namesObject,
  prepareFor,
  specialMessages,
} from "./answer.ts";
import type { AgentEntry } from "./directory.ts";

function entryOf(namespace: string, cluster = "evil", address = "127.0.0.1:1"): AgentEntry {
  const key = `lizardcd-agent.${namespace}.${cluster}`;
  return { key, namespace, cluster, endpoints: new Map([[address, {} as never]]), announcedAt: 0 };
}

function door(...entries: AgentEntry[]) {
  const find = (cluster: string, namespace?: string) =>
    entries.find((entry) => entry.cluster === cluster && entry.namespace === namespace);
  return createAnswers({ prefix: "", directory: { find } });
}

type Row = MessageInitShape<typeof WorkloadRowSchema>;
const row = (more: Row = {}): Row => ({
  ...{ cluster: "evil", namespace: "shop", resource: "deployments", name: "cart", state: "ok", desired: 2, ready: 2 },
  ...more,
});

/** Over the wire and through the door, as an agent's answer comes. */
function answered<S extends DescMessage>(
  schema: S,
  value: MessageInitShape<S>,
  {
    id,
    question,
    entry = entryOf("*"),
    answers = door(),
  }: { id: OperationId; question: object; entry?: AgentEntry; answers?: ReturnType<typeof door> },
) {
  const message = fromBinary(schema, toBinary(schema, create(schema, value)));
  return { taken: answers.take(entry, operation(id), question, message), refusals: answers.refusals(entry.key) };
}

const listing = { id: "workload.list" as const, question: { cluster: "evil", namespace: "*", resource: "workloads" } };
const listed = (items: Row[], asked: Partial<Parameters<typeof answered>[2]> = {}) =>
  answered(ListWorkloadsResponseSchema, { items, total: items.length }, { ...listing, ...asked });
const one = { cluster: "evil", namespace: "shop", resource: "deployments", name: "cart" };

function failure(run: () => unknown): Failed {
  try {
    run();
  } catch (cause) {
    if (cause instanceof Failed) return cause;
    throw cause;
  }
  throw new Error("it was believed");
}

describe("the contract", () => {
  const outputs = operations.filter(({ noun }) => noun in agentServices).map(({ method }) => method.output);
  const messages = new Set(outputs.flatMap((output) => [...prepareFor(output)]));

  test("has no message of an agent that speaks of a cluster or a namespace and is not held against the question", () => {
    const words = new Set(["cluster", "namespace", "resource", "keys", "scope"]);
    const loose = [...messages].filter(
      (message) =>
        message.fields.some(({ localName }) => words.has(localName)) &&
        !namesObject(message) &&
        !specialMessages.has(message),
    );
    // Only the server sends `lost`; what an agent sends of it is not read.
    expect(loose.map(({ name }) => name)).toEqual(["Lost"]);
  });

  test("has every number of every agent's answer looked at: one that cannot be is refused wherever it stands", () => {
    const tried: string[] = [];
    for (const { id, method, streams, noun } of operations) {
      if (!(noun in agentServices)) continue;
      for (const { path, value, impossible } of withOneNumber(method.output)) {
        const answers = door();
        const question = { ...one, ...(id.endsWith("list") && { namespace: "*", resource: "workloads" }) };
        const message = fromBinary(method.output, toBinary(method.output, create(method.output, value as never)));
        try {
          answers.take(entryOf("*"), operation(id), question, message);
        } catch (cause) {
          if (!(cause instanceof Failed)) throw cause;
        }
        const { problem = "nothing" } = answers.refusals(entryOf("*").key) ?? {};
        expect(`${id} ${path}: ${problem}`).toContain(`${impossible}, which cannot be`);
        tried.push(`${id} ${path} ${streams}`);
      }
    }
    expect(tried.length).toBeGreaterThan(100);
  });
});

/** One answer for each of its numbers, with nothing wrong in it but that one. */
function* withOneNumber(schema: DescMessage): Generator<{ path: string; value: object; impossible: string }> {
  const good = namesObject(schema) || schema.name === "NamespaceRow" ? goodObject(schema) : {};
  const needed = Object.fromEntries(
    schema.fields.flatMap((field) =>
      field.fieldKind === "message" && !field.oneof && namesObject(field.message)
        ? [[field.localName, goodObject(field.message)]]
        : [],
    ),
  );
  for (const field of schema.fields) {
    const { localName } = field;
    const put = (inner: unknown) => ({ ...good, ...needed, [localName]: inner });
    if (field.fieldKind === "scalar" && field.scalar === ScalarType.INT32) {
      yield { path: localName, value: put(-1), impossible: "-1" };
    } else if (field.fieldKind === "scalar" && field.scalar === ScalarType.DOUBLE) {
      for (const value of [Number.NaN, Number.POSITIVE_INFINITY, -1, mostAgeMs * 2]) {
        yield { path: localName, value: put(value), impossible: String(value) };
      }
    } else if (field.fieldKind === "map" && field.mapKind === "scalar" && field.scalar === ScalarType.INT32) {
      yield { path: localName, value: put({ ok: -1 }), impossible: "-1" };
    } else if (field.message && field.fieldKind !== "map" && field.message.name !== "Lost") {
      for (const inner of withOneNumber(field.message)) {
        const of = { ...inner, path: `${localName}.${inner.path}` };
        if (field.oneof) yield { ...of, value: { [field.oneof.localName]: { case: localName, value: inner.value } } };
        else yield { ...of, value: put(field.fieldKind === "list" ? [inner.value] : inner.value) };
      }
    }
  }
}

function goodObject(schema: DescMessage): object {
  const has = new Set(schema.fields.map(({ localName }) => localName));
  return Object.fromEntries(
    Object.entries(row()).filter(([name]) => has.has(name) && name !== "desired" && name !== "ready"),
  );
}

describe("a list", () => {
  test("keeps the rows of the cluster that was asked, stamps those that name none, and counts the others", () => {
    const items = [
      row({ cluster: "eu-1" }),
      row(),
      row({ cluster: "", name: "blank" }),
      row({ cluster: "eu-1", name: "x" }),
    ];
    const { taken, refusals } = listed(items);
    expect(taken!.items.map(({ cluster, name }) => `${cluster}/${name}`)).toEqual(["evil/cart", "evil/blank"]);
    expect(refusals).toEqual({ count: 2, problem: 'cluster is "eu-1", and evil was asked for' });
  });

  test("under the key of a namespace has rows of that namespace alone, also where all are asked for", () => {
    const items = [row(), row({ namespace: "kube-system" })];
    for (const namespace of ["*", "shop"]) {
      const { taken, refusals } = listed(items, {
        entry: entryOf("shop"),
        question: { ...listing.question, namespace },
      });
      expect(taken!.items.map((item) => item.namespace)).toEqual(["shop"]);
      expect(refusals?.problem).toBe('namespace is "kube-system", and shop was asked for');
    }
  });

  test("leaves out the rows of another key of the same agent, and does not blame it for them", () => {
    const [shop, pay] = [entryOf("shop"), entryOf("pay")];
    const items = [row(), row({ namespace: "pay" })];
    const own = listed(items, { entry: shop, answers: door(shop, pay) });
    expect([own.taken!.items.length, own.refusals]).toEqual([1, undefined]);
    const elsewhere = listed(items, { entry: shop, answers: door(shop, entryOf("pay", "evil", "127.0.0.1:2")) });
    expect([elsewhere.taken!.items.length, elsewhere.refusals?.count]).toEqual([1, 1]);
  });

  test("has the kinds and states that were asked for, and names that can be", () => {
    const question = { ...listing.question, resource: "deployments", state: ["ok"] };
    const items = [row(), row({ resource: "daemonsets" }), row({ state: "failed" }), row({ name: '"><img>' })];
    const { taken, refusals } = listed([...items, row({ namespace: ".." }), row({ resource: "x/../.." })], {
      question,
    });
    expect([taken!.items.length, refusals?.count]).toEqual([1, 5]);
  });

  test("loses the row whose number cannot be, and no other", () => {
    const numbers = [
      { ready: -5 },
      { createdMs: Number.NaN },
      { changedMs: Number.POSITIVE_INFINITY },
      { createdMs: -1 },
    ];
    const { taken, refusals } = listed([row(), ...numbers.map((more) => row(more))]);
    expect([taken!.items.length, refusals?.count]).toEqual([1, 4]);
  });

  test("calls a state that is not known unknown, in rows and in counts", () => {
    const items = [row({ state: '"><b>' }), row({ state: "lost" })];
    const states = { ok: 1, "<b>": 2, lost: 3, constructor: 1, toString: 1 };
    const { taken } = answered(ListWorkloadsResponseSchema, { items, states }, listing);
    expect(taken!.items.map(({ state }) => state)).toEqual(["unknown", "unknown"]);
    expect(taken!.states).toEqual({ ok: 1, unknown: 7 });
  });

  test("is bounded, and so is each of its texts", () => {
    const image = "a".repeat(mostText + 1);
    const items = Array.from({ length: mostItems + 1 }, (_, at) =>
      row({ name: `n${at}`, containers: [{ name: "c", image }] }),
    );
    const { taken, refusals } = listed(items);
    expect([taken!.items.length, refusals?.count]).toEqual([mostItems, 1]);
    expect(taken!.items[0]!.containers[0]!.image).toBe(`${"a".repeat(mostText - 1)}…`);
    const { taken: cursor } = answered(ListWorkloadsResponseSchema, { continue: "c".repeat(2_001) }, listing);
    expect(cursor!.continue).toBe("");
  });

  test("may have keys that every object has", () => {
    const labels = JSON.parse('{"__proto__": "x", "constructor": "y", "env": "z"}');
    const { taken } = answered(WorkloadSchema, { row: row(), labels }, { id: "workload.get", question: one });
    expect(Object.getPrototypeOf(taken!.labels)).toBe(Object.prototype);
    expect(taken!.labels.env).toBe("z");
    expect({} as Record<string, unknown>).not.toHaveProperty("x");
  });
});

describe("an answer about one workload", () => {
  for (const id of operations.filter(({ method }) => method.output.name === "Workload").map(({ id }) => id)) {
    test(`of ${id} is of that one, or none`, () => {
      expect(answered(WorkloadSchema, { row: row() }, { id, question: one }).taken!.row).toMatchObject(one);
      const wrong: (Row | undefined)[] = [
        row({ cluster: "eu-1" }),
        row({ namespace: "kube-system" }),
        row({ resource: "daemonsets" }),
        row({ name: "web" }),
        undefined,
      ];
      for (const other of wrong) {
        const failed = failure(() => answered(WorkloadSchema, { row: other }, { id, question: one }));
        expect(failed.code).toBe("agent.answer_refused");
        expect(failed.object).toBe("evil");
      }
    });
  }
});

describe("an event", () => {
  const watching = { id: "workload.watch" as const, question: listing.question };
  const events = (event: MessageInitShape<typeof WorkloadEventSchema>["event"], entry = entryOf("*")) =>
    answered(WorkloadEventSchema, { event }, { ...watching, entry }).taken;

  test("of a row that was not asked for is not passed on, neither as one that is nor as one that is gone", () => {
    const other = { ...one, cluster: "eu-1" };
    expect(events({ case: "upsert", value: row() })).toBeDefined();
    expect(events({ case: "removed", value: one })).toBeDefined();
    expect(events({ case: "upsert", value: row({ cluster: "eu-1" }) })).toBeUndefined();
    expect(events({ case: "removed", value: other })).toBeUndefined();
    expect(events({ case: "removed", value: one }, entryOf("pay"))).toBeUndefined();
  });

  test("that says no age ends the stream: without an end the page would wait for a whole set", () => {
    expect(failure(() => events({ case: "synced", value: { ageMs: Number.NaN } })).message).toContain("ageMs is NaN");
  });
});

describe("what an agent says of itself", () => {
  const summary = { id: "agent.summary" as const, question: { cluster: "evil", namespace: "*" } };

  test("is refused where it calls itself another cluster", () => {
    for (const id of ["agent.info", "agent.summary"] as const) {
      const said =
        id === "agent.info"
          ? () => answered(AgentInfoSchema, { cluster: "eu-1" }, { id, question: { cluster: "evil" } })
          : () => answered(SummaryResponseSchema, { info: { cluster: "eu-1" } }, summary);
      expect(failure(said).params).toMatchObject({ problem: 'cluster is "eu-1", and evil was asked for' });
    }
  });

  test("has the keys and namespaces that it is announced for, and troubles of those", () => {
    const [shop, pay] = [entryOf("shop"), entryOf("pay")];
    const keys = [shop.key, pay.key, "lizardcd-agent.*.evil", "lizardcd-agent.*.eu-1", "junk"];
    const { taken, refusals } = answered(
      SummaryResponseSchema,
      {
        info: { cluster: "evil", keys, scope: ["pay", "shop", "*", "kube-system"] },
        worst: [row({ state: "failed" }), row({ namespace: "kube-system" }), row({ namespace: "..", name: ".." })],
        namespace: "shop",
      } as never,
      { ...summary, question: { cluster: "evil", namespace: "shop" }, entry: shop, answers: door(shop, pay) },
    );
    expect(taken!.info!.keys).toEqual([shop.key, pay.key]);
    expect(taken!.info!.scope).toEqual(["pay", "shop"]);
    expect(taken!.worst.map(({ namespace }) => namespace)).toEqual(["shop"]);
    expect(refusals!.count).toBe(7);
  });

  test("counts what was asked for", () => {
    const asked = { ...summary, question: { cluster: "evil", namespace: "shop" }, entry: entryOf("shop") };
    expect(failure(() => answered(SummaryResponseSchema, { namespace: "*" }, asked)).code).toBe("agent.answer_refused");
    expect(answered(SummaryResponseSchema, { namespace: "shop" }, asked).taken).toBeDefined();
  });

  test("names of namespaces are those of its key", () => {
    const items = [{ name: "shop" }, { name: "kube-system" }, { name: "../x" }];
    const asked = { id: "namespace.list" as const, question: { cluster: "evil" } };
    const whole = answered(ListNamespacesResponseSchema, { items }, asked);
    expect([whole.taken!.items.length, whole.refusals?.count]).toEqual([2, 1]);
    const part = answered(ListNamespacesResponseSchema, { items }, { ...asked, entry: entryOf("shop") });
    expect(part.taken!.items.map(({ name }) => name)).toEqual(["shop"]);
  });
});

test("texts lose what a terminal would obey, and what is not seen or turns the reading direction", () => {
  expect(clean("\u001b]0;owned\u0007\u001b[31mRED\u001b[0m \u202Eevil")).toBe("RED \ufffdevil");
  expect(clean("\u009b2Jx \u009d0;t\u009c y\u0007\u200b")).toBe("x  y\ufffd\ufffd");
  expect(clean("one\r\ntwo\tthree é 集群 👩‍💻")).toBe("one\ntwo\tthree é 集群 👩‍💻");
});

test("a failure of an agent is of what was asked, whatever object it names", () => {
  const said = new Failed(
    "agent.refuses",
    { cluster: "\u001b[31meu-1", problem: "x".repeat(9_000) },
    { object: "eu-1" },
  );
  const failed = door().failed(entryOf("*"), one, said);
  expect(failed.object).toBe("deployments/shop/cart in evil");
  expect(failed.params).toMatchObject({ cluster: "eu-1" });
  expect(String(failed.params.problem)).toHaveLength(mostText);
});
