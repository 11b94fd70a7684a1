import type { Kubelet } from "./kubelet.ts";
import { resources } from "./resource.ts";
import type { Seed } from "./seed.ts";
import type { Store } from "./store.ts";

interface Parts {
  store: Store;
  kubelet: Kubelet;
  sandbox: { down(): void; up(): Promise<void> };
}

/** Lets the seed's life go on: a container dies now and then, a cluster is out of reach for a while. Returns its end. */
export function startTraffic({ traffic }: Seed, { store, kubelet, sandbox }: Parts): () => void {
  const timers = new Set<Timer>();
  const { restarts, away } = traffic ?? {};
  if (restarts) {
    timers.add(
      setInterval(() => {
        const { namespace, app } = restarts.of[Math.floor(Math.random() * restarts.of.length)]!;
        const pods = store
          .list(resources.pods, namespace)
          .filter((pod) => pod.metadata.labels?.app === app && pod.status?.podIP);
        const pod = pods[Math.floor(Math.random() * pods.length)];
        if (pod) kubelet.restart(pod);
      }, restarts.every),
    );
  }
  if (away) {
    timers.add(
      setInterval(() => {
        sandbox.down();
        const back = setTimeout(() => {
          sandbox.up().catch((cause) => console.error("sandbox: cannot listen again", cause));
        }, away.for);
        back.unref();
        timers.add(back);
      }, away.every),
    );
  }
  for (const timer of timers) timer.unref();
  return () => {
    for (const timer of timers) clearTimeout(timer);
  };
}
