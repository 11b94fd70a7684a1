// The namespace noun: the union of what the cluster's agents may read.
import { namespacesPage } from "../views/cluster.tsx";
import type { Pool } from "./pool.ts";
import { type AnyAnswer, answer } from "./route.ts";

export function namespaceAnswers({ pool }: { pool: Pool }): AnyAnswer[] {
  return [
    answer("namespace.list", {
      async run(input, { call }) {
        const entries = pool.covering(input);
        if (entries.length === 0) return pool.on(input).namespace.list(input, call);
        const answers = await Promise.all(entries.map((entry) => pool.peers(entry).namespace.list(input, call)));
        const items = new Map(answers.flatMap(({ items }) => items.map((item) => [item.name, item] as const)));
        return {
          items: [...items.values()].sort((a, b) => (a.name < b.name ? -1 : 1)),
          ageMs: Math.max(...answers.map(({ ageMs }) => ageMs)),
        };
      },
      page: (namespaces, { cluster }, { context }) => namespacesPage(context, namespaces, { cluster }),
    }),
  ];
}
