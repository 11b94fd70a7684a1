import type { Api } from "./api.ts";
import type { Clock } from "./clock.ts";
import type { Recorder } from "./events.ts";
import { type Json, type Stored, timestamp } from "./object.ts";
import { resources } from "./resource.ts";
import type { Change } from "./store.ts";

const writer = { manager: "kubelet", subresource: "status" };

/**
 * Plays the kubelet: a pod does what its image's tag says. `:missing` cannot be pulled, `:crash` and `:oom` die over
 * and over, `:unready` never passes its probe, `:slow` is ready after 5 s, any other after 0.2 s.
 */
export class Kubelet {
  #running = new Set<string>();
  #addresses = 0;

  constructor(
    readonly api: Api,
    readonly events: Recorder,
    readonly clock: Clock,
  ) {}

  onChange({ type, resource, object }: Change): void {
    if (resource !== resources.pods) return;
    const { uid, deletionTimestamp } = object.metadata;
    if (type === "DELETED") return void this.#running.delete(uid);
    if (deletionTimestamp && object.spec.nodeName) {
      this.#later(object, 200, (pod) => void this.api.delete(resources.pods, pod, { grace: 0 }));
    } else if (object.spec.nodeName && !this.#running.has(uid)) {
      this.#running.add(uid);
      if (!object.status?.startTime) this.#begin(object);
    }
  }

  /** A container dies once and is started again. */
  restart(pod: Stored, exitCode = 1): void {
    const { startedAt } = pod.status?.containerStatuses?.[0]?.state?.running ?? { startedAt: timestamp() };
    const terminated = { exitCode, reason: "Error", startedAt, finishedAt: timestamp() };
    const again = pod.status.containerStatuses.map((status: Json) => ({
      ...status,
      restartCount: status.restartCount + 1,
      state: { running: { startedAt: timestamp() } },
      lastState: { terminated },
    }));
    this.#tell(pod, { ...pod.status, containerStatuses: again });
  }

  #begin(pod: Stored): void {
    const images: string[] = pod.spec.containers.map((container: Json) => container.image);
    const tagged = (tag: RegExp) => images.some((image) => tag.test(image));
    if (tagged(/:missing/)) this.#later(pod, 200, (now) => this.#missing(now));
    else if (tagged(/:(crash|oom)/)) this.#later(pod, 1000, (now) => this.#crash(now));
    else if (tagged(/:unready/)) this.#later(pod, 200, (now) => this.#unready(now));
    else this.#later(pod, /:slow/.test(images[0]!) ? 5000 : 200, (now) => this.#ready(now));
  }

  #ready(pod: Stored): void {
    this.#tell(pod, readyStatus(pod, this.#address()));
    this.#event(pod, "Normal", "Started", "Started container");
  }

  #unready(pod: Stored): void {
    const now = timestamp();
    const containers = pod.spec.containers.map((container: Json) => ({
      ...containerStatus(container),
      ready: false,
      started: true,
      state: { running: { startedAt: now } },
    }));
    this.#tell(pod, { ...started(pod, "Running", containers, false), ...addressed(this.#address()) });
    this.#event(pod, "Warning", "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503");
  }

  #missing(pod: Stored): void {
    const containers = pod.spec.containers.map((container: Json) => ({
      ...containerStatus(container),
      imageID: "",
      ready: false,
      started: false,
      state: {
        waiting: {
          reason: "ImagePullBackOff",
          message: `Back-off pulling image ${container.image}: manifest unknown`,
        },
      },
    }));
    this.#tell(pod, started(pod, "Pending", containers, false));
    this.#event(pod, "Warning", "Failed", "Failed to pull image: manifest unknown");
  }

  #crash(pod: Stored): void {
    const now = timestamp();
    const restarts = (pod.status?.containerStatuses?.[0]?.restartCount ?? 0) + 1;
    const containers = pod.spec.containers.map((container: Json) => {
      const oom = /:oom/.test(container.image);
      return {
        ...containerStatus(container),
        ready: false,
        started: false,
        restartCount: restarts,
        state: { waiting: { reason: "CrashLoopBackOff", message: "back-off restarting failed container" } },
        lastState: {
          terminated: { exitCode: oom ? 137 : 1, reason: oom ? "OOMKilled" : "Error", startedAt: now, finishedAt: now },
        },
      };
    });
    const podIP = pod.status?.podIP ?? this.#address();
    this.#tell(pod, { ...started(pod, "Running", containers, false), ...addressed(podIP) });
    this.#event(pod, "Warning", "BackOff", "Back-off restarting failed container");
    this.#later(pod, Math.min(1000 * 2 ** Math.min(restarts, 20), 300_000), (next) => this.#crash(next));
  }

  #tell(pod: Stored, status: Json): void {
    this.api.update(resources.pods, pod, { ...pod, status }, writer);
  }

  #event(pod: Stored, type: "Normal" | "Warning", reason: string, message: string): void {
    this.events.record(resources.pods, pod, type, reason, message, "kubelet");
  }

  /** Runs on the pod as it is then, unless it is gone or being deleted by another step. */
  #later(
    { metadata: { namespace, name, uid, deletionTimestamp } }: Stored,
    ms: number,
    run: (pod: Stored) => void,
  ): void {
    this.clock.after(ms, () => {
      const pod = this.api.store.get(resources.pods, namespace, name);
      if (pod?.metadata.uid !== uid || pod.metadata.deletionTimestamp !== deletionTimestamp) return;
      run(pod);
    });
  }

  #address(): string {
    const n = ++this.#addresses;
    return `10.244.${(n >> 8) & 255}.${n & 255}`;
  }
}

/** The status of a pod whose containers all run and are ready. */
export function readyStatus(pod: Stored, podIP: string, since = timestamp()): Json {
  const containers = pod.spec.containers.map((container: Json) => ({
    ...containerStatus(container),
    ready: true,
    started: true,
    state: { running: { startedAt: since } },
  }));
  return { ...started(pod, "Running", containers, true, since), ...addressed(podIP) };
}

const addressed = (podIP: string) => ({ podIP, podIPs: [{ ip: podIP }] });

function started(pod: Stored, phase: string, containerStatuses: Json[], ready: boolean, now = timestamp()): Json {
  const unready = ready ? {} : { reason: "ContainersNotReady", message: "containers with unready status" };
  const condition = (type: string, yes: boolean) => {
    const known = pod.status?.conditions?.find((one: Json) => one.type === type);
    const status = yes ? "True" : "False";
    const lastTransitionTime = known?.status === status ? known.lastTransitionTime : now;
    return { type, status, ...(yes ? {} : unready), lastProbeTime: null, lastTransitionTime };
  };
  return {
    phase,
    qosClass: pod.status?.qosClass,
    hostIP: "127.0.0.1",
    startTime: pod.status?.startTime ?? now,
    conditions: [
      condition("Initialized", true),
      condition("Ready", ready),
      condition("ContainersReady", ready),
      condition("PodScheduled", true),
    ],
    containerStatuses,
  };
}

const containerStatus = ({ name, image }: Json): Json => ({
  ...{ name, image, imageID: image, restartCount: 0 },
  lastState: {},
});
