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
  "container.config": { rank: 85, message: "Container {container} cannot be created: {problem}" },
  "container.exited": { rank: 80, message: "Container {container} ended with exit code {exitCode}" },
  "pod.unschedulable": { rank: 85, message: "No node has room for {pods} pods: {problem}" },
  "pod.quota": { rank: 85, message: "A quota forbids new pods: {problem}" },
  "pod.refused": { rank: 85, message: "Pods cannot be created: {problem}" },
  "probe.readiness": { rank: 70, message: "Container {container} runs but is not ready: {problem}" },
  "probe.liveness": { rank: 75, message: "Container {container} fails its liveness probe: {problem}" },
  "pod.not_ready": { rank: 40, message: "{pods} of {desired} pods are not ready" },
  "pod.evicted": { rank: 60, message: "Pod was evicted: {problem}" },
  "rollout.deadline": { rank: 60, message: "The rollout made no progress for {seconds} s" },
  "rollout.not_observed": { rank: 10, message: "The controller has not seen the change yet" },
  "rollout.moving": { rank: 10, message: "{updated} of {desired} pods are new, {ready} ready" },
  "rollout.old_pods": { rank: 10, message: "Pods of an older revision are still there, {old} of them" },
  "rollout.on_delete": { rank: 20, message: "Pods wait to be deleted by hand before they are updated, {old} of them" },
  "rollout.paused": { rank: 5, message: "The rollout is paused" },
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
