// One workload as a page of text: how it is and why, its rollout, pods, conditions and events.
import type { Reason } from "../gen/lizardcd/v1/failure_pb.ts";
import type { Condition, EventRow, Pod, Revision, Workload } from "../gen/lizardcd/v1/workload_pb.ts";
import { age, type Code, type Lang, say, sentence, wordsFor } from "../words/words.ts";
import { type Column, paint, pairs, type TableOptions, type Tone, table } from "./output.ts";
import { tell } from "./words.ts";

export function picture(message: Workload, lang: Lang, options: TableOptions): string {
  const { row, labels, strategy, pods, conditions, revisions, events, changedBy, ageMs } = message;
  if (!row) return "";
  const facts = pairs(
    [
      [say(lang, "name"), `${row.resource}/${row.name}`],
      [say(lang, "namespace"), row.namespace],
      [say(lang, "cluster"), row.cluster],
      [say(lang, "health"), state(lang, row.state)],
      [tell(lang, "why"), reasonOf(lang, row.reason)],
      [say(lang, "ready"), `${row.ready}/${row.desired}`],
      [say(lang, "rollout"), progress(message, lang)],
      ...row.containers.map(({ name, image }) => [say(lang, "image"), `${name}: ${image}`] as const),
      [say(lang, "strategy"), strategy],
      [say(lang, "autoscaler"), autoscalerOf(message, lang)],
      [say(lang, "labels"), labelText(labels)],
      [say(lang, "changed"), [age(lang, row.changedMs), changedBy].filter(Boolean).join(", ")],
      [say(lang, "seen"), age(lang, ageMs)],
    ],
    options.columns,
  );
  const health = state(lang, row.state);
  const parts = [
    options.color ? facts.replace(health, paint(health, toneOf(row.state))) : facts,
    revisions.length > 0 ? table(revisions, revisionColumns(lang), options) : "",
    pods.length > 0 ? table(pods, podColumns(lang), options) : "",
    conditions.length > 0 ? table(conditions, conditionColumns(lang), options) : "",
    events.length > 0 ? table(events, eventColumns(lang), options) : "",
  ];
  return parts.filter(Boolean).join("\n");
}

function autoscalerOf({ autoscaler, notes }: Workload, lang: Lang): string {
  const said = notes.map((note) => sentence(lang, note));
  if (!autoscaler) return said.join(" ");
  const { reason, desired } = autoscaler;
  const now = reason ? sentence(lang, reason) : say(lang, "autoscaler.wants", { n: desired });
  return [say(lang, "autoscaler.owns", autoscaler), now, ...said].join(" ");
}

export const state = (lang: Lang, code: string) => wordOf(lang, `state.${code}`) ?? code;
export const reasonOf = (lang: Lang, reason: Reason | undefined) => (reason ? sentence(lang, reason) : "");

export function toneOf(code: string): Tone | undefined {
  const tones: Record<string, Tone> = {
    ok: "good",
    run: "busy",
    wait: "busy",
    reading: "busy",
    degraded: "bad",
    failed: "bad",
    lost: "bad",
    stale: "busy",
    paused: "quiet",
    zero: "quiet",
    gone: "quiet",
    over: "quiet",
    unknown: "quiet",
  };
  return tones[code];
}

export function labelText(labels: Record<string, string>): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(",");
}

/** A page's word, where there is one; undefined where it has places that are not given. */
export function wordOf(lang: Lang, code: string, params?: Record<string, string>): string | undefined {
  const words: Partial<Record<string, string>> = wordsFor(lang);
  const word = Object.hasOwn(words, code) ? words[code] : undefined;
  if (word === undefined || (word.includes("{") && !params)) return undefined;
  return (say as (lang: Lang, code: Code, params?: object) => string)(lang, code as Code, params);
}

export function podColumns(lang: Lang): Column<Pod>[] {
  return [
    { head: say(lang, "pod"), value: ({ name }) => name, flexible: true },
    { head: say(lang, "state"), value: (pod) => podState(lang, pod), tone: (pod) => toneOf(pod.state) },
    { head: say(lang, "restarts"), value: ({ restarts }) => String(restarts), right: true },
    { head: say(lang, "ageOf"), value: ({ createdMs }) => age(lang, createdMs), right: true },
    { head: say(lang, "revision"), value: ({ revision }) => revision },
    { head: say(lang, "node"), value: ({ node }) => node, flexible: true },
    { head: tell(lang, "why"), value: ({ reason }) => reasonOf(lang, reason), flexible: true },
  ];
}

export function podState(lang: Lang, pod: Pod): string {
  return wordOf(lang, `pod.${pod.state}`) ?? pod.state;
}

function progress({ row, paused }: Workload, lang: Lang): string {
  const { updated, desired, ready, current } = row!;
  const counts = sentence(lang, {
    code: "rollout.moving",
    params: { updated: String(updated), desired: String(desired), ready: String(ready) },
    message: "",
  });
  const old = current - updated;
  const left = old > 0 ? sentence(lang, { code: "rollout.old_pods", params: { old: String(old) }, message: "" }) : "";
  return [counts, left, paused ? say(lang, "state.paused") : ""].filter(Boolean).join("; ");
}

function revisionColumns(lang: Lang): Column<Revision>[] {
  return [
    { head: say(lang, "revision"), value: ({ revision }) => revision },
    { head: say(lang, "rollout"), value: ({ current }) => tell(lang, current ? "now" : "before") },
    { head: say(lang, "ready"), value: ({ ready, desired }) => `${ready}/${desired}`, right: true },
    { head: say(lang, "pods"), value: ({ pods }) => String(pods), right: true },
    { head: say(lang, "ageOf"), value: ({ createdMs }) => age(lang, createdMs), right: true },
    {
      head: say(lang, "image"),
      value: ({ containers }) => containers.map(({ image }) => image).join(","),
      flexible: true,
    },
  ];
}

function conditionColumns(lang: Lang): Column<Condition>[] {
  return [
    { head: say(lang, "conditions"), value: ({ type }) => type },
    { head: say(lang, "state"), value: ({ status }) => status },
    { head: say(lang, "changed"), value: ({ sinceMs }) => age(lang, sinceMs), right: true },
    {
      head: tell(lang, "why"),
      value: ({ reason, message }) => [reason, message].filter(Boolean).join(": "),
      flexible: true,
    },
  ];
}

function eventColumns(lang: Lang): Column<EventRow>[] {
  return [
    {
      head: say(lang, "events"),
      value: ({ reason }) => reason,
      tone: ({ type }) => (type === "Warning" ? "bad" : undefined),
    },
    { head: say(lang, "seen"), value: ({ lastMs }) => age(lang, lastMs), right: true },
    { head: tell(lang, "count"), value: ({ count }) => String(count), right: true },
    { head: tell(lang, "object"), value: ({ object }) => object, flexible: true },
    { head: tell(lang, "why"), value: ({ message }) => message, flexible: true },
  ];
}
