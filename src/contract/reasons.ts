// Why a workload or a pod is not healthy: codes with parameters, read by the agent, put into words by views and CLI.
import { create } from "@bufbuild/protobuf";
import { type Reason, ReasonSchema } from "../gen/lizardcd/v1/failure_pb.ts";
import { fill, type ParamsOf } from "./template.ts";

/** `rank` orders the worst first. */
export const reasons = {
  "image.pull": { rank: 90, message: "Image {image} cannot be pulled: {problem}" },
  "image.invalid": { rank: 90, message: "Image reference {image} is not valid" },
  "container.crash_loop": {
    rank: 95,
    message: "Container {container} keeps crashing, exit code {exitCode}, {restarts} restarts. Last line: {line}",
  },
  "container.out_of_memory": {
    rank: 95,
    message: "Container {container} was killed for memory at its limit {limit}, {restarts} restarts",
  },
  "container.out_of_memory_node": {
    rank: 95,
    message: "Container {container} was killed for memory: it has no limit, its node ran out, {restarts} restarts",
  },
  "container.start": { rank: 90, message: "Container {container} cannot be started: {problem}" },
  "container.config": { rank: 85, message: "Container {container} cannot be created: {problem}" },
  "container.exited": { rank: 80, message: "Container {container} ended with exit code {exitCode}" },
  "container.lost": { rank: 80, message: "What became of container {container} is unknown: its node lost it" },
  "container.not_ready": { rank: 70, message: "Container {container} runs but is not ready" },
  "container.init_running": { rank: 30, message: "Init container {container} has not ended yet" },
  "volume.mount": { rank: 85, message: "Volume {volume} cannot be mounted: {problem}" },
  "pod.unschedulable": { rank: 85, message: "No node takes {pods} pods: {problem}" },
  "pod.no_scheduler": { rank: 70, message: "Scheduler {scheduler} has not looked at the pod yet" },
  "pod.gated": { rank: 50, message: "Scheduling gates hold the pod back: {gates}" },
  "pod.sandbox": { rank: 85, message: "The network or sandbox of the pod cannot be made: {problem}" },
  "pod.readiness_gate": { rank: 65, message: "A readiness gate holds the pod back: {problem}" },
  "pod.terminating": { rank: 65, message: "Pod has not ended though it had {grace} s to do so, held by {holds}" },
  "pod.ended": { rank: 60, message: "Pod has failed, {reason}: {problem}" },
  "pod.quota": { rank: 85, message: "A quota forbids new pods: {problem}" },
  "pod.refused": { rank: 85, message: "Pods cannot be created: {problem}" },
  "probe.readiness": { rank: 70, message: "Container {container} runs but is not ready: {problem}" },
  "probe.liveness": { rank: 75, message: "Container {container} fails its liveness probe: {problem}" },
  "probe.startup": { rank: 75, message: "Container {container} fails its startup probe: {problem}" },
  "node.not_ready": { rank: 97, message: "Node {node} is not ready: {problem}" },
  "node.gone": { rank: 97, message: "Node {node} is gone, its pods are still to be removed" },
  "namespace.terminating": { rank: 85, message: "Its namespace is being deleted: no new pods are made" },
  "deletion.under_way": { rank: 30, message: "It is being deleted, held by {finalizers}" },
  "daemonset.no_nodes": { rank: 5, message: "No node matches: its node selector and tolerations leave none" },
  "pod.not_ready": { rank: 40, message: "{pods} of {desired} pods are not ready" },
  "pod.evicted": { rank: 60, message: "Pod was evicted: {problem}" },
  "rollout.deadline": { rank: 60, message: "The rollout made no progress for {seconds} s" },
  "rollout.not_observed": { rank: 10, message: "The controller has not seen the change yet" },
  "rollout.moving": { rank: 10, message: "{updated} of {desired} pods are new, {ready} ready" },
  "rollout.old_pods": { rank: 10, message: "Pods of an older revision are still there, {old} of them" },
  "rollout.on_delete": { rank: 20, message: "Pods wait to be deleted by hand before they are updated, {old} of them" },
  "rollout.paused": { rank: 5, message: "The rollout is paused" },
  "rollout.blocked": {
    rank: 96,
    message: "Pod {pod} of an older revision is not ready and holds the rollout up: delete it. {problem}",
  },
  "rollout.surplus": { rank: 10, message: "Pods more than wanted are still there, {surplus} of them" },
  "rollout.min_ready": {
    rank: 10,
    message: "All pods are ready, {available} of {desired} for the {seconds} s that count as available",
  },
  "rollout.partition": { rank: 5, message: "{updated} of {desired} pods are new, the partition keeps the others" },
  "rollout.by_delete": { rank: 5, message: "Its strategy is OnDelete: pods change when they are deleted" },
  "autoscaler.unreadable": {
    rank: 1,
    message: "The agent may not read HorizontalPodAutoscalers: one that owns the replicas would change them back",
  },
  "autoscaler.no_metrics": { rank: 1, message: "HorizontalPodAutoscaler {autoscaler} cannot read metrics: {problem}" },
  "autoscaler.cannot_scale": { rank: 1, message: "HorizontalPodAutoscaler {autoscaler} cannot scale: {problem}" },
  "autoscaler.off": {
    rank: 1,
    message: "HorizontalPodAutoscaler {autoscaler} is off while there are 0 replicas; more than 0 switches it on again",
  },
  "autoscaler.on": {
    rank: 1,
    message: "HorizontalPodAutoscaler {autoscaler} is on again, and keeps the replicas between {min} and {max}",
  },
} as const satisfies Record<string, { rank: number; message: string }>;

export type ReasonCode = keyof typeof reasons;
export type ReasonParams<C extends ReasonCode> = ParamsOf<(typeof reasons)[C]["message"]>;

/** @param sinceMs milliseconds since it began; @param object the pod or object it was read from. */
export function reason<C extends ReasonCode>(
  code: C,
  params: ReasonParams<C>,
  { object = "", sinceMs = 0 }: { object?: string; sinceMs?: number } = {},
): Reason {
  const values = Object.fromEntries(Object.entries(params).map(([name, value]) => [name, String(value)]));
  return create(ReasonSchema, { code, params: values, object, sinceMs, message: fill(reasons[code].message, values) });
}
