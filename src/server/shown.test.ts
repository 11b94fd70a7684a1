// What of a change is sent to a page of workloads.
import { beforeEach, describe, expect, test } from "bun:test";
import { create } from "@bufbuild/protobuf";
import { row } from "../../test/stub-agent.ts";
import {
  type ListFleetWorkloadsRequest,
  ListFleetWorkloadsRequestSchema,
  ListFleetWorkloadsResponseSchema,
} from "../gen/lizardcd/v1/fleet_pb.ts";
import { createShown, type Shown } from "./shown.ts";

const ill = (name: string) => row("eu-1", name, { state: "failed" });
const well = (name: string) => row("eu-1", name);

function page(change: Partial<ListFleetWorkloadsRequest>, listed: string[], more = "") {
  const response = create(ListFleetWorkloadsResponseSchema, {
    items: listed.map((name) => ({ row: well(name) })),
    continue: more,
    total: listed.length + (more ? 2 : 0),
    states: { ok: listed.length + (more ? 2 : 0) },
  });
  const shown = createShown({ ...create(ListFleetWorkloadsRequestSchema), ...change }, response, []);
  return { response, shown };
}

describe("a page that is whole", () => {
  let shown: Shown;
  let response: ReturnType<typeof page>["response"];
  beforeEach(() => {
    ({ shown, response } = page({}, ["a", "b"]));
  });

  test("is not sent what says nothing new", () => {
    expect(shown.put(well("a"), "first")).toBe(false);
    expect(shown.put(row("eu-1", "a", { changedMs: 999_999 }), "later")).toBe(false);
    expect(shown.recounted()).toBe(false);
  });

  test("is sent what changed, what is new, and what went, and counts them", () => {
    expect([shown.put(ill("a"), "later"), shown.put(well("c"), "later"), shown.remove(well("b"))]).toEqual([
      true,
      true,
      true,
    ]);
    expect([response.total, response.states]).toEqual([2, { ok: 1, failed: 1 }]);
    expect([shown.recounted(), shown.recounted()]).toEqual([true, false]);
  });

  test("is sent what came between its list and the beginning of its watch", () => {
    expect(shown.put(well("c"), "first")).toBe(true);
    expect(response.total).toBe(3);
  });
});

describe("a page that is a part", () => {
  let shown: Shown;
  let response: ReturnType<typeof page>["response"];
  beforeEach(() => {
    ({ shown, response } = page({}, ["a", "b"], "more"));
    for (const name of ["a", "b", "c", "d"]) expect(shown.put(well(name), "first")).toBe(false);
  });

  test("counts a row of another page that changed, and is not sent it", () => {
    expect(shown.put(row("eu-1", "d", { ready: 1 }), "later")).toBe(false);
    expect(shown.recounted()).toBe(false);
    expect(shown.put(well("e"), "later")).toBe(false);
    expect(shown.remove(well("c"))).toBe(false);
    expect([shown.recounted(), response.total]).toEqual([true, 4]);
  });

  test("is sent a row that now stands before its last one, until it is twice as long", () => {
    expect([shown.put(ill("d"), "later"), response.states]).toEqual([true, { ok: 3, failed: 1 }]);
    expect(shown.put(ill("c"), "later")).toBe(true);
    expect(shown.put(ill("e"), "later")).toBe(false);
    expect([shown.size, response.total]).toEqual([4, 5]);
  });

  test("is sent nothing new where it is a later one", () => {
    const later = page({ continue: "x" }, ["y", "z"], "more");
    expect(later.shown.put(ill("a"), "later")).toBe(false);
    expect(later.shown.put(ill("y"), "later")).toBe(true);
  });
});

test("a row that no longer matches stays where it is, and is not counted", () => {
  const { shown, response } = page({ state: ["ok"] }, ["a", "b"]);
  expect(shown.put(ill("a"), "later")).toBe(true);
  expect(shown.has(ill("a"))).toBe(true);
  expect([response.total, response.states]).toEqual([1, { ok: 1 }]);
  expect(shown.put(ill("c"), "later")).toBe(false);
});

test("of rows that a label selector did not list none is taken for one that it would", () => {
  const { shown, response } = page({ labelSelector: "app=a" }, ["a"]);
  expect(shown.put(well("c"), "later")).toBe(false);
  expect(shown.put(ill("a"), "later")).toBe(true);
  expect([response.total, response.states]).toEqual([1, { ok: 0, failed: 1 }]);
});
