// The data folder: secrets made at the first start, mode 0600, read at every other.
import { chmod, mkdir, open, readFile, rename, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
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

/** @throws Error that names the folder when it cannot be made or written. */
export async function openDataFolder(path: string): Promise<DataFolder> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    const probe = join(path, `.write-test-${process.pid}`);
    await (await open(probe, "w", 0o600)).close();
    await unlink(probe);
  } catch (cause) {
    const next = "make it writable, or name another with --data";
    throw new Error(`the data folder ${path} cannot be written: ${reasonOf(cause)}: ${next}`, { cause });
  }
  const password = join(path, "first-password");
  return {
    path,
    sessionSecret: () => secret(join(path, "session-secret"), 48),
    joinToken: () => secret(join(path, "join-token"), 32),
    firstPassword: () => read(password),
    makeFirstPassword: () => secret(password, 12),
    read: (name) => read(join(path, name)),
    async write(name, text) {
      const file = join(path, name);
      await writeFile(`${file}.new`, text, { mode: 0o600 });
      await rename(`${file}.new`, file);
    },
    async forgetFirstPassword() {
      await unlink(password).catch((cause: NodeJS.ErrnoException) => {
        if (cause.code !== "ENOENT") throw cause;
      });
    },
  };
}

async function secret(file: string, bytes: number): Promise<string> {
  const kept = await read(file);
  if (kept) {
    await chmod(file, 0o600);
    return kept;
  }
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

async function read(file: string): Promise<string | undefined> {
  try {
    return (await readFile(file, "utf8")).trim() || undefined;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw cause;
  }
}
