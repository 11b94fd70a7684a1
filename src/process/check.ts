// `--check`: looks at what a program needs before it is started in earnest, and says in words what is wrong.

import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdtemp, rmdir, stat, statfs } from "node:fs/promises";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { createSecureContext } from "node:tls";
import { proxied } from "./proxy.ts";
import { SettingInvalid } from "./setting.ts";
import { reasonOf } from "./setting-file.ts";
import { hostPort } from "./setting-value.ts";
import { unreachable, unreachableServer } from "./unreachable.ts";

export interface Check {
  /** "the data folder /var/lib/lizardcd". */
  what: string;
  /** Resolves with a remark, or nothing; rejects with what is wrong, in words. */
  look(signal: AbortSignal): Promise<string | undefined>;
}

const patienceMs = 5_000;

/** Looks at all at once; one line each, in their order. @returns how many failed. */
export async function runChecks(checks: readonly Check[], write: (line: string) => void): Promise<number> {
  const looked = checks.map(async ({ what, look }) => {
    const signal = AbortSignal.timeout(patienceMs);
    const late = new Promise<never>((_, reject) => {
      signal.addEventListener("abort", () => reject(new Error(`no answer within ${patienceMs / 1000} s`)));
    });
    try {
      const remark = await Promise.race([look(signal), late]);
      return { failed: false, line: `ok      ${what}${remark ? `: ${remark}` : ""}\n` };
    } catch (cause) {
      return {
        failed: true,
        line: `failed  ${what}: ${oneLine(cause instanceof Error ? cause.message : String(cause))}\n`,
      };
    }
  });
  const results = await Promise.all(looked);
  for (const { line } of results) write(line);
  return results.filter(({ failed }) => failed).length;
}

/** For a program's main. @throws SettingInvalid where one failed. */
export async function checkAll(checks: readonly Check[]): Promise<void> {
  const failed = await runChecks(checks, (line) => process.stdout.write(line));
  if (failed > 0) throw new SettingInvalid(`${failed} of ${checks.length} checks failed`);
}

/** @param flag "http-addr"; @param address "127.0.0.1:5117". */
export function freeAddress(flag: string, address: string): Check {
  const { host, port } = hostPort(address);
  return {
    what: `--${flag} ${address}`,
    look: () =>
      new Promise((resolve, reject) => {
        const server = createServer();
        server.once("error", ({ code, message }: NodeJS.ErrnoException) =>
          reject(new Error(listenProblem(code) ?? message)),
        );
        server.listen({ host, port }, () => server.close(() => resolve("free")));
      }),
  };
}

function listenProblem(code: string | undefined): string | undefined {
  if (code === "EADDRINUSE") return "it is in use by another program: choose another one, or stop that program";
  if (code === "EADDRNOTAVAIL") return "this machine has no such address: choose one of its own";
  if (code === "EACCES") return "this user may not listen on so low a port: choose one above 1023";
  return undefined;
}

/** MB that a new store and what belongs to it need. */
const leastSpace = 4;

/** A folder that is there and can be written, or that could be made. Leaves nothing. @param flag what names it: "data" */
export function writableFolder(what: string, path: string, flag: string): Check {
  const next = `or name another with --${flag}`;
  return {
    what: `${what} ${path}`,
    async look() {
      let folder = path;
      for (;;) {
        const found = await stat(folder).catch((cause: NodeJS.ErrnoException) => {
          if (cause.code === "ENOENT") return undefined;
          throw new Error(`it cannot be used: ${reasonOf(cause)}: let this user in, ${next}`);
        });
        if (found && !found.isDirectory()) throw new Error(`${folder} is no folder: move it away, ${next}`);
        if (found) break;
        folder = dirname(folder);
      }
      const probe = await mkdtemp(join(folder, ".check-")).catch((cause) => {
        const why = reasonOf(cause);
        throw new Error(`${folder === path ? "it" : folder} cannot be written: ${why}: make it writable, ${next}`);
      });
      await rmdir(probe);
      const { bavail, bsize } = await statfs(folder);
      const left = (bavail * bsize) / 1024 / 1024;
      if (left < leastSpace) throw new Error(`only ${left.toFixed(1)} MB are left on its disk: free some, ${next}`);
      return folder === path ? undefined : "will be made at the first start";
    },
  };
}

/** Certificate and private key belong together, and the certificate holds now. */
export function certificatePair(what: string, { cert, key, ca }: { cert: string; key: string; ca?: string }): Check {
  return {
    what: `${what} ${cert}`,
    async look() {
      const read = (file: string) => {
        try {
          return readFileSync(file, "utf8");
        } catch (cause) {
          throw new Error(`${file} cannot be read: ${reasonOf(cause)}`);
        }
      };
      const texts = { cert: read(cert), key: read(key), ...(ca ? { ca: read(ca) } : {}) };
      try {
        createSecureContext(texts);
      } catch (cause) {
        throw new Error(`certificate and key cannot be used together: ${reasonOf(cause)}`);
      }
      const { validFromDate: from, validToDate: until } = new X509Certificate(texts.cert);
      if (until.getTime() < Date.now()) throw new Error(`it ended on ${day(until)}`);
      if (from.getTime() > Date.now()) throw new Error(`it begins on ${day(from)}: is the clock right?`);
      return `valid until ${day(until)}`;
    },
  };
}

interface Registry {
  name: string;
  watch(signal: AbortSignal): AsyncIterable<{ type: string; problem?: string; entries?: readonly unknown[] }>;
}

/** Its first word tells: a whole set, or that nobody answers. @param flag what names its address: "etcd-addr" */
export function answeringRegistry(source: Registry, flag: string): Check {
  const next = `does it run, and is --${flag} its address?`;
  return {
    what: `the registry ${source.name}`,
    async look(signal) {
      for await (const change of source.watch(signal)) {
        if (change.type === "silent")
          throw new Error(`it does not answer: ${unreachable(change.problem ?? "")}: ${next}`);
        if (change.type === "set") return `${change.entries?.length ?? 0} announced`;
      }
      throw new Error(`it does not answer: ${next}`);
    },
  };
}

/** A URL that answers with 200. @param flag what names it: "server"; @param ca PEM. */
export function answering(what: string, url: string, flag: string, ca?: string): Check {
  return {
    what: `${what} ${url}`,
    async look(signal) {
      const answer = await fetch(url, {
        signal,
        redirect: "manual",
        ...proxied(url),
        ...(ca ? { tls: { ca } } : {}),
      }).catch(async ({ message }: Error) => {
        throw new Error(
          `it does not answer: ${await unreachableServer(url, message)}: does it run, and is --${flag} its address?`,
        );
      });
      if (answer.status !== 200) throw new Error(`it answers with HTTP ${answer.status}: is --${flag} its address?`);
      return undefined;
    },
  };
}

function day(date: Date): string {
  return date.toISOString().slice(0, 10);
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, " ");
}
