// The nouns that one agent answers for its whole cluster.
import { agentPage, summaryPage } from "../views/cluster.tsx";
import type { Pool } from "./pool.ts";
import { type AnyAnswer, answer } from "./route.ts";

export function agentAnswers({ pool }: { pool: Pool }): AnyAnswer[] {
  return [
    answer("agent.info", {
      run: (input, { call }) => pool.on(input).agent.info(input, call),
      page: (info, { cluster }, { context }) => agentPage(context, info, { cluster }),
    }),
    answer("agent.summary", {
      run: (input, { call }) => pool.on(input).agent.summary(input, call),
      page: (summary, { cluster }, { context }) => summaryPage(context, summary, { cluster }),
    }),
  ];
}
