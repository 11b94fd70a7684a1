// Certificates and keys that a program reads from files: at its start, and again when it is told to.
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { createSecureContext } from "node:tls";
import { SettingInvalid } from "./setting.ts";
import { reasonOf } from "./setting-file.ts";

export interface Pem {
  ca?: Buffer;
  cert?: Buffer;
  key?: Buffer;
}

type Paths = { readonly [part in keyof Pem]?: string };

export interface PemFiles {
  /**
   * Reads them now.
   * @returns what they held when they could last be used together
   * @throws SettingInvalid where they cannot be used
   */
  follow(paths: Paths): () => Pem;
  /** Reads all again; what cannot be used stays as it was. @throws SettingInvalid that names it */
  lookAgain(): void;
}

export function pemFiles(): PemFiles {
  const followed: { paths: Paths; held: Pem }[] = [];
  return {
    follow(paths) {
      const one = { paths, held: readPem(paths) };
      followed.push(one);
      return () => one.held;
    },
    lookAgain() {
      const problems = followed.flatMap((one) => {
        try {
          one.held = readPem(one.paths);
          return [];
        } catch (cause) {
          return [(cause as Error).message];
        }
      });
      if (problems.length > 0) throw new SettingInvalid(problems.join("; "));
    },
  };
}

/** @throws SettingInvalid that names the file */
export function readPem({ ca, cert, key }: Paths): Pem {
  const pem: Pem = {};
  for (const [part, path] of Object.entries({ ca, cert, key })) {
    if (!path) continue;
    try {
      const text = readFileSync(path);
      if (part !== "key") new X509Certificate(text);
      pem[part as keyof Pem] = text;
    } catch (cause) {
      const why =
        cause instanceof Error && "code" in cause && "syscall" in cause
          ? reasonOf(cause)
          : "it holds no certificate in PEM";
      throw new SettingInvalid(`${path} cannot be used: ${why}`, { cause });
    }
  }
  try {
    createSecureContext(pem);
  } catch (cause) {
    const paths = [ca, cert, key].filter((path) => path);
    throw new SettingInvalid(`${paths.join(" and ")} cannot be used together: ${reasonOf(cause)}`, { cause });
  }
  return pem;
}
