// The page of a workload, of a cluster, or of the fleet, in the browser of whoever asks.
import { spawn } from "node:child_process";
import { href, operation } from "../contract/operation.ts";
import { inputOf } from "../contract/request.ts";
import type { GetWorkloadRequest } from "../gen/lizardcd/v1/workload_pb.ts";
import { inputFrom } from "./command.ts";
import { contextOf, namedIn } from "./context.ts";
import { type Exit, exit } from "./exit.ts";
import type { OwnCommand } from "./run.ts";
import type { Env } from "./terminal.ts";
import { tell } from "./words.ts";

export async function open({ asked, env, terminal, options, defaults }: OwnCommand): Promise<Exit> {
  const { lang } = options;
  const { server } = contextOf(namedIn(asked.flags), env, lang);
  const path = asked.rest.length > 0 ? pageOf() : placeOf(asked.flags);
  const address = server + path;
  await terminal.out(`${address}\n`);
  const opener = terminal.live && asked.flags.get("no-browser")?.at(-1) !== "true" ? openerOf(env) : undefined;
  if (!opener) return exit.done;
  const problem = await start([...opener, address]);
  if (problem) await terminal.err(`${tell(lang, "open.cannot", { problem })}\n`);
  return exit.done;

  function pageOf(): string {
    const flags = asked.command.flags.map((flag) => ({ ...flag, required: flag.field && flag.name !== "resource" }));
    const input = inputFrom({ ...asked, command: { ...asked.command, flags } }, lang, defaults) as GetWorkloadRequest;
    const { cluster, namespace, resource, name } = input;
    return href("workload.get", { cluster, namespace, resource, name });
  }
}

/** Where no workload is named. A context's cluster is not looked at: the fleet is what one opens without a word. */
function placeOf(flags: ReadonlyMap<string, string[]>): string {
  const said = (name: string) => flags.get(name)?.at(-1) || undefined;
  const [cluster, namespace] = [said("cluster"), said("namespace")];
  if (namespace) {
    const list = operation("fleet.listWorkloads");
    inputOf(list, { cluster: cluster && [cluster], namespace: [namespace] });
    return href(list.id, { cluster, namespace });
  }
  if (!cluster) return href("fleet.get");
  const summary = operation("agent.summary");
  inputOf(summary, { cluster });
  return href(summary.id, { cluster });
}

/** Undefined where there is no screen to open anything on. */
function openerOf({ BROWSER, DISPLAY, WAYLAND_DISPLAY, WSL_DISTRO_NAME }: Env): string[] | undefined {
  if (process.platform === "darwin") return ["open"];
  if (process.platform === "win32") return ["rundll32", "url.dll,FileProtocolHandler"];
  if (BROWSER) return [BROWSER];
  if (WSL_DISTRO_NAME) return ["wslview"];
  return DISPLAY || WAYLAND_DISPLAY ? ["xdg-open"] : undefined;
}

/** Resolves when it runs, with what is wrong where it cannot. */
function start([program, ...args]: string[]): Promise<string | undefined> {
  return new Promise((resolve) => {
    const child = spawn(program!, args, { stdio: "ignore", detached: true });
    child.on("error", ({ message }) => resolve(message));
    child.on("spawn", () => {
      child.unref();
      resolve(undefined);
    });
  });
}
