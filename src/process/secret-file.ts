// Files that hold secrets: made anew with mode 0600, never written into what lies there already, and read only where
// nobody else could have written them.
import {
  chmodSync,
  closeSync,
  fchmodSync,
  fstatSync,
  fsyncSync,
  lstatSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync,
} from "node:fs";

const me = () => process.getuid?.();
const octal = (mode: number) => (mode & 0o777).toString(8).padStart(4, "0");

/** Written whole or not at all. What lies under the name of the new file, a link too, is removed and not written into. */
export function writeSecretFile(file: string, text: string): void {
  const fresh = `${file}.new`;
  rmSync(fresh, { force: true });
  const handle = openSync(fresh, "wx", 0o600);
  try {
    writeFileSync(handle, text);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  renameSync(fresh, file);
}

/**
 * Undefined where there is none. One that others may read, or the group may write, gets mode 0600 and is told of.
 * @throws Error that names the file where others may write it, or where it is neither of this user nor of root
 */
export function readSecretFile(file: string, warn: (warning: string) => void = () => {}): string | undefined {
  let handle: number;
  try {
    foreign(file, lstatSync(file));
    handle = openSync(file, "r");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw cause;
  }
  try {
    const { uid, mode } = foreign(file, fstatSync(handle));
    if (me() !== undefined && mode & 0o002) {
      throw new Error(
        `${file} has mode ${octal(mode)}, so anybody may have written it: see what it holds, then chmod 600 ${file}`,
      );
    }
    // A volume of Kubernetes gives its group what the folder holds: that is mended without a word.
    if (uid === me() && mode & 0o077) {
      fchmodSync(handle, 0o600);
      if (mode & 0o007) warn(`${file} had mode ${octal(mode)} and could be read by others: it has mode 0600 now`);
    }
    return readFileSync(handle, "utf8");
  } finally {
    closeSync(handle);
  }
}

/**
 * Takes from others what they may do in a folder of secrets, and tells of it.
 * @throws Error that names the folder where it is neither of this user nor of root
 */
export function closeToOthers(folder: string, warn: (warning: string) => void): void {
  const { uid, mode } = foreign(folder, statSync(folder));
  if (me() === undefined || !(mode & 0o007)) return;
  const could = mode & 0o002 ? "be written" : "be read";
  if (uid === me() || me() === 0) {
    chmodSync(folder, mode & 0o770);
    warn(`${folder} had mode ${octal(mode)} and could ${could} by others: it has mode ${octal(mode & 0o770)} now`);
  } else if (mode & 0o002 && !(mode & 0o1000)) {
    // The volume of a pod, most often: nobody else is there.
    warn(`${folder} is of root and can be written by others, mode ${octal(mode)}: give it to user ${me()} alone`);
  }
}

function foreign(path: string, stats: Stats): Stats {
  const user = me();
  if (user === undefined || stats.uid === user || stats.uid === 0) return stats;
  throw new Error(
    `${path} is of user ${stats.uid}, not of ${user} that runs this: move it away, or chown ${user} ${path}`,
  );
}
