// What somebody else planted, or could have written, is no secret of ours.
import { afterEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { endAll, onEnd } from "../../test/harness.ts";
import { EnrollmentFailed, fileStore } from "../agent/identity-store.ts";
import { writeContexts } from "../cli/context.ts";
import { openDataFolder } from "../server/data.ts";

afterEach(endAll);

const modeOf = (file: string) => statSync(file).mode & 0o777;

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), "lizardcd-secrets-"));
  onEnd(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

function plant(file: string, text: string, mode: number): string {
  writeFileSync(file, text);
  chmodSync(file, mode);
  return file;
}

/** Each that writes a secret, with the file that it becomes. */
const writers: Record<string, (folder: string) => Promise<string>> = {
  async server(path) {
    await (await openDataFolder(path)).write("ca.key", "the secret");
    return join(path, "ca.key");
  },
  async agent(path) {
    const file = join(path, "agent.pem");
    await fileStore(file).write({ key: "the secret", certificate: "c", ca: "a" }, new AbortController().signal);
    return file;
  },
  async "command line"(path) {
    const env = { HOME: path, LIZARDCD_CONFIG: join(path, "contexts.yaml") };
    const kept = { server: "http://127.0.0.1:1", username: "", token: "the secret", expires: 0 };
    writeContexts({ current: "a", contexts: { a: kept } }, env as never, "en");
    const found = [...new Bun.Glob("**/*").scanSync({ cwd: path, dot: true })];
    return join(path, found.find((name) => readFileSync(join(path, name), "utf8").includes("the secret"))!);
  },
};

describe("what is written", () => {
  for (const [name, write] of Object.entries(writers)) {
    test(`by the ${name} goes into a file of its own, not into one that was planted under its new name`, async () => {
      const path = folder();
      const file = await write(path);
      expect(modeOf(file)).toBe(0o600);
      const held = plant(join(path, "held"), "", 0o666);
      plant(`${file}.new`, "planted", 0o666);
      await write(path);
      expect([modeOf(file), readFileSync(file, "utf8").includes("the secret")]).toEqual([0o600, true]);
      symlinkSync(held, `${file}.new`);
      await write(path);
      expect([modeOf(file), readFileSync(held, "utf8"), existsSync(`${file}.new`)]).toEqual([0o600, "", false]);
    });
  }
});

describe("what is read", () => {
  test("is refused where anybody may have written it, with what to do; where others could read it, that is mended and told", async () => {
    const path = folder();
    const warnings: string[] = [];
    const data = await openDataFolder(path, (warning) => warnings.push(warning));
    for (const name of ["ca.key", "session-secret", "join-token", "first-password"]) {
      const file = plant(join(path, name), "planted", 0o666);
      const read = {
        "ca.key": () => data.read(name),
        "session-secret": data.sessionSecret,
        "join-token": data.joinToken,
        "first-password": data.firstPassword,
      }[name]!;
      await expect(read()).rejects.toThrow(`${file} has mode 0666, so anybody may have written it`);
      chmodSync(file, 0o644);
      expect(await read()).toBe("planted");
      expect(modeOf(file)).toBe(0o600);
      expect(warnings.pop()).toBe(`${file} had mode 0644 and could be read by others: it has mode 0600 now`);
      // What a volume of Kubernetes does at each start.
      chmodSync(file, 0o660);
      expect(await read()).toBe("planted");
      expect([modeOf(file), warnings]).toEqual([0o600, []]);
    }
    const agent = plant(join(path, "agent.pem"), "planted", 0o666);
    const reading = fileStore(agent).read(new AbortController().signal);
    await expect(reading).rejects.toBeInstanceOf(EnrollmentFailed);
  });

  test("lies in a folder from which others are shut out, which is told", async () => {
    const path = folder();
    for (const [mode, could] of [
      [0o777, "be written"],
      [0o755, "be read"],
    ] as const) {
      chmodSync(path, mode);
      const warnings: string[] = [];
      await openDataFolder(path, (warning) => warnings.push(warning));
      expect(warnings).toEqual([expect.stringContaining(`and could ${could} by others`)]);
      expect(modeOf(path) & 0o007).toBe(0);
      await openDataFolder(path, (warning) => warnings.push(warning));
      expect(warnings).toHaveLength(1);
    }
  });
});
