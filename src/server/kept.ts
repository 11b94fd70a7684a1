// A summary as it is kept, ten thousand times: what is the same for many agents is one object for all of them.
import { create } from "@bufbuild/protobuf";
import { type AgentInfo, AgentInfoSchema, type SummaryResponse } from "../gen/lizardcd/v1/agent_pb.ts";

/** Where agents differ in everything, sharing is given up now and then rather than remembered for ever. */
const mostShared = 1_000;

export function createKept(): (summary: SummaryResponse) => SummaryResponse {
  const infos = new Map<string, AgentInfo>();
  const states = new Map<string, SummaryResponse["states"]>();

  return (summary) => {
    if (summary.info) summary.info = shared(infos, kindOf(summary.info));
    summary.states = shared(states, summary.states);
    if (summary.worst.length === 0) summary.worst = none;
    return summary;
  };
}

const none: SummaryResponse["worst"] = [];

/** What an agent says of itself, without what is its own: the key is known by whom it was asked. */
function kindOf({ version, kubernetesVersion, labels, scope, simulated }: AgentInfo): AgentInfo {
  return create(AgentInfoSchema, { version, kubernetesVersion, labels, scope, simulated });
}

function shared<T>(known: Map<string, T>, value: T): T {
  const text = JSON.stringify(value);
  const kept = known.get(text);
  if (kept) return kept;
  if (known.size >= mostShared) known.clear();
  known.set(text, value);
  return value;
}
