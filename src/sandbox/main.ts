import { chmodSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { startSandbox } from "./cluster.ts";
import { seedOf } from "./seeds.ts";

const { values } = parseArgs({
  options: {
    name: { type: "string", default: "sandbox" },
    seed: { type: "string", default: "calm" },
    port: { type: "string", default: "0" },
    nodes: { type: "string" },
    token: { type: "string" },
    "kubeconfig-out": { type: "string" },
    "restrict-namespaces": { type: "string" },
    /** No restarts and no absences by themselves. */
    still: { type: "boolean", default: false },
    "end-with-stdin": { type: "boolean", default: false },
  },
});

const seed = seedOf(values.seed);
if (!seed) {
  console.error(`no seed named ${values.seed}: use calm, stormy, roaming or many:N`);
  process.exit(2);
}
const sandbox = await startSandbox({
  name: values.name,
  seed,
  port: Number(values.port),
  ...(values.nodes && { nodes: Number(values.nodes) }),
  ...(values.token && { token: values.token }),
  ...(values["restrict-namespaces"] && { namespaces: values["restrict-namespaces"].split(",") }),
  traffic: !values.still,
}).catch((cause: Error) => {
  console.error(`sandbox ${values.name} cannot listen on 127.0.0.1:${values.port}: ${cause.message}`);
  process.exit(1);
});

const file = values["kubeconfig-out"];
if (file) {
  writeFileSync(file, sandbox.kubeconfig(), { mode: 0o600 });
  // An existing file keeps its mode otherwise.
  chmodSync(file, 0o600);
}

const end = () => {
  void sandbox.stop();
  process.exit(0);
};
process.on("SIGTERM", end);
process.on("SIGINT", end);
if (values["end-with-stdin"]) {
  process.stdin.on("end", end);
  process.stdin.on("close", end);
  process.stdin.resume();
}
console.log(JSON.stringify({ ready: true, url: sandbox.url, name: values.name }));
