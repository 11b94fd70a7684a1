// The discovery noun: agents announce themselves to the server, by their certificate or under its join token.
import { Failed } from "../contract/errors.ts";
import { announcementText, type EmbeddedRegistry, withdrawalText } from "../discovery/server.ts";
import { type AgentIdentity, shownIdentity } from "../trust/identity.ts";
import { type Admit, mayAnnounce } from "./admission.ts";
import { bearerOf } from "./auth.ts";
import { createChallenges } from "./challenge.ts";
import { type AnyAnswer, type Asked, answer } from "./route.ts";

export interface DiscoveryDeps {
  embedded?: EmbeddedRegistry;
  admit: Admit;
  prefix: string;
  now: () => number;
}

/** Longer than any lease of a fleet of a hundred thousand, which is renewed three times in its time. */
const challengeMs = 10 * 60_000;

interface Said {
  instance: string;
  certificate: string;
  challenge: string;
  proof: string;
}

export function discoveryAnswers({ embedded, admit, prefix, now }: DiscoveryDeps): AnyAnswer[] {
  if (!embedded) return [];
  const challenges = createChallenges(challengeMs, now);

  /** @throws Failed */
  function admitted({ instance, certificate, challenge, proof }: Said, text: string, { request }: Asked) {
    const who = admit({ certificate, proof, token: bearerOf(request) }, text);
    // After the proof: nobody uses up what another was asked.
    if (who !== "anyone" && !challenges.use(nameOf(who, instance), instance, challenge)) {
      throw new Failed("challenge.unknown", { instance });
    }
    return who;
  }

  return [
    answer("discovery.challenge", {
      run: async ({ instance }) => ({ challenge: challenges.make(instance) }),
    }),
    answer("discovery.announce", {
      async run(input, asked) {
        const { instance, keys, address, challenge } = input;
        const who = admitted(input, announcementText(challenge, instance, address, keys), asked);
        mayAnnounce(who, prefix, keys);
        const { leaseMs } = embedded.put(nameOf(who, instance), keys, address);
        return who === "anyone" ? { leaseMs } : { leaseMs, challenge: challenges.make(instance) };
      },
    }),
    answer("discovery.withdraw", {
      async run(input, asked) {
        const { instance, challenge } = input;
        embedded.remove(nameOf(admitted(input, withdrawalText(challenge, instance), asked), instance));
        return {};
      },
    }),
  ];
}

/** An instance belongs to who announced it: another certificate, or the join token, cannot move or withdraw it. */
function nameOf(who: AgentIdentity | "anyone", instance: string): string {
  return who === "anyone" ? instance : `${shownIdentity(who)} ${instance}`;
}
