// The streams of the pages of agents and registries, and what every page's stream says of registries.
import type { ListAgentsRequest } from "../gen/lizardcd/v1/fleet_pb.ts";
import { agentAges, agentFacts, agentsChanged, agentsParts, agentsRows } from "../views/agents.tsx";
import type { EnrollOptions } from "../views/enroll.tsx";
import { registriesMenu } from "../views/layout.tsx";
import type { PageContext } from "../views/parts.tsx";
import { registriesLive, registryAges, registryFacts } from "../views/registries.tsx";
import { changes, onlyNew, sameKeys } from "./changes.ts";
import type { FleetDeps } from "./clusters.ts";
import { shownTo } from "./page.ts";
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

/** The page of agents: its rows first and whenever other ones are shown, then those that changed; the rest is ages. */
export async function* agentsStream(
  deps: FleetDeps & { trust?: Trust },
  request: ListAgentsRequest,
  context: () => PageContext,
  signal: AbortSignal,
): AsyncGenerator<Message> {
  const options = { enrolls: enrollsOf(deps.trust) };
  const news = changes(deps.summaries, signal, request.cluster);
  const parts = onlyNew();
  let shown: Map<string, string> | undefined;
  try {
    while (!signal.aborted) {
      const began = performance.now();
      const changed = news.take();
      const response = agentsOf(deps, shownTo("page", request));
      const before: ReadonlyMap<string, string> | undefined = shown;
      const now = new Map(response.items.map((row) => [row.key, agentFacts(row)]));
      shown = now;
      const said = parts(agentsParts(context(), response, request));
      if (!before || !sameKeys(before, now)) {
        yield said + agentsRows(context(), response, request, options);
      } else {
        const rows = response.items.filter(({ cluster }) => changed.has(cluster));
        // A registry that falls silent makes all its agents stale, whoever of them has just answered.
        const moved = response.items.filter(({ key }) => before.get(key) !== now.get(key));
        const markup = said + agentsChanged(context(), response, moved, options);
        if (markup) yield markup;
        if (rows.length > 0) yield { event: "ages", data: agentAges(context(), rows) };
      }
      await news.next(gatherMs, performance.now() - began);
    }
  } finally {
    news.stop();
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
