// One cluster of the fleet as a tile: what it is, how its workloads are, and how old that is.
import { href } from "../contract/operation.ts";
import type { ClusterRow } from "../gen/lizardcd/v1/fleet_pb.ts";
import { whyOfCluster } from "../words/silent.ts";
import { say } from "../words/words.ts";
import { objectId } from "./id.ts";
import { Age, Bar, Ico, Mark, type PageContext, stateOf, stateWord } from "./parts.tsx";
import { html } from "./render.ts";

/** One tile, "cluster-<hash>". */
export function clusterTile(ctx: PageContext, row: ClusterRow, { group = "" }: { group?: string } = {}): string {
  return html(<Tile ctx={ctx} row={row} group={group} />);
}

export function tileId({ name }: ClusterRow): string {
  return objectId("cluster", name);
}

/** What a tile says apart from its age: while it is the same, the stream sends the age alone. */
export function tileFacts({ seenMs, announcedMs: _, enrolledMs, ...rest }: ClusterRow): string {
  return JSON.stringify({ ...rest, seen: seenMs >= 0, enrolled: enrolledMs !== undefined });
}

export function Tile({ ctx, row, group }: { ctx: PageContext; row: ClusterRow; group: string }) {
  const { lang } = ctx;
  const state = stateOf(row.state);
  const sure = known(row);
  const bad = (row.states.failed ?? 0) + (row.states.degraded ?? 0);
  const run = row.states.run ?? 0;
  const good = row.workloads - bad - run;
  const count = counted(row, good);
  const version = row.kubernetesVersion.replace(/^v|\+.*$/g, "");
  const scope = row.scope.includes("*") ? say(lang, "scope.all") : say(lang, "scope.some", { n: row.scope.length });
  const facts = [version, row.scope.length > 0 ? scope : ""].filter(Boolean).join(" · ");
  const agents = say(lang, "agents.of", { n: row.agentsAnswering, total: row.agents });
  const corner = row.labels[group === "env" ? "region" : "env"];
  return (
    <li id={tileId(row)} data-c={row.name}>
      <a
        class="tile"
        data-s={state}
        href={href("fleet.listWorkloads", { cluster: [row.name] })}
        title={whyOfCluster(lang, row) || undefined}
      >
        <span class="r">
          <Mark state={state} />
          <strong title={row.name}>{row.name}</strong>
          <span>{corner}</span>
        </span>
        <span class="r">
          <Bar ok={good} run={run} bad={bad} of={row.workloads} hollow={!sure} />
          <span class="nums">
            <span class="sr-only">{say(lang, sure ? "tile.well" : "tile.lastKnown")} </span>
            {count}
          </span>
        </span>
        <span class="r">
          <span class="cut" title={[row.kubernetesVersion, ...row.scope].join(", ")}>
            {facts || " "}
          </span>
          <span class="nums" title={agents}>
            <Ico name="agent" />
            <span class="sr-only">{agents}</span>
            <span aria-hidden="true">
              {row.agentsAnswering}/{row.agents}
            </span>
          </span>
        </span>
        <span class="r">
          <span class="word" data-s={state === "ok" ? "reach" : state}>
            {clusterWord(ctx, state)}
          </span>
          <Age ctx={ctx} ms={row.seenMs} lost={state === "lost" || state === "unknown"} />
        </span>
      </a>
    </li>
  );
}

/** Of so many that there are, how many are well; what is old or not all read is marked, what was never read is "?". */
function counted(row: ClusterRow, good: number): string {
  const { workloads } = row;
  if (known(row)) return `${good}/${workloads}`;
  if (row.state === "stale" || (row.state === "reading" && workloads > 0)) return `~${good}/${workloads}`;
  return row.state === "lost" ? `?/${workloads}` : "?";
}

// Of a cluster that is well we know that it answers, no more.
export function clusterWord(ctx: PageContext, state: string): string {
  return state === "ok" ? say(ctx.lang, "reachable") : stateWord(ctx.lang, state);
}

/** What is said of it may be believed. */
export function known({ state }: Pick<ClusterRow, "state">): boolean {
  return state === "ok" || state === "degraded";
}
