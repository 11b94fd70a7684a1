// The operations of the contract, to read: what OpenAPI says, for people.
import { type DescField, ScalarType } from "@bufbuild/protobuf";
import { type Operation, pathFields } from "../contract/operation.ts";
import { ruleOf } from "../contract/rules.ts";
import { say } from "../words/words.ts";
import { page } from "./layout.tsx";
import type { PageContext } from "./parts.tsx";

/** Where the OpenAPI document is served. */
const openapi = "/openapi.json";

export function operationsPage(ctx: PageContext, operations: readonly Operation[]): string {
  const { lang } = ctx;
  const nouns = Map.groupBy(
    operations.filter(({ http }) => http),
    ({ noun }) => noun,
  );
  return page(ctx, {
    title: say(lang, "operations"),
    children: (
      <div class="page">
        <div class="truth">
          <div>
            <h1>{say(lang, "operations")}</h1>
            <p class="hint">{say(lang, "operations.lead")}</p>
          </div>
          <a class="btn btn-sm end" href={openapi}>
            {say(lang, "operations.json")}
          </a>
        </div>
        {[...nouns].map(([noun, list]) => (
          <section class="panel" key={noun} aria-labelledby={`noun-${noun}`}>
            <header class="panel-h">
              <h2 id={`noun-${noun}`}>{noun}</h2>
            </header>
            {list.map((operation) => (
              <One key={operation.id} ctx={ctx} operation={operation} />
            ))}
          </section>
        ))}
      </div>
    ),
  });
}

function One({ ctx, operation }: { ctx: PageContext; operation: Operation }) {
  const { lang } = ctx;
  const { id, http, summary, permission, caller, audited, streams, command, method } = operation;
  const inPath = new Set(http ? pathFields(http) : []);
  return (
    <details class="op" id={id}>
      <summary>
        <span class="tag mono" data-s={http?.method === "GET" ? "ok" : "run"}>
          {http?.method}
        </span>
        <code class="wrap-anywhere">{http?.path}</code>
        <span class="text-muted">{summary}</span>
        <span class="end filters">
          {streams && <span class="tag">{say(lang, "operations.streams")}</span>}
          {audited && <span class="tag">{say(lang, "operations.audited")}</span>}
        </span>
      </summary>
      <div class="grid gap-3 grid-cols-[minmax(0,1fr)]">
        <dl class="kv">
          <dt>{say(lang, "audit.operation")}</dt>
          <dd class="mono">{id}</dd>
          <dt>{say(lang, "operations.permission")}</dt>
          <dd>{permission ? <code>{permission}</code> : say(lang, `operations.caller.${caller}`)}</dd>
          {command && (
            <>
              <dt>{say(lang, "operations.command")}</dt>
              <dd class="mono">
                lizardcd {command} {operation.arguments.map((name) => `<${name}>`).join(" ")}
              </dd>
            </>
          )}
          <dt>{say(lang, "operations.answers")}</dt>
          <dd class="mono">{method.output.name}</dd>
        </dl>
        {method.input.fields.length === 0 ? (
          <p class="hint">{say(lang, "operations.noFields")}</p>
        ) : (
          <table class="tbl still">
            <caption class="sr-only">{say(lang, "operations.fields")}</caption>
            <thead>
              <tr>
                <th scope="col">{say(lang, "operations.field")}</th>
                <th scope="col">{say(lang, "operations.type")}</th>
                <th scope="col">{say(lang, "operations.rules")}</th>
              </tr>
            </thead>
            <tbody>
              {method.input.fields.map((field) => (
                <tr key={field.name}>
                  <th scope="row" class="mono">
                    {field.jsonName}
                  </th>
                  <td class="mono text-muted">{typeOf(field)}</td>
                  <td class="whitespace-normal! text-muted">
                    {rulesOf(ctx, field, inPath.has(field.localName)).join("; ")}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
      </div>
    </details>
  );
}

function typeOf(field: DescField): string {
  const one =
    field.message?.name ??
    field.enum?.name ??
    (field.scalar === undefined ? field.fieldKind : ScalarType[field.scalar].toLowerCase());
  if (field.fieldKind === "list") return `${one}[]`;
  return field.fieldKind === "map" ? `map<${one}>` : one;
}

function rulesOf(ctx: PageContext, field: DescField, inPath: boolean): string[] {
  const { lang } = ctx;
  const rule = ruleOf(field);
  const said = inPath ? [say(lang, "operations.inPath")] : [];
  if (!rule) return said;
  if (rule.required) said.push(say(lang, "operations.required"));
  if (rule.in.length > 0) said.push(say(lang, "operations.oneOf", { values: rule.in.join(", ") }));
  if (rule.means) said.push(rule.means);
  if (rule.min !== undefined) said.push(say(lang, "operations.min", { n: Number(rule.min) }));
  if (rule.max !== undefined) said.push(say(lang, "operations.max", { n: Number(rule.max) }));
  if (rule.maxLen !== undefined) said.push(say(lang, "operations.maxLen", { n: rule.maxLen }));
  if (rule.secret) said.push(say(lang, "operations.secret"));
  return said;
}
