// What may have been meant by a command or a flag that is not there, and what there is instead.
import { nearest } from "../process/nearest.ts";
import type { Lang } from "../words/words.ts";
import {
  type Command,
  commandOf,
  commands,
  everywhere,
  resourceNamed,
  resources,
  shortResource,
  summaryOf,
} from "./catalogue.ts";
import { CommandFailed, exit } from "./exit.ts";
import { tell } from "./words.ts";

/** Words of other tools, and the command that is nearest to what they do; undefined where nothing here is. */
const elsewhere: Record<string, string | undefined> = {
  events: "describe",
  pods: "describe",
  "get pods": "describe",
  "get pod": "describe",
  "get po": "describe",
  "get events": "describe",
  "rollout history": "describe",
  "rollout undo": "set image",
  edit: "set image",
  patch: "set image",
  wait: "rollout status",
  "get all": "get workloads",
  list: "get workloads",
  ls: "get workloads",
  "cluster-info": "get clusters",
  status: "get clusters",
  ctx: "context list",
  config: "context list",
  "config get-contexts": "context list",
  "config current-context": "context list",
  "config use-context": "context use",
  "config set-context": "context set",
  "config delete-context": "context delete",
  "get rs": "describe",
  "get replicaset": "describe",
  "get replicasets": "describe",
};

/** What Lizardcd does not do: kubectl's words for it. */
const kubectlAlone = new Set([
  ..."logs exec apply attach cp create debug delete expose port-forward run label annotate top replace diff".split(" "),
  ..."explain api-resources cordon uncordon drain taint autoscale".split(" "),
]);

/** Kinds that are not listed here. */
const otherKinds = new Set(
  [
    "svc service services ing ingress ingresses cm configmap configmaps secret secrets job jobs cj cronjob cronjobs",
    "no node nodes pv persistentvolume persistentvolumes pvc persistentvolumeclaim persistentvolumeclaims",
    "hpa horizontalpodautoscaler horizontalpodautoscalers pdb sa serviceaccount serviceaccounts ep endpoints",
    "sc storageclass storageclasses crd crds netpol networkpolicies role roles rolebinding rolebindings",
  ].flatMap((line) => line.split(" ")),
);

/** @param words at least one, of which no command begins. */
export function noCommand(words: readonly string[], lang: Lang): CommandFailed {
  const first = words[0]!;
  const known = commands.flatMap((command) => [command.words, ...(command.aliases ?? [])]);
  const after = known.filter((one) => one.startsWith(`${first} `)).map((one) => one.slice(first.length + 1));
  // Where nothing begins so, what follows was never looked at.
  const written = after.length > 0 ? words.slice(0, 2).join(" ") : first;
  return new CommandFailed(exit.usage, tell(lang, "command.none", { words: JSON.stringify(written) }), next());

  function next(): string {
    if (kubectlAlone.has(first)) return tell(lang, "command.kubectl", { words: first });
    const kind = words[1]?.toLowerCase().split(/[/.]/)[0] ?? "";
    if (first === "get" && otherKinds.has(kind)) return tell(lang, "command.kubectl", { words: `get ${kind}` });
    const other = [words.slice(0, 2).join(" "), first].find((one) => Object.hasOwn(elsewhere, one.toLowerCase()));
    if (other !== undefined) return instead(elsewhere[other.toLowerCase()], lang);
    const near = meant();
    if (near) return tell(lang, "command.near", { near });
    if (after.length === 0) return allCommands(lang);
    const kinds = first === "get" ? Object.values(shortResource) : [];
    return tell(lang, "command.after", { first, words: [...after, ...kinds].sort().join(", ") });
  }

  function meant(): string | undefined {
    if (resourceNamed(first)) return `get ${first}`;
    // The first word of several commands is half of one, not one that is misspelt.
    if (words.length === 1 && after.length > 0) return undefined;
    const all = [...known, ...Object.keys(resources).map((kind) => `get ${kind}`)];
    return nearest(words.slice(0, 2).join(" "), all) ?? (after.length > 0 ? undefined : nearest(first, all));
  }
}

function instead(words: string | undefined, lang: Lang): string {
  if (words === undefined) return allCommands(lang);
  return tell(lang, "command.instead", { near: words, summary: summaryOf(commandOf(words)!, lang) });
}

function allCommands(lang: Lang): string {
  const words = new Set(commands.map((command) => command.words.split(" ")[0]!));
  return tell(lang, "command.all", { words: [...words].join(", ") });
}

/** Of a command's own flags the nearest; undefined where none is near. */
export function flagMeant(name: string, command: Command): string | undefined {
  const positional = new Set(command.positional.map((one) => one.name));
  const own = command.flags.filter((flag) => !positional.has(flag.name));
  return nearest(
    name,
    [...own, ...everywhere].map((flag) => flag.name),
  );
}
