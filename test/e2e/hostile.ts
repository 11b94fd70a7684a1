// An agent of somebody who means harm: every string of every answer is planted with what must not come alive elsewhere.
import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { Failed, type FailureCode, failures } from "../../src/contract/errors.ts";
import { type Handlers, serve } from "../../src/contract/grpc.ts";
import { type ReasonCode, reasons } from "../../src/contract/reasons.ts";
import { AgentInfoSchema, AgentService, SummaryResponseSchema } from "../../src/gen/lizardcd/v1/agent_pb.ts";
import {
  ListNamespacesResponseSchema,
  NamespaceRowSchema,
  NamespaceService,
} from "../../src/gen/lizardcd/v1/namespace_pb.ts";
import { WorkloadRowSchema, WorkloadSchema, WorkloadService } from "../../src/gen/lizardcd/v1/workload_pb.ts";
import { onEnd } from "../harness.ts";

/** Markup, quotes, control characters, escapes of terminals, and characters that turn the reading direction around. */
export const poison = (name: string) =>
  `${name}\u202e<img src=x onerror="alert(1)"><script>alert(1)</script></textarea></title>&lt;&#60;"' onclick=alert(1) ` +
  `\u0000\u0007\b\u001b[31m\u001b]0;title\u0007\u001b[2J\u009b31m\u0085\u00ad\u2066\u2069\u200b\u200f\u2028\ufeff` +
  `\r\n\r\nevent: ages\ndata: {"x":1}\n\n{{7*7}}\${7*7}javascript:alert(1)`;

/** What shows that a page has printed poison, in its harmless form. */
export const harmless = "&lt;img src=x";

const names = { namespace: "shop", resource: "deployments" } as const;
const codes = Object.keys(reasons) as ReasonCode[];
const states = ["ok", "run", "degraded", "failed", "paused", "zero"];
export const failureCodes = Object.keys(failures) as FailureCode[];

/** One workload for each reason, and one that is poison from name to image. */
export const workloadNames = codes.map((_, index) => `reason-${index}`);
/** Reading this workload fails with that code. */
export const failingName = (code: FailureCode) => `fails-${failureCodes.indexOf(code)}`;

export async function startHostileAgent(cluster: string): Promise<{ address: string }> {
  const server = new grpc.Server();
  const reasonOf = (code: ReasonCode) => ({ ...planted(WorkloadRowSchema.field.reason!.message!), code });
  const row = (name: string) => {
    const index = Math.max(0, workloadNames.indexOf(name));
    const params = Object.fromEntries(placesOf(reasons[codes[index]!]!.message).map((place) => [place, poison(place)]));
    const reason = { ...reasonOf(codes[index]!), params };
    return {
      ...planted(WorkloadRowSchema),
      ...{ cluster, ...names, name, reason, state: states[index % states.length] },
    };
  };
  const rows = () => [...workloadNames.map(row), planted(WorkloadRowSchema)];
  const workload = ({ name }: { name: string }) => {
    const failing = failureCodes.find((code) => failingName(code) === name);
    if (failing) {
      const params = Object.fromEntries(placesOf(failures[failing].message).map((place) => [place, poison(place)]));
      throw new Failed(failing, params as never, { object: poison("object") });
    }
    return { ...planted(WorkloadSchema), row: row(name), dryRun: false };
  };
  const written = (path: string) => async (input: { name: string; dryRun?: boolean }) => ({
    ...workload(input),
    changes: [{ path, before: JSON.stringify(poison("before")), after: JSON.stringify(poison("after")) }],
    dryRun: input.dryRun ?? false,
  });
  const info = () => ({ ...planted(AgentInfoSchema), cluster, simulated: false });
  const options = { place: "agent" };
  serve(
    server,
    AgentService,
    {
      info: async () => info(),
      summary: async () => ({
        ...planted(SummaryResponseSchema),
        // What it was asked for; another namespace here would refuse the whole answer.
        namespace: "",
        ...{ info: info(), states: { ok: 3, failed: 4, [poison("state")]: 5 }, failure: undefined, watchAgeMs: 10 },
        worst: rows().slice(0, 10),
      }),
    } as never as Handlers<typeof AgentService>,
    options,
  );
  serve(
    server,
    NamespaceService,
    {
      list: async () => ({
        ...planted(ListNamespacesResponseSchema),
        // One that can be called so, and one that no namespace can be called: that one is refused.
        items: [{ ...planted(NamespaceRowSchema), name: "shop" }, planted(NamespaceRowSchema)],
      }),
    } as never as Handlers<typeof NamespaceService>,
    options,
  );
  serve(
    server,
    WorkloadService,
    {
      list: async () => ({ items: rows(), continue: "", total: rows().length, states: { ok: 3, failed: 4 }, ageMs: 5 }),
      get: async (input: { name: string }) => workload(input),
      restart: written("spec.template.metadata.annotations"),
      scale: written("spec.replicas"),
      setImage: written("spec.template.spec.containers[web].image"),
      pause: written("spec.paused"),
      resume: written("spec.paused"),
      async *watch(_: unknown, { signal }: { signal: AbortSignal }) {
        for (const value of rows()) yield { event: { case: "upsert", value } };
        yield { event: { case: "synced", value: { ageMs: 5 } } };
        await Bun.sleep(300);
        for (const value of rows()) yield { event: { case: "upsert", value: { ...value, ready: 1 } } };
        await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
      },
    } as never as Handlers<typeof WorkloadService>,
    options,
  );
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  );
  onEnd(() => server.forceShutdown());
  return { address: `127.0.0.1:${port}` };
}

/** A message whose every string, in whatever depth, is poison. New fields are planted without anybody's doing. */
function planted(schema: DescMessage): Record<string, unknown> {
  return Object.fromEntries(schema.fields.map((field) => [field.localName, plantedField(field)]));
}

function plantedField(field: DescField): unknown {
  if (field.fieldKind === "list") return [one(field), one(field)];
  if (field.fieldKind === "map") return { [poison("key")]: one(field) };
  return one(field);
}

function one(field: DescField): unknown {
  if (field.message) return planted(field.message);
  if (field.scalar === ScalarType.STRING) return poison(field.localName);
  if (field.scalar === ScalarType.BOOL) return true;
  return 3;
}

function placesOf(sentence: string): string[] {
  return [...sentence.matchAll(/\{(\w+)/g)].map(([, place]) => place!);
}
