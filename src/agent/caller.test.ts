import { describe, expect, test } from "bun:test";
import { asCaller, callerHeaders } from "./caller.ts";

const agent = "lizardcd-agent/1.0.0";

describe("a request to the API server", () => {
  test("says on whose behalf it is, in its user agent", () => {
    const headers = asCaller({ actor: "ops-eu", role: "admin", requestId: "r1" }, () => callerHeaders(agent, false));
    expect(headers).toEqual({ "user-agent": "lizardcd-agent/1.0.0 (for ops-eu, admin; request r1)" });
  });

  test("is the agent's own where nobody asked", () => {
    expect(callerHeaders(agent, true)).toEqual({ "user-agent": agent });
  });

  test("is made as the user where the agent impersonates", () => {
    const headers = asCaller({ actor: "李", role: "readonly", requestId: "" }, () => callerHeaders(agent, true));
    expect(headers).toEqual({
      "user-agent": "lizardcd-agent/1.0.0 (for ?, readonly; request unknown)",
      "impersonate-user": "%E6%9D%8E",
      "impersonate-group": "lizardcd:readonly",
    });
  });

  test("keeps the caller over what is awaited, and forgets it outside", async () => {
    const inside = asCaller({ actor: "a", role: "", requestId: "1" }, async () => {
      await Bun.sleep(1);
      return callerHeaders(agent, false)["user-agent"];
    });
    expect(callerHeaders(agent, false)["user-agent"]).toBe(agent);
    expect(await inside).toContain("for a");
  });
});
