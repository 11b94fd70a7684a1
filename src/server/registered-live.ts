// The streams of the pages of agents and registries, and what every page's stream says of registries.
import type { ListAgentsRequest } from "../gen/lizardcd/v1/fleet_pb.ts";
import { agentAges, agentFacts, agentsLiveAll, agentsUpdate } from "../views/agents.tsx";
import type { EnrollOptions } from "../views/enroll.tsx";
import { registriesMenu } from "../views/layout.tsx";
import type { PageContext } from "../views/parts.tsx";
import { registriesLive, registryAges, registryFacts } from "../views/registries.tsx";
import type { FleetDeps } from "./clusters.ts";
import { agentsOf, registriesOf } from "./registered.ts";
import type { Message } from "./sse.ts";
import type { Trust } from "./trust.ts";

/** Answers that come together are shown together. */
const gatherMs = 500;
const registryMs = 2_000;

/** Whether this server makes tokens for agents. */
export function enrollsOf(trust: Trust | undefined): EnrollOptions["enrolls"] {
  if (!trust) return "off";
  return trust.signs ? "yes" : "given";
}

/** The page of agents: all rows first and whenever keys come or go, then the rows that changed; the rest is ages. */
export async function* agentsStream(
  deps: FleetDeps & { trust?: Trust },
  request: Pick<ListAgentsRequest, "cluster">,
  context: () => PageContext,
  signal: AbortSignal,
): AsyncGenerator<Message> {
  const options = { enrolls: enrollsOf(deps.trust) };
  const changed = new Set<string>();
  let wake = () => {};
  const stop = deps.summaries.onChange((cluster) => {
    if (request.cluster !== "" && cluster !== request.cluster) return;
    changed.add(cluster);
    wake();
  });
  signal.addEventListener("abort", () => wake(), { once: true });
  try {
    let shown = new Map<string, string>();
    while (!signal.aborted) {
      const response = agentsOf(deps, request.cluster);
      const rows = response.items.filter(({ cluster }) => changed.has(cluster));
      changed.clear();
      const sameKeys = response.items.length === shown.size && response.items.every(({ key }) => shown.has(key));
      if (!sameKeys) {
        shown = new Map(response.items.map((row) => [row.key, agentFacts(row)]));
        yield agentsLiveAll(context(), response, request, options);
      } else {
        const news = rows.filter((row) => shown.get(row.key) !== agentFacts(row));
        for (const row of news) shown.set(row.key, agentFacts(row));
        if (news.length > 0) yield agentsUpdate(context(), response, news, options);
        if (rows.length > 0) yield { event: "ages", data: agentAges(context(), rows) };
      }
      await new Promise<void>((resolve) => {
        wake = resolve;
        if (changed.size > 0 || signal.aborted) resolve();
      });
      await Bun.sleep(gatherMs);
    }
  } finally {
    stop();
  }
}

/** The page of registries: all rows first and whenever one changed, else ages. */
export async function* registriesStream(
  deps: Pick<FleetDeps, "pool" | "now">,
  context: () => PageContext,
  signal: AbortSignal,
): AsyncGenerator<Message> {
  let shown = "";
  while (!signal.aborted) {
    const response = registriesOf(deps);
    const facts = registryFacts(response);
    if (facts !== shown) yield registriesLive(context(), response);
    else yield { event: "ages", data: registryAges(context(), response.items) };
    shown = facts;
    await Bun.sleep(registryMs);
  }
}

/** Adds the top bar's menu of registries to a page's stream: first, whenever it has changed, and its ages. */
export async function* withRegistries(
  messages: AsyncGenerator<Message>,
  context: () => PageContext,
): AsyncGenerator<Message> {
  let shown: string | undefined;
  let toldAt = 0;
  for await (const message of messages) {
    yield message;
    const now = context();
    const { registries = [] } = now;
    const states = JSON.stringify(registries.map(({ name, state }) => [name, state]));
    if (states !== shown) yield registriesMenu(now);
    else if (registries.length > 0 && now.now - toldAt > registryMs)
      yield { event: "ages", data: registryAges(now, registries) };
    else continue;
    shown = states;
    toldAt = now.now;
  }
}
