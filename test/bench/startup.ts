// Time to ready: each program by itself, and `npm start` as a whole.
import { join } from "node:path";
import { freePorts } from "../testbed/processes.ts";
import { until } from "../testbed/wait.ts";
import type { Bench } from "./bench.ts";
import { type Figure, type Part, repeated } from "./figure.ts";

const tries = 4;

export const startup: Part<Bench> = {
  name: "startup",
  title: "Time to ready",
  conditions:
    "From the start of the process to its first good answer. The server's data folder is new each time, so it makes its " +
    "secrets, its database and its first password (argon2id). Server and agent are compiled; sandbox and `npm start` run " +
    "from source, with everything installed.",
  async run(bench) {
    const server: number[] = [];
    const agent: number[] = [];
    const sandboxes: number[] = [];
    for (let turn = 0; turn < tries; turn++) {
      const started = await bench.startServer();
      server.push(started.readyMs);
      const sandbox = await bench.startSandbox("many:1000");
      sandboxes.push(sandbox.readyMs);
      const one = await bench.startAgent({ cluster: "eu-1", sandbox, server: started });
      agent.push(one.readyMs);
      for (const { process } of [one, sandbox, started]) await process.stop();
    }
    const figures = [
      repeated("server answers /readyz", server, "ms", "start"),
      repeated("agent has the whole list of 1,000 Deployments", agent, "ms", "start"),
      repeated("sandbox of 1,000 Deployments serves", sandboxes, "ms", "start"),
    ];
    return [...figures, ...(await whole(bench))];
  },
};

/** The page, and the three simulated clusters all answering. */
async function whole(bench: Bench): Promise<Figure[]> {
  const serves: number[] = [];
  const fleet: number[] = [];
  for (let turn = 0; turn < 3; turn++) {
    const [port, metrics] = await freePorts(2);
    const url = `http://127.0.0.1:${port}`;
    const data = join(bench.group.folder, `start-${turn}`);
    const began = performance.now();
    const process = await bench.group.start({
      name: `npm-start-${turn}`,
      command: ["npm", "start", "--", "--data", data, "--http-addr", `127.0.0.1:${port}`].concat([
        "--metrics-addr",
        `127.0.0.1:${metrics}`,
      ]),
      cwd: join(import.meta.dir, "../.."),
    });
    await until(async () => (await fetch(`${url}/readyz`)).ok, { what: "npm start to serve", interval: 3 });
    serves.push((performance.now() - began) / 1000);
    const username = "admin";
    const password = (await Bun.file(join(data, "first-password")).text()).trim();
    const answer = await fetch(`${url}/login`, {
      method: "POST",
      headers: { "content-type": "application/json", accept: "application/json" },
      body: JSON.stringify({ username, password }),
    });
    const { accessToken } = (await answer.json()) as { accessToken: string };
    await until(
      async () => {
        const headers = { authorization: `Bearer ${accessToken}`, accept: "application/json" };
        const { clusters } = (await (await fetch(`${url}/fleet`, { headers })).json()) as { clusters: Cluster[] };
        return clusters.filter(({ agentsAnswering }) => agentsAnswering > 0).length === 3;
      },
      { what: "three clusters to answer", interval: 10 },
    );
    fleet.push((performance.now() - began) / 1000);
    await process.stop();
  }
  return [
    repeated("npm start: server answers", serves, "s", "start"),
    repeated("npm start: three simulated clusters answer", fleet, "s", "start", { atMost: 2 }),
  ];
}

interface Cluster {
  agentsAnswering: number;
}
