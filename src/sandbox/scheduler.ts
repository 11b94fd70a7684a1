import type { Api } from "./api.ts";
import type { Recorder } from "./events.ts";
import { type Json, type Stored, timestamp } from "./object.ts";
import { parseQuantity } from "./quantity.ts";
import { podResource } from "./quota.ts";
import { resources } from "./resource.ts";
import { selectorMatches } from "./selector.ts";
import type { Change } from "./store.ts";

const writer = { manager: "kube-scheduler", subresource: "status" };

interface Usage {
  pods: number;
  cpu: number;
  memory: number;
}

/** Gives pods their nodes, or says on the pod why none is free. */
export class Scheduler {
  #usage: Map<string, Usage> | undefined;
  #waiting = new Map<string, { namespace: string; name: string }>();

  constructor(
    readonly api: Api,
    readonly events: Recorder,
  ) {}

  onChange({ type, resource, object, previous }: Change): void {
    if (resource === resources.nodes) this.#retry();
    if (resource !== resources.pods) return;
    if (type === "DELETED") {
      this.#waiting.delete(object.metadata.uid);
      if (previous?.spec.nodeName) this.#count(previous, -1);
      this.#retry();
    }
    if (type === "ADDED") {
      if (object.spec.nodeName) this.#count(object, 1);
      else {
        this.#waiting.set(object.metadata.uid, { namespace: object.metadata.namespace!, name: object.metadata.name });
        this.#retry(object.metadata.uid);
      }
    }
  }

  #retry(only?: string): void {
    for (const [uid, { namespace, name }] of [...this.#waiting]) {
      if (only && uid !== only) continue;
      const pod = this.api.store.get(resources.pods, namespace, name);
      if (pod && !pod.spec.nodeName && !pod.metadata.deletionTimestamp) this.#place(pod);
    }
  }

  #place(pod: Stored): void {
    const nodes = this.api.store.list(resources.nodes);
    const reasons = new Map<string, number>();
    const fitting = nodes.filter((node) => {
      const why = this.#objections(pod, node);
      for (const reason of why) reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
      return why.length === 0;
    });
    const [best] = fitting.sort((a, b) => this.#of(a).pods - this.#of(b).pods);
    if (best) this.#bind(pod, best);
    else this.#refuse(pod, nodes.length, reasons);
  }

  #bind(pod: Stored, node: Stored): void {
    this.#waiting.delete(pod.metadata.uid);
    const name = node.metadata.name;
    const bound = { ...pod, spec: { ...pod.spec, nodeName: name }, status: scheduled(pod.status, "True") };
    this.#count(bound, 1);
    this.api.store.put(resources.pods, bound);
    const message = `Successfully assigned ${pod.metadata.namespace}/${pod.metadata.name} to ${name}`;
    this.events.record(resources.pods, pod, "Normal", "Scheduled", message, "default-scheduler");
  }

  #refuse(pod: Stored, count: number, reasons: Map<string, number>): void {
    const list = [...reasons].map(([reason, times]) => `${times} ${reason}`).sort();
    const message = count
      ? `0/${count} nodes are available: ${list.join(", ")}. no new claims to deallocate, preemption: ` +
        `0/${count} nodes are available: ${count} Preemption is not helpful for scheduling.`
      : "no nodes available to schedule pods";
    const status = scheduled(pod.status, "False", "Unschedulable", message);
    const current = this.api.update(resources.pods, pod, { ...pod, status }, writer);
    if (current !== pod)
      this.events.record(resources.pods, pod, "Warning", "FailedScheduling", message, "default-scheduler");
  }

  #objections(pod: Stored, node: Stored): string[] {
    if (node.spec?.unschedulable) return ["node(s) were unschedulable"];
    const taint = (node.spec?.taints ?? []).find(
      (given: Json) => given.effect !== "PreferNoSchedule" && !tolerates(pod, given),
    );
    if (taint) return [`node(s) had untolerated taint {${taint.key}: ${taint.value ?? ""}}`];
    if (!nodeMatches(pod, node)) return ["node(s) didn't match Pod's node affinity/selector"];
    const { allocatable = {} } = node.status ?? {};
    const used = this.#of(node);
    const over: string[] = [];
    if (used.pods + 1 > parseQuantity(allocatable.pods ?? "110")) over.push("Too many pods");
    for (const name of ["cpu", "memory"] as const) {
      const wanted = podResource(pod, "requests", name);
      if (wanted > 0 && used[name] + wanted > parseQuantity(allocatable[name])) over.push(`Insufficient ${name}`);
    }
    return over;
  }

  #of(node: Stored): Usage {
    this.#usage ??= this.#measure();
    return this.#usage.get(node.metadata.name) ?? { pods: 0, cpu: 0, memory: 0 };
  }

  #count(pod: Stored, sign: 1 | -1): void {
    // Measured anew it would hold this pod already.
    if (!this.#usage) return;
    add(this.#usage, pod, sign);
  }

  #measure(): Map<string, Usage> {
    const usage = new Map<string, Usage>();
    for (const pod of this.api.store.list(resources.pods)) if (pod.spec.nodeName) add(usage, pod, 1);
    return usage;
  }
}

/** Do nodeSelector and required node affinity allow this node? */
export function nodeMatches(pod: Json, node: Stored): boolean {
  const labels = node.metadata.labels ?? {};
  for (const [key, value] of Object.entries(pod.spec?.nodeSelector ?? {})) if (labels[key] !== value) return false;
  const required = pod.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  if (!required) return true;
  return required.nodeSelectorTerms.some(
    (term: Json) =>
      selectorMatches({ matchExpressions: term.matchExpressions }, labels) &&
      (term.matchFields ?? []).every((field: Json) => field.values.includes(node.metadata.name)),
  );
}

const tolerates = (pod: Stored, taint: Json): boolean =>
  (pod.spec.tolerations ?? []).some(
    (toleration: Json) =>
      (!toleration.key || toleration.key === taint.key) &&
      (toleration.operator === "Exists" || (toleration.value ?? "") === (taint.value ?? "")) &&
      (!toleration.effect || toleration.effect === taint.effect),
  );

function scheduled(status: Json, state: string, reason?: string, message?: string): Json {
  const others = (status?.conditions ?? []).filter((condition: Json) => condition.type !== "PodScheduled");
  const known = status?.conditions?.find((condition: Json) => condition.type === "PodScheduled");
  const lastTransitionTime = known?.status === state ? known.lastTransitionTime : timestamp();
  const condition = {
    type: "PodScheduled",
    status: state,
    lastProbeTime: null,
    lastTransitionTime,
    ...(reason && { reason, message }),
  };
  return { ...status, conditions: [...others, condition] };
}

function add(usage: Map<string, Usage>, pod: Stored, sign: 1 | -1): void {
  const used = usage.get(pod.spec.nodeName) ?? { pods: 0, cpu: 0, memory: 0 };
  used.pods += sign;
  used.cpu += sign * podResource(pod, "requests", "cpu");
  used.memory += sign * podResource(pod, "requests", "memory");
  usage.set(pod.spec.nodeName, used);
}
