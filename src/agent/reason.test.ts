import { describe, expect, test } from "bun:test";
import type { ContainerStatus, RawEvent, RawPod } from "./object.ts";
import { creationFailure, lastLine, podVerdict, worstOf } from "./reason.ts";

const now = Date.parse("2026-11-22T12:00:00Z");
const ago = (seconds: number) => new Date(now - seconds * 1000).toISOString();

function pod(status: Partial<ContainerStatus>, more: Partial<RawPod["status"]> = {}): RawPod {
  return {
    metadata: { name: "web-1", creationTimestamp: ago(100) },
    spec: { nodeName: "n1", containers: [{ name: "app", image: "a:1", resources: { limits: { memory: "64Mi" } } }] },
    status: {
      phase: "Running",
      startTime: ago(90),
      conditions: [{ type: "Ready", status: "False" }],
      containerStatuses: [{ name: "app", image: "a:1", ready: false, restartCount: 0, ...status }],
      ...more,
    },
  };
}

const event = (reason: string, message: string): RawEvent => ({
  metadata: { name: "e", creationTimestamp: ago(5) },
  ...{ type: "Warning", reason, message, lastTimestamp: ago(5), firstTimestamp: ago(50) },
});

describe("a pod's verdict", () => {
  const terminated = (exitCode: number, reason = "Error") => ({ terminated: { exitCode, reason, finishedAt: ago(7) } });

  test.each<[string, RawPod, RawEvent[], string | undefined, string]>([
    [
      "waits for a pull that fails",
      pod({ state: { waiting: { reason: "ErrImagePull", message: "not found" } } }),
      [],
      "image.pull",
      "failed",
    ],
    [
      "has an image that is none",
      pod({ state: { waiting: { reason: "InvalidImageName" } } }),
      [],
      "image.invalid",
      "failed",
    ],
    [
      "lacks a secret",
      pod({ state: { waiting: { reason: "CreateContainerConfigError", message: 'secret "x" not found' } } }),
      [],
      "container.config",
      "failed",
    ],
    [
      "waits to be started again",
      pod({ restartCount: 3, state: { waiting: { reason: "CrashLoopBackOff" } }, lastState: terminated(2) }),
      [],
      "container.crash_loop",
      "failed",
    ],
    [
      "runs again between two crashes",
      pod({ restartCount: 3, state: { running: {} }, lastState: terminated(2) }),
      [],
      "container.crash_loop",
      "failed",
    ],
    [
      "was killed for memory",
      pod({ restartCount: 1, state: { running: {} }, lastState: terminated(137, "OOMKilled") }),
      [],
      "container.out_of_memory",
      "failed",
    ],
    ["ended and is not started again", pod({ state: terminated(3) }), [], "container.exited", "failed"],
    [
      "was killed by its liveness probe",
      pod({ restartCount: 2, state: { running: {} }, lastState: terminated(137) }),
      [event("Unhealthy", "Liveness probe failed: timeout")],
      "probe.liveness",
      "failed",
    ],
    [
      "fails its readiness probe",
      pod({ state: { running: { startedAt: ago(60) } } }),
      [event("Unhealthy", "Readiness probe failed: 503")],
      "probe.readiness",
      "degraded",
    ],
    [
      "is creating its container",
      pod({ state: { waiting: { reason: "ContainerCreating" } } }, { phase: "Pending" }),
      [],
      undefined,
      "run",
    ],
    [
      "was evicted",
      pod({}, { phase: "Failed", reason: "Evicted", message: "low on memory" }),
      [],
      "pod.evicted",
      "over",
    ],
  ])("one that %s", (_, one, events, code, state) => {
    const verdict = podVerdict(one, events, now);
    expect({ code: verdict.why?.code, state: verdict.state }).toEqual({ code: code as never, state: state as never });
  });

  test("carries the exit code, the restarts and when it began", () => {
    const crashed = pod({
      restartCount: 3,
      state: { waiting: { reason: "CrashLoopBackOff" } },
      lastState: terminated(2),
    });
    expect(podVerdict(crashed, [], now)).toMatchObject({
      crashed: "app",
      why: { params: { container: "app", exitCode: 2, restarts: 3 }, object: "pods/web-1", since: now - 7_000 },
    });
  });

  test("a back-off tells what it backs off from", () => {
    const waiting = (message: string) => pod({ state: { waiting: { reason: "ImagePullBackOff", message } } });
    const problemOf = (message: string, events: RawEvent[] = []) =>
      podVerdict(waiting(message), events, now).why?.params.problem;
    expect(problemOf('Back-off pulling image "a:1": ErrImagePull: manifest unknown')).toBe("manifest unknown");
    expect(problemOf("Back-off pulling image reg:5000/a:1: manifest unknown")).toBe("manifest unknown");
    const failed = event("Failed", 'Failed to pull image "a:1": denied');
    expect(problemOf('Back-off pulling image "a:1"', [failed])).toBe('Failed to pull image "a:1": denied');
    expect(problemOf('Back-off pulling image "a:1"')).toBe('Back-off pulling image "a:1"');
  });

  test("a probe that fails right after the start may pass by itself", () => {
    const events = [event("Unhealthy", "Readiness probe failed: 503")];
    expect(podVerdict(pod({ state: { running: { startedAt: ago(5) } } }), events, now).early).toBe(true);
    expect(podVerdict(pod({ state: { running: { startedAt: ago(60) } } }), events, now).early).toBe(false);
  });

  test("one that no node holds says what the scheduler said", () => {
    const waiting: RawPod = {
      metadata: { name: "web-1" },
      status: { phase: "Pending", conditions: [{ type: "PodScheduled", status: "False", message: "0/3 nodes" }] },
    };
    const verdict = podVerdict(waiting, [], now);
    expect(verdict).toMatchObject({
      state: "wait",
      why: { code: "pod.unschedulable", params: { problem: "0/3 nodes" } },
    });
    expect(worstOf([verdict, verdict, { state: "ok" }])?.why?.params.pods).toBe(2);
  });

  test("an init container that fails counts, one that is done does not", () => {
    const init = (status: ContainerStatus) =>
      pod({ state: { waiting: { reason: "PodInitializing" } } }, { initContainerStatuses: [status] });
    const done = init({ name: "migrate", ready: false, restartCount: 0, state: terminated(0, "Completed") });
    expect(podVerdict(done, [], now).why).toBeUndefined();
    const failed = init({
      name: "migrate",
      ready: false,
      restartCount: 2,
      state: { waiting: { reason: "CrashLoopBackOff" } },
      lastState: terminated(1),
    });
    expect(podVerdict(failed, [], now).why).toMatchObject({
      code: "container.crash_loop",
      params: { container: "migrate" },
    });
  });

  test("one that has ended well, and one that is ready, have none", () => {
    expect(podVerdict(pod({}, { phase: "Succeeded" }), [], now)).toEqual({ state: "over" });
    expect(podVerdict(pod({}, { conditions: [{ type: "Ready", status: "True" }] }), [], now)).toEqual({ state: "ok" });
  });
});

test("the newest refusal counts, and a quota is told from other refusals", () => {
  const quota = event(
    "FailedCreate",
    'Error creating: pods "web-x" is forbidden: exceeded quota: few, limited: pods=1',
  );
  expect(creationFailure([quota])).toMatchObject({
    code: "pod.quota",
    params: { problem: "exceeded quota: few, limited: pods=1" },
  });
  const older = { ...quota, lastTimestamp: ago(500) };
  const refused = event("FailedCreate", 'Error creating: pods "web-x" is forbidden: violates PodSecurity');
  expect(creationFailure([older, refused])?.code).toBe("pod.refused");
  expect(creationFailure([event("Scheduled", "x")])).toBeUndefined();
});

test("a log line is one short line without control characters", () => {
  expect(lastLine("a\nb\n\u001b[31mpanic\u001b[0m: \u0007x\r\n")).toBe("panic: x");
  expect(lastLine("")).toBe("");
  expect(lastLine("x".repeat(1000))).toHaveLength(300);
});
