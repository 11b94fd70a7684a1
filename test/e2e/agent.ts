// An agent in this process with its own gRPC client: what the agent's tests start.
import * as grpc from "@grpc/grpc-js";
import { createKube, type Kube } from "../../src/agent/kube.ts";
import { accessFromKubeconfig } from "../../src/agent/kubeconfig.ts";
import { type AgentOptions, type RunningAgent, startAgent } from "../../src/agent/server.ts";
import { type Peer, stub } from "../../src/contract/grpc.ts";
import { overGrpc } from "../../src/contract/grpc-channel.ts";
import { agentServices } from "../../src/contract/operation.ts";
import { type MemoryRegistry, memoryRegistry } from "../../src/discovery/memory.ts";
import { log } from "../../src/process/log.ts";

export interface TestAgent {
  agent: RunningAgent;
  registry: MemoryRegistry;
  client: grpc.Client;
  peers: {
    agent: Peer<(typeof agentServices)["agent"]>;
    namespace: Peer<(typeof agentServices)["namespace"]>;
    workload: Peer<(typeof agentServices)["workload"]>;
  };
  stop(): Promise<void>;
}

/** Under the cluster name "test" and on a free port, unless told otherwise. */
export async function startTestAgent(options: Partial<AgentOptions> & { kube: Kube }): Promise<TestAgent> {
  const registry = memoryRegistry();
  const agent = await startAgent({
    cluster: "test",
    prefix: "",
    listen: "127.0.0.1:0",
    labels: {},
    announcer: registry.announcer(),
    log: log("agent"),
    ...options,
  });
  const client = new grpc.Client(agent.address, grpc.credentials.createInsecure());
  const channel = overGrpc(client);
  return {
    agent,
    registry,
    client,
    peers: {
      agent: stub(channel, agentServices.agent),
      namespace: stub(channel, agentServices.namespace),
      workload: stub(channel, agentServices.workload),
    },
    async stop() {
      client.close();
      await agent.stop();
    },
  };
}

export async function kubeFromFile(path: string): Promise<Kube> {
  return createKube(await accessFromKubeconfig(path));
}

/**
 * What it rejects with. Not `expect(…).rejects`: that waits inside the event loop's turn, in which the two ends of a
 * gRPC connection in one process may wait for each other.
 */
export async function failureOf(asked: Promise<unknown>): Promise<unknown> {
  try {
    await asked;
  } catch (cause) {
    return cause;
  }
  throw new Error("it was answered");
}
