// A data folder whose disk is full, as a small disk of memory that is filled: what has to work works, what cannot be put on
// record is refused before it is done, and all comes back with the space.
import { afterAll, afterEach, expect } from "bun:test";
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { href } from "../../src/contract/operation.ts";
import { openDataFolder } from "../../src/server/data.ts";
import { client, endAll, eventually, onEnd, startTestServer, type TestServer } from "../harness.ts";
import { row, startStubAgent } from "../stub-agent.ts";
import { testUnless } from "../testbed/part.ts";

const disk = mkdtempSync(join(tmpdir(), "lizardcd-full-"));
const mounted = Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", disk]);
afterAll(() => {
  if (mounted.exitCode === 0) Bun.spawnSync(["umount", disk]);
  rmSync(disk, { recursive: true, force: true });
});
afterEach(endAll);

/** Takes the disk's last byte, as somebody else's log would. */
function fill(): string {
  const file = join(disk, "somebody-else");
  const { bavail, bsize } = statfsSync(disk);
  writeFileSync(file, Buffer.alloc(bavail * bsize, 7));
  return file;
}

const key = { cluster: "eu-1", namespace: "shop", resource: "deployments", name: "web" };

async function started(): Promise<TestServer> {
  const folder = join(disk, crypto.randomUUID());
  const server = await startTestServer({
    data: await openDataFolder(folder),
    store: join(folder, "lizardcd.db"),
  });
  onEnd(() => rmSync(folder, { recursive: true, force: true }));
  return server;
}

testUnless(
  mounted.exitCode === 0 ? undefined : { part: "mount", reason: mounted.stderr.toString().trim() },
  "on a full disk people sign in and out and change passwords; nothing is done that cannot be put on record; space brings all back",
  async () => {
    const server = await started();
    const agent = await startStubAgent({ cluster: "eu-1", rows: [row("eu-1", "web")] });
    onEnd(agent.stop);
    server.announce("eu-1", agent.address);
    await eventually(
      () => server.client.get("/fleet"),
      ({ body }) => body.clusters[0]?.state === "ok",
    );
    const restart = () => server.client.post(href("workload.restart", key), {});
    expect((await restart()).status).toBe(200);
    const restarts = () => agent.calls.get("lizardcd.v1.WorkloadService/Restart") ?? 0;
    const before = restarts();
    expect(before).toBe(1);

    const other = fill();
    const refused = await eventually(restart, ({ status }) => status !== 200);
    expect([refused.status, refused.body.code]).toEqual([507, "store.full"]);
    // The first writes may have found room in the store's own file; the one that was refused was not done.
    const done = restarts();
    for (let tries = 0; tries < 5; tries++) expect((await restart()).status).toBe(507);
    expect(restarts()).toBe(done);
    expect(done).toBeGreaterThanOrEqual(before);

    // Reads go on, and so does who comes and goes.
    expect((await server.client.get("/workloads")).body.items).toHaveLength(1);
    const password = "a password that is long enough";
    const asked = { username: "admin", password: server.password };
    const guest = client(server.url, (await client(server.url, "").post("/login", asked)).body.accessToken);
    expect((await guest.get("/account")).status).toBe(200);
    expect((await guest.post("/logout", {})).status).toBe(200);
    expect((await guest.get("/account")).status).toBe(401);
    const change = { oldPassword: server.password, newPassword: password };
    expect((await server.client.post("/account/password", change)).status).toBe(200);
    expect((await client(server.url, "").post("/login", { ...asked, password })).status).toBe(200);
    expect((await restart()).body.code).toBe("store.full");

    const unready = await eventually(
      () =>
        fetch(`${server.url}/readyz`).then(async (answer) => ({ status: answer.status, said: await answer.text() })),
      ({ status }) => status === 503,
    );
    expect(unready.said).toContain("disk of the data folder is full");
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200);

    rmSync(other);
    await eventually(restart, ({ status }) => status === 200);
    await eventually(
      () => fetch(`${server.url}/readyz`),
      ({ status }) => status === 200,
    );
    const { items } = (await server.client.get("/audit?limit=200")).body;
    const ended = (operation: string) => items.filter((one: { operation: string }) => one.operation === operation);
    for (const operation of ["user.login", "user.logout", "user.changePassword"]) {
      expect([operation, ended(operation).at(0)?.outcome]).toEqual([operation, "done"]);
    }
  },
  60_000,
);
