// The about noun: what the server says of itself.
import type { Actor } from "./auth.ts";
import { type AnyAnswer, answer } from "./route.ts";

export interface AboutDeps {
  version: string;
  commit: string;
  actorIfAny(request: Request): Promise<Actor | undefined>;
}

export function aboutAnswers({ version, commit, actorIfAny }: AboutDeps): AnyAnswer[] {
  return [
    answer("about.version", {
      run: async (_, { request }) => ({ version, commit: (await actorIfAny(request)) ? commit : "" }),
    }),
  ];
}
