// 1,000 Deployments in one call, by an agent that has just started.
import type { Bench } from "./bench.ts";
import { type Part, repeated } from "./figure.ts";
import { known } from "./memory.ts";

const path = "/clusters/eu-1/namespaces/*/deployments?limit=1000";

export const list: Part<Bench> = {
  name: "list",
  title: "List of 1,000 Deployments",
  conditions:
    "JSON through the compiled server from a compiled agent on a sandbox of 1,000 Deployments. Cold: the first list ever " +
    "asked of both. The server has asked the agent for its summary before, so the connection is open.",
  async run(bench) {
    const sandbox = await bench.startSandbox("many:1000");
    const cold: number[] = [];
    const warm: number[] = [];
    let bytes = 0;
    for (let turn = 0; turn < 4; turn++) {
      const server = await bench.startServer();
      const agent = await bench.startAgent({ cluster: "eu-1", sandbox, server });
      await known(server, "eu-1");
      const ask = async () => {
        const began = performance.now();
        const answer = await server.fetch(path, {
          headers: { accept: "application/json", "accept-encoding": "identity" },
        });
        bytes = (await answer.text()).length;
        return performance.now() - began;
      };
      cold.push(await ask());
      for (let again = 0; again < 10; again++) warm.push(await ask());
      await agent.process.stop();
      await server.process.stop();
    }
    await sandbox.process.stop();
    return [
      repeated("cold", cold, "ms", "first list"),
      { ...repeated("warm", warm, "ms", "list, the next 10 of each") },
      { what: "JSON, not compressed", value: bytes / 1000, unit: "KB", runs: "1 list" },
    ];
  },
};
