// The fleet noun: every cluster, and workloads across clusters.
import { Failed } from "../contract/errors.ts";
import { href } from "../contract/operation.ts";
import { agentsFragment, agentsPage } from "../views/agents.tsx";
import { fleetFragment, fleetPage } from "../views/fleet.tsx";
import { registriesPage } from "../views/registries.tsx";
import { removeDone } from "../views/remove.tsx";
import { workloadsFragment, workloadsPage } from "../views/workloads.tsx";
import { listAcross } from "./across.ts";
import { fleetOf } from "./clusters.ts";
import type { LiveDeps } from "./live.ts";
import { compare, shownTo } from "./page.ts";
import { agentsOf, registriesOf } from "./registered.ts";
import { enrollsOf } from "./registered-live.ts";
import { type AnyAnswer, answer } from "./route.ts";
import type { Trust } from "./trust.ts";

export function fleetAnswers(deps: LiveDeps & { trust?: Trust }): AnyAnswer[] {
  const clusters = () => [...deps.summaries.clusters().keys()].sort(compare).map((name) => ({ name }));
  const recent = async () => ({ recent: (await deps.audit.recent(5)) as never });
  return [
    answer("fleet.get", {
      run: async (input, { door }) => fleetOf(deps, shownTo(door, input)),
      page: async (fleet, input, { context }) => fleetPage(context, fleet, input, await recent()),
      fragment: async (fleet, input, { context }) => fleetFragment(context, fleet, input, await recent()),
    }),
    answer("fleet.removeCluster", {
      async run({ cluster }) {
        const removed = await deps.summaries.remove(cluster);
        if (removed === 0) throw new Failed("cluster.announced", { cluster }, { object: cluster });
        return { removed };
      },
      fragment: (_, { cluster }, { context }) => removeDone(context, cluster),
      goTo: (_, __, { door }) => (door === "page" ? href("fleet.get") : undefined),
    }),
    answer("fleet.listAgents", {
      run: async (input, { door }) => agentsOf(deps, shownTo(door, input)),
      page: (agents, input, { context, request }) => {
        const revoked = new URL(request.url).searchParams.get("done") === "revoke" ? input.cluster : undefined;
        return agentsPage(context, agents, input, { enrolls: enrollsOf(deps.trust), revoked });
      },
      fragment: (agents, input, { context }) =>
        agentsFragment(context, agents, input, { enrolls: enrollsOf(deps.trust) }),
    }),
    answer("fleet.listRegistries", {
      run: async () => registriesOf(deps),
      page: (registries, _, { context }) => registriesPage(context, registries),
    }),
    answer("fleet.listWorkloads", {
      run: (input, { call }) => listAcross(deps, input, call),
      page: (output, input, { context }) => workloadsPage(context, output, input, { clusters: clusters() }),
      fragment: (output, input, { context }) => workloadsFragment(context, output, input, { clusters: clusters() }),
    }),
  ];
}
