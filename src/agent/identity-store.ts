// Where the agent's identity outlives its process: a file here, a Secret of the cluster in identity-secret.ts.
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { readSecretFile, writeSecretFile } from "../process/secret-file.ts";

/** PEM, all three. */
export interface Credentials {
  certificate: string;
  key: string;
  ca: string;
  /** Names the invitation that they came by, where one is known: another one is there to enroll anew. */
  invitation?: string;
}

export interface IdentityStore {
  /** "/var/lib/lizardcd/agent.pem", "Secret lizardcd/agent-identity": for sentences. */
  readonly name: string;
  /** The flag that chose it: "--identity". */
  readonly flag: string;
  /** Undefined where nothing is kept yet; then it can be written. @throws EnrollmentFailed */
  read(signal: AbortSignal): Promise<Credentials | undefined>;
  write(credentials: Credentials, signal: AbortSignal): Promise<void>;
}

/** It cannot be had: the sentence says what to do. */
export class EnrollmentFailed extends Error {}

const parts = { key: "PRIVATE KEY", certificate: "CERTIFICATE" } as const;

/** PEM blocks in one file, mode 0600: the key, the certificate, the CA. */
export function fileStore(file: string, warn?: (warning: string) => void): IdentityStore {
  return {
    name: file,
    flag: "--identity",
    async read() {
      let text: string | undefined;
      try {
        text = readSecretFile(file, warn);
      } catch (cause) {
        throw new EnrollmentFailed(`${file} cannot be read: ${(cause as Error).message}`, { cause });
      }
      if (text === undefined) return undefined;
      const blocks = [...text.matchAll(/-----BEGIN ([A-Z ]+)-----[^-]+-----END \1-----\n?/g)];
      const key = blocks.find(([, name]) => name === parts.key)?.[0];
      const [certificate, ca] = blocks.filter(([, name]) => name === parts.certificate).map(([block]) => block);
      if (!key || !certificate || !ca) throw new EnrollmentFailed(`${file} is not an agent's identity: move it away`);
      return { key, certificate, ca, invitation: /^# invitation (\S+)$/m.exec(text)?.[1] };
    },
    async write({ key, certificate, ca, invitation }) {
      await mkdir(dirname(file), { recursive: true, mode: 0o700 });
      const blocks = [key, certificate, ca].map((block) => `${block.trim()}\n`).join("");
      const lines = invitation ? `# invitation ${invitation}\n${blocks}` : blocks;
      writeSecretFile(file, lines);
    },
  };
}
