/**
 * The agent's side of kubeconfig-kubectl.test.ts: one request to `/version` by the kubeconfig that is named, or by each
 * that comes in as a line; what came of each is printed, then as a line of JSON.
 */
import { createKube, linesOf } from "../../src/agent/kube.ts";
import { accessFromKubeconfig } from "../../src/agent/kubeconfig.ts";
import { takeProxies } from "../../src/process/proxy.ts";

takeProxies();
const [, , path] = process.argv;
if (path) console.log(await asked(path));
else for await (const line of linesOf(Bun.stdin.stream())) console.log(JSON.stringify(await asked(line)));
process.exit(0);

async function asked(path: string): Promise<string> {
  try {
    const kube = createKube(await accessFromKubeconfig(path), { timeoutMs: 5_000 });
    return JSON.stringify(await kube.get("/version").finally(() => kube.close()));
  } catch (cause) {
    return cause instanceof Error ? cause.message : String(cause);
  }
}
