// The discovery noun: agents announce themselves to the server, under its join token.
import { Failed } from "../contract/errors.ts";
import { parseKey } from "../discovery/discovery.ts";
import type { EmbeddedRegistry } from "../discovery/server.ts";
import { type AnyAnswer, answer } from "./route.ts";

export function discoveryAnswers({ embedded, prefix }: { embedded?: EmbeddedRegistry; prefix: string }): AnyAnswer[] {
  if (!embedded) return [];
  return [
    answer("discovery.announce", {
      async run({ instance, keys, address }) {
        for (const key of keys) {
          const parsed = parseKey(prefix, key);
          if ("problem" in parsed) throw new Failed("agent.key_invalid", { key, problem: parsed.problem });
        }
        return embedded.put(instance, keys, address);
      },
    }),
    answer("discovery.withdraw", {
      async run({ instance }) {
        embedded.remove(instance);
        return {};
      },
    }),
  ];
}
