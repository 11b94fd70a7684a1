// Whether an agent may say that it is there: by certificate, for the keys that it covers; or by the join token, which
// names nobody. What the tunnel and the embedded registry have in common.
import { Failed } from "../contract/errors.ts";
import { parseKey } from "../discovery/discovery.ts";
import { type AgentIdentity, covers, shownIdentity } from "../trust/identity.ts";
import { sameText } from "./auth.ts";
import type { Trust } from "./trust.ts";

export interface Shown {
  certificate?: string;
  proof?: string;
  /** The join token. */
  token?: string;
}

/** Who shows this: `text` is what the proof must be over. @throws Failed */
export type Admit = (shown: Shown, text: string) => AgentIdentity | "anyone";

export function admission(trust: Trust | undefined, joinToken: string): Admit {
  return ({ certificate, proof, token }, text) => {
    if (trust && certificate && proof) return trust.identify(certificate, text, proof);
    if (token !== undefined && sameText(token, joinToken)) return "anyone";
    throw new Failed("token.join_wrong", {});
  };
}

/** @throws Failed for a key that is not ours, or that the certificate does not cover. */
export function mayAnnounce(who: ReturnType<Admit>, prefix: string, keys: readonly string[]): void {
  for (const key of keys) {
    const parsed = parseKey(prefix, key);
    if ("problem" in parsed) throw new Failed("agent.key_invalid", { key, problem: parsed.problem });
    if (who === "anyone" || covers(who, parsed)) continue;
    throw new Failed("certificate.refused", { problem: `it is for ${shownIdentity(who)}, not for ${key}` });
  }
}
