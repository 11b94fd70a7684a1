// Reads what each proto method says of itself, once. HTTP, OpenAPI, the CLI, the pages and the tests all start here.
import { type DescMethod, type DescService, getOption, hasOption } from "@bufbuild/protobuf";
import { http as httpOption } from "../gen/google/api/annotations_pb.ts";
import { AboutService } from "../gen/lizardcd/v1/about_pb.ts";
import { AgentService } from "../gen/lizardcd/v1/agent_pb.ts";
import { AuditService } from "../gen/lizardcd/v1/audit_pb.ts";
import { DiscoveryService } from "../gen/lizardcd/v1/discovery_pb.ts";
import { FleetService } from "../gen/lizardcd/v1/fleet_pb.ts";
import { NamespaceService } from "../gen/lizardcd/v1/namespace_pb.ts";
import { operation as operationOption } from "../gen/lizardcd/v1/options_pb.ts";
import { TrustService } from "../gen/lizardcd/v1/trust_pb.ts";
import { UserService } from "../gen/lizardcd/v1/user_pb.ts";
import { WorkloadService } from "../gen/lizardcd/v1/workload_pb.ts";

/** The services that agents serve over gRPC, by noun. */
export const agentServices = {
  agent: AgentService,
  namespace: NamespaceService,
  workload: WorkloadService,
} as const;

/** The services that only the server answers, by noun. */
export const serverServices = {
  fleet: FleetService,
  user: UserService,
  audit: AuditService,
  discovery: DiscoveryService,
  trust: TrustService,
  about: AboutService,
} as const;

export const services = { ...agentServices, ...serverServices } as const;

export type Noun = keyof typeof services;
export type OperationId = {
  [N in Noun]: `${N}.${keyof (typeof services)[N]["method"] & string}`;
}[Noun];

export type Verb = "GET" | "POST" | "PUT" | "DELETE";

export interface Operation {
  /** "<noun>.<method>", "workload.setImage". */
  id: OperationId;
  noun: Noun;
  /** The method's local name, "setImage". */
  verb: string;
  summary: string;
  /** "workloads.restart"; empty where the caller is not a user. */
  permission: string;
  /** True for what writes. */
  audited: boolean;
  caller: "user" | "agent" | "anyone";
  /** The CLI's words, "get workloads"; empty where it has none. */
  command: string;
  /** Fields the CLI takes as plain arguments, in order. */
  arguments: string[];
  /** Missing on methods that have no path of their own (streams are served on their list's path). */
  http?: Http;
  method: DescMethod;
  /** True for a server stream. */
  streams: boolean;
}

export interface Http {
  method: Verb;
  /** With `{field}` in place of values. */
  path: string;
  /** True where all fields that are not in the path travel in the body, not in the query. */
  body: boolean;
}

export const operations: readonly Operation[] = (Object.entries(services) as [Noun, DescService][]).flatMap(
  ([noun, service]) => service.methods.map((method) => read(noun, method)),
);

const byId = new Map<string, Operation>(operations.map((operation) => [operation.id, operation]));

/** @throws Error for an id that no proto method has. */
export function operation(id: OperationId): Operation {
  const found = byId.get(id);
  if (!found) throw new Error(`no operation ${id} in the contract`);
  return found;
}

export type Params = Record<string, unknown>;

/** The path of an operation; what its path does not name becomes the query, arrays repeated, empty values left out. */
export function href(id: OperationId, params: Params = {}): string {
  const { http } = operation(id);
  if (!http) throw new Error(`operation ${id} has no path`);
  const left = new Map(Object.entries(params));
  const path = http.path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = left.get(name);
    left.delete(name);
    if (value === undefined || value === "") throw new Error(`operation ${id} needs ${name} in its path`);
    return encodeURIComponent(String(value));
  });
  const query = http.body ? "" : search(left);
  return query ? `${path}?${query}` : path;
}

/** `?a=1&b=2&b=3` without the question mark; undefined, "" and false are left out. */
export function search(params: Iterable<[string, unknown]>): string {
  const query = new URLSearchParams();
  for (const [name, value] of params) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one === undefined || one === null || one === "" || one === false) continue;
      query.append(name, String(one));
    }
  }
  return query.toString();
}

/** The names in an operation's path, in order. */
export function pathFields(http: Http): string[] {
  return [...http.path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]!);
}

function read(noun: Noun, method: DescMethod): Operation {
  const said = getOption(method, operationOption);
  return {
    id: `${noun}.${method.localName}` as OperationId,
    noun,
    verb: method.localName,
    summary: said.summary,
    permission: said.permission,
    audited: said.audited,
    caller: (said.caller || "user") as Operation["caller"],
    command: said.command,
    arguments: said.arguments,
    http: hasOption(method, httpOption) ? route(method) : undefined,
    method,
    streams: method.methodKind === "server_streaming",
  };
}

function route(method: DescMethod): Http {
  const rule = getOption(method, httpOption);
  const { case: verb, value } = rule.pattern;
  if (verb !== "get" && verb !== "post" && verb !== "put" && verb !== "delete") {
    throw new Error(`${method.name}: only get, post, put and delete are mapped, not ${verb}`);
  }
  return { method: verb.toUpperCase() as Verb, path: value, body: rule.body === "*" };
}
