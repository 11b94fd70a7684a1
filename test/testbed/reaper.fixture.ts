/** A runner to be killed: starts a cluster and an etcd, says where their folders are, and waits. */
import { startEtcd } from "./etcd.ts";
import { startCluster } from "./kubernetes.ts";
import { processGroup } from "./processes.ts";

const [cluster, etcd, group] = await Promise.all([startCluster({ nodes: 1 }), startEtcd(), processGroup()]);
// A process that does not listen to SIGTERM and has a child of its own.
const deaf = "trap '' TERM; sh -c 'trap \"\" TERM; while :; do sleep 1; done' & while :; do sleep 1; done";
await group.start({ name: "deaf", command: ["sh", "-c", deaf] });
console.log(JSON.stringify({ folders: [cluster.folder, group.folder], endpoint: etcd.endpoint }));
await new Promise(() => setInterval(() => {}, 1000));
