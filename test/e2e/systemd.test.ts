// What a plain machine can say of the units of docs/systemd, without systemd as its first process.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { startSandbox } from "../../src/sandbox/cluster.ts";
import { calm } from "../../src/sandbox/seeds.ts";
import { endAll, onEnd } from "../harness.ts";
import { describePart, testUnless } from "../testbed/part.ts";
import { type ProcessGroup, processGroup } from "../testbed/processes.ts";
import { untilAlive } from "../testbed/wait.ts";
import { temporaryFolder } from "./world.ts";

const root = join(import.meta.dirname, "../..");
const unit = (role: string) => readFileSync(join(root, `docs/systemd/lizardcd-${role}.service`), "utf8");
const familiesOf = (role: string) => /^RestrictAddressFamilies=(.*)$/m.exec(unit(role))![1]!;
const seccomp =
  process.platform === "linux" && ["x64", "arm64"].includes(process.arch)
    ? undefined
    : { part: "Linux", reason: `this is ${process.platform} on ${process.arch}` };
let group: ProcessGroup;

beforeAll(async () => {
  group = await processGroup({ name: "systemd" });
  onEnd(() => group.stop());
});
afterAll(endAll);

/** From source, with no other sockets than its unit lets it have. */
function restricted(role: "server" | "agent", flags: string[]) {
  const only = [process.execPath, join(root, "test/testbed/address-families.ts"), familiesOf(role)];
  const command = [...only, process.execPath, join(root, `src/${role}/main.ts`), ...flags];
  return group.start({ name: role, command, cwd: root });
}

testUnless(
  seccomp,
  "an agent on every address finds the machine's own with the sockets its unit lets it have",
  async () => {
    const folder = await temporaryFolder();
    const sandbox = await startSandbox({ name: "unit-1", seed: calm });
    onEnd(() => sandbox.stop());
    const kubeconfig = join(folder, "kubeconfig");
    await writeFile(kubeconfig, sandbox.kubeconfig(), { mode: 0o600 });
    // It waits for its server before it listens.
    const agent = await restricted("agent", [
      ...["--grpc-addr", "0.0.0.0:0", "--metrics-addr", "127.0.0.1:0", "--kubeconfig", kubeconfig],
      ...["--server", "http://localhost:1", "--token", "t", "--identity", join(folder, "identity.pem")],
    ]);
    const waits = async () => agent.log().includes("the server does not answer yet");
    await untilAlive(agent, waits, { what: "the agent to have found its address" });
    await agent.stop();
  },
  60_000,
);

testUnless(
  seccomp,
  "the server serves with the sockets its unit lets it have",
  async () => {
    const anywhere = ["--http-addr", "127.0.0.1:0", "--metrics-addr", "127.0.0.1:0"];
    const server = await restricted("server", ["--data", join(await temporaryFolder(), "data"), ...anywhere]);
    await untilAlive(server, async () => server.log().includes("server serves"), { what: "the server to serve" });
    await server.stop();
  },
  60_000,
);

describePart("systemd", "systemd-analyze", ({ "systemd-analyze": analyze }) => {
  test("finds nothing wrong in the units", async () => {
    // It wants the programs to be there.
    const folder = await temporaryFolder();
    for (const role of ["server", "agent"]) {
      const file = join(folder, `lizardcd-${role}.service`);
      await writeFile(file, unit(role).replace(`/usr/local/bin/lizardcd-${role}`, process.execPath));
      const { exitCode, stderr } = Bun.spawnSync([analyze, "verify", file]);
      expect([role, stderr.toString(), exitCode]).toEqual([role, "", 0]);
    }
  });
});
