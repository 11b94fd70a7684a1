import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createKube } from "../../src/agent/kube.ts";
import { accessFromKubeconfig } from "../../src/agent/kubeconfig.ts";
import { startSandbox } from "../../src/sandbox/cluster.ts";
import { kubeSuite } from "./kube.ts";

kubeSuite("the sandbox", async () => {
  const sandbox = await startSandbox({ name: "suite", seed: { namespaces: [] } });
  const folder = mkdtempSync(join(tmpdir(), "lizardcd-suite-"));
  writeFileSync(join(folder, "kubeconfig"), sandbox.kubeconfig(), { mode: 0o600 });
  const kube = createKube(await accessFromKubeconfig(join(folder, "kubeconfig")));
  return {
    kube,
    apply: (object) => sandbox.apply(object),
    async stop() {
      await sandbox.stop();
      rmSync(folder, { recursive: true });
    },
  };
});
