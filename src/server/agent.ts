// The nouns that one agent answers for its whole cluster.
import { agentPage, summaryPage } from "../views/cluster.tsx";
import { mergedSummary } from "./counted.ts";
import type { Pool } from "./pool.ts";
import { type AnyAnswer, answer } from "./route.ts";

export function agentAnswers({ pool }: { pool: Pool }): AnyAnswer[] {
  return [
    answer("agent.info", {
      run: (input, { call }) => pool.on(input).agent.info(input, call),
      page: (info, { cluster }, { context }) => agentPage(context, info, { cluster }),
    }),
    answer("agent.summary", {
      async run(input, { call }) {
        const { cluster } = input;
        const where = { cluster, namespace: input.namespace || "*" };
        const parts = pool.covering(where);
        if (parts.length === 0) return pool.on(where).agent.summary(input, call);
        // Each is asked for what it is believed about: its own namespace, where all are asked for.
        const answers = parts.map(async (entry) => {
          const namespace = where.namespace === "*" ? entry.namespace : where.namespace;
          return { namespace, summary: await pool.peers(entry).agent.summary({ cluster, namespace }, call) };
        });
        if (parts.length === 1) return (await answers[0]!).summary;
        return mergedSummary(await Promise.all(answers));
      },
      page: (summary, { cluster }, { context }) => summaryPage(context, summary, { cluster }),
    }),
  ];
}
