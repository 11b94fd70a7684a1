// The data folder: secrets made at the first start, mode 0600, read at every other.
import { mkdir, open, unlink } from "node:fs/promises";
import { join } from "node:path";
import { closeToOthers, readSecretFile, writeSecretFile } from "../process/secret-file.ts";
import { reasonOf } from "../process/setting-file.ts";

/** As which a server holds its data folder. */
export const holder = { program: "server", file: "server" };

export interface DataFolder {
  readonly path: string;
  /** Signs sessions. */
  sessionSecret(): Promise<string>;
  /** What agents show to announce themselves. */
  joinToken(): Promise<string>;
  /** The password made at the first start, while it is kept. */
  firstPassword(): Promise<string | undefined>;
  /** Makes and keeps one. */
  makeFirstPassword(): Promise<string>;
  forgetFirstPassword(): Promise<void>;
  /** A file of the folder; undefined where there is none. */
  read(name: string): Promise<string | undefined>;
  /** Written whole or not at all, mode 0600. */
  write(name: string, text: string): Promise<void>;
}

/**
 * @param warn told of what others could read or write in it until now
 * @throws Error that names the folder when it cannot be made or written, or belongs to somebody else
 */
export async function openDataFolder(path: string, warn: (warning: string) => void = () => {}): Promise<DataFolder> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    const probe = join(path, `.write-test-${process.pid}`);
    await unlink(probe).catch(unlessMissing);
    await (await open(probe, "wx", 0o600)).close();
    await unlink(probe);
  } catch (cause) {
    const next = "make it writable, or name another with --data";
    throw new Error(`the data folder ${path} cannot be written: ${reasonOf(cause)}: ${next}`, { cause });
  }
  closeToOthers(path, warn);
  const read = async (file: string) => readSecretFile(file, warn)?.trim() || undefined;
  const secret = (file: string, bytes: number) => keptOrMade(file, bytes, read);
  const password = join(path, "first-password");
  return {
    path,
    sessionSecret: () => secret(join(path, "session-secret"), 48),
    joinToken: () => secret(join(path, "join-token"), 32),
    firstPassword: () => read(password),
    makeFirstPassword: () => secret(password, 12),
    read: (name) => read(join(path, name)),
    async write(name, text) {
      writeSecretFile(join(path, name), text);
    },
    async forgetFirstPassword() {
      await unlink(password).catch(unlessMissing);
    },
  };
}

async function keptOrMade(
  file: string,
  bytes: number,
  read: (file: string) => Promise<string | undefined>,
): Promise<string> {
  const kept = await read(file);
  if (kept) return kept;
  const made = Buffer.from(crypto.getRandomValues(new Uint8Array(bytes))).toString("base64url");
  try {
    const handle = await open(file, "wx", 0o600);
    await handle.writeFile(`${made}\n`);
    await handle.sync();
    await handle.close();
    return made;
  } catch (cause) {
    // Another process made it first: its word counts.
    if ((cause as NodeJS.ErrnoException).code === "EEXIST") {
      for (let tries = 0; tries < 50; tries++) {
        const other = await read(file);
        if (other) return other;
        await Bun.sleep(20);
      }
    }
    throw cause;
  }
}

function unlessMissing(cause: NodeJS.ErrnoException): void {
  if (cause.code !== "ENOENT") throw cause;
}
