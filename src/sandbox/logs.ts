import { badRequest } from "./failure.ts";
import type { Json, Stored } from "./object.ts";

/** Lines a container of this pod dies with; one line each, set on the pod template. */
export const crashLogAnnotation = "sandbox.lizardcd/crash-log";

/** What `kubectl logs` would print: plain text, one line each. */
export function podLog(pod: Stored, query: URLSearchParams): string {
  const container = containerOf(pod, query.get("container"));
  const status = statusOf(pod, container);
  const { name } = pod.metadata;
  const previous = query.get("previous") === "true" || query.get("previous") === "1";
  const dead = status?.lastState?.terminated;
  if (previous && !dead) {
    throw badRequest(`previous terminated container "${container.name}" in pod "${name}" not found`);
  }
  const { waiting } = status?.state ?? {};
  if (!previous && !dead && (!status || waiting)) {
    const why =
      waiting?.reason === "ImagePullBackOff"
        ? "trying and failing to pull image"
        : (waiting?.reason ?? "ContainerCreating");
    throw badRequest(`container "${container.name}" in pod "${name}" is waiting to start: ${why}`);
  }
  const since = Date.parse(dead?.startedAt ?? status?.state?.running?.startedAt ?? pod.metadata.creationTimestamp);
  const lines = dead ? crashLines(pod, container) : serviceLines(pod, container, since);
  const stamped = lines.map((line, i) =>
    query.get("timestamps") === "true" ? `${new Date(since + i * 250).toISOString()} ${line}` : line,
  );
  const tail = query.get("tailLines");
  const wanted = tail === null ? stamped : Number(tail) === 0 ? [] : stamped.slice(-Number(tail));
  return wanted.map((line) => `${line}\n`).join("");
}

function containerOf(pod: Stored, name: string | null): Json {
  const containers: Json[] = pod.spec.containers;
  const names = containers.map((container) => container.name);
  if (!name && containers.length > 1) {
    throw badRequest(
      `a container name must be specified for pod ${pod.metadata.name}, choose one of: [${names.join(" ")}]`,
    );
  }
  const container = name ? containers.find((candidate) => candidate.name === name) : containers[0];
  if (!container) throw badRequest(`container ${name} is not valid for pod ${pod.metadata.name}`);
  return container;
}

const statusOf = (pod: Stored, container: Json): Json =>
  pod.status?.containerStatuses?.find((status: Json) => status.name === container.name);

function crashLines(pod: Stored, container: Json): string[] {
  const set = pod.metadata.annotations?.[crashLogAnnotation];
  if (set) return set.split("\n");
  return /:oom/.test(container.image)
    ? [`${container.name} starting`, "cache warming: 412 MiB", "cache warming: 508 MiB"]
    : [`${container.name} starting`, "reading configuration", `fatal: ${container.name} cannot start: exit 1`];
}

function serviceLines(pod: Stored, container: Json, since: number): string[] {
  const start = new Date(since).toISOString();
  const seed = [...pod.metadata.uid].reduce((sum, digit) => sum + digit.charCodeAt(0), 0);
  const requests = Array.from({ length: 60 }, (_, i) => {
    const path = ["/", "/healthz", "/api/items", "/api/orders", "/metrics"][(seed + i) % 5];
    return `level=info msg="request" method=GET path=${path} status=200 duration=${((seed * (i + 3)) % 90) + 2}ms`;
  });
  return [
    `level=info msg="${container.name} starting" time=${start}`,
    `level=info msg="listening" addr=:8080`,
    ...requests,
  ];
}
