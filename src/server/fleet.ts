// The fleet noun: every cluster, and workloads across clusters.
import { fleetBody, fleetPage } from "../views/fleet.tsx";
import { workloadsFragment, workloadsPage } from "../views/workloads.tsx";
import { listAcross } from "./across.ts";
import { compare, fleetOf } from "./clusters.ts";
import type { LiveDeps } from "./live.ts";
import { agentsOf, registriesOf } from "./registered.ts";
import { type AnyAnswer, answer } from "./route.ts";

export function fleetAnswers(deps: LiveDeps): AnyAnswer[] {
  const clusters = () => [...deps.summaries.clusters().keys()].sort(compare).map((name) => ({ name }));
  const recent = async () => ({ recent: (await deps.audit.recent(5)) as never });
  return [
    answer("fleet.get", {
      run: async ({ group }) => fleetOf(deps, group),
      page: async (fleet, _, { context }) => fleetPage(context, fleet, await recent()),
      fragment: async (fleet, _, { context }) => fleetBody(context, fleet, await recent()),
    }),
    answer("fleet.listAgents", { run: async ({ cluster }) => agentsOf(deps, cluster) }),
    answer("fleet.listRegistries", { run: async () => registriesOf(deps) }),
    answer("fleet.listWorkloads", {
      run: (input, { call }) => listAcross(deps, input, call),
      page: (output, input, { context }) => workloadsPage(context, output, input, { clusters: clusters() }),
      fragment: (output, input, { context }) => workloadsFragment(context, output, input, { clusters: clusters() }),
    }),
  ];
}
