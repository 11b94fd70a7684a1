// The registries: which of them answer, what they hold, and what in them is not ours.
import { href } from "../contract/operation.ts";
import type { ListRegistriesResponse, RegistryRow } from "../gen/lizardcd/v1/fleet_pb.ts";
import { grouped, problemIn, say, stopped } from "../words/words.ts";
import { page } from "./layout.tsx";
import { Age, Empty, Mark, type PageContext, registryWord, Say, Since, Stream, stamp, stateOf } from "./parts.tsx";
import { html, partial } from "./render.ts";

export function registriesPage(ctx: PageContext, response: ListRegistriesResponse): string {
  const { lang } = ctx;
  return page(ctx, {
    title: say(lang, "registries"),
    nav: "agents",
    children: (
      <div class="page">
        <div class="truth">
          <div class="min-w-0">
            <h1>{say(lang, "registries")}</h1>
            <p class="hint mt-0.5">{say(lang, "registries.lead")}</p>
          </div>
          <a class="btn btn-sm end" href={href("fleet.listAgents")}>
            {say(lang, "nav.agents")}
          </a>
        </div>
        <section class="panel" aria-label={say(lang, "registries")}>
          <table class="tbl ag">
            <caption class="sr-only">{say(lang, "registries")}</caption>
            <thead>
              <tr>
                <th scope="col">{say(lang, "state")}</th>
                <th scope="col">{say(lang, "name")}</th>
                <th scope="col">{say(lang, "kind")}</th>
                <th scope="col">{say(lang, "entries")}</th>
                <th scope="col">{say(lang, "heard")}</th>
                <th scope="col">{say(lang, "registry.lastProblem")}</th>
                <th scope="col">{say(lang, "ignored")}</th>
              </tr>
            </thead>
            <tbody id="registry-rows">
              <Rows ctx={ctx} response={response} />
            </tbody>
          </table>
        </section>
        <Stream href={`${href("fleet.listRegistries")}/live`} />
      </div>
    ),
  });
}

/** A stream message: all rows, morphed in place. */
export function registriesLive(ctx: PageContext, response: ListRegistriesResponse): string {
  return partial("registry-rows", "innerMorph", html(<Rows ctx={ctx} response={response} />));
}

/** What the rows say apart from their ages. */
export function registryFacts({ items }: ListRegistriesResponse): string {
  return JSON.stringify(items.map(({ heardMs, lastProblemMs: _, ...rest }) => ({ ...rest, heard: heardMs >= 0 })));
}

/** When each was last heard: the body of a stream message named "ages". */
export function registryAges(ctx: PageContext, items: readonly Pick<RegistryRow, "name" | "heardMs">[]): string {
  return JSON.stringify(
    Object.fromEntries(items.map(({ name, heardMs }) => [`registry ${name}`, stamp(ctx, heardMs) ?? null])),
  );
}

function Rows({ ctx, response }: { ctx: PageContext; response: ListRegistriesResponse }) {
  if (response.items.length === 0) {
    return (
      <tr class="none">
        <td colSpan={7}>
          <Empty title={say(ctx.lang, "registries.none")} />
        </td>
      </tr>
    );
  }
  return (
    <>
      {response.items.map((row) => (
        <Row key={row.name} ctx={ctx} row={row} />
      ))}
    </>
  );
}

function Row({ ctx, row }: { ctx: PageContext; row: RegistryRow }) {
  const { lang } = ctx;
  const state = stateOf(row.state);
  return (
    <tr data-k={state} data-c={`registry ${row.name}`}>
      <td>
        <Mark state={state} />
        <span class="word">{registryWord(lang, state)}</span>
      </td>
      <th scope="row">
        <span class="mono">{row.name}</span>
      </th>
      <td data-l={say(lang, "kind")}>{row.kind}</td>
      <td data-l={say(lang, "entries")}>{grouped(row.entries)}</td>
      <td data-l={say(lang, "heard")}>
        {row.kind === "embedded" ? (
          <span class="dim">{say(lang, "registry.inside")}</span>
        ) : (
          <Age ctx={ctx} ms={row.heardMs} lost={row.state === "stale"} />
        )}
      </td>
      <td data-l={say(lang, "registry.lastProblem")} class="long">
        <LastProblem ctx={ctx} row={row} />
      </td>
      <td data-l={say(lang, "ignored")}>
        {row.ignored === 0 ? (
          <span class="dim">0</span>
        ) : (
          <>
            {grouped(row.ignored)}
            <p class="hint">
              <Say ctx={ctx} code="ignored.last" params={{ key: row.ignoredKey, problem: row.ignoredProblem }} />
            </p>
          </>
        )}
      </td>
    </tr>
  );
}

function LastProblem({ ctx, row: { lastProblem, lastProblemMs, problem } }: { ctx: PageContext; row: RegistryRow }) {
  if (lastProblem === "") return <span class="dim">–</span>;
  const said = stopped(ctx.lang, problemIn(ctx.lang, lastProblem));
  return (
    <p class={problem === "" ? "hint" : undefined}>
      {said}
      {problem === "" && (
        <>
          {" "}
          <Since ctx={ctx} ms={lastProblemMs} />
        </>
      )}
    </p>
  );
}
