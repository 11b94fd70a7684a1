import { expect, test } from "bun:test";
import { operation } from "./operation.ts";
import { inputOf } from "./request.ts";

const problemOf = (namespaces: string[]) => {
  try {
    inputOf(operation("trust.invite"), { cluster: "eu-1", namespaces });
    return "taken";
  } catch (cause) {
    return (cause as { params?: { field?: string } }).params?.field ?? String(cause);
  }
};

test("every item of a list is held to the rule, wherever it stands", () => {
  expect(problemOf(["shop", "pay"])).toBe("taken");
  for (const list of [
    ["Bad_1", "shop", "pay"],
    ["shop", "Bad_1", "pay"],
    ["shop", "pay", "Bad_1"],
  ]) {
    expect([list, problemOf(list)]).toEqual([list, expect.stringContaining("namespaces")]);
  }
});
