// A fleet without clusters: what to run next.
import { href } from "../contract/operation.ts";
import { say } from "../words/words.ts";
import { Cmd, Ico, Mark, type PageContext } from "./parts.tsx";

export function AgentCommands({ ctx }: { ctx: PageContext }) {
  const { lang, enrolls = "yes" } = ctx;
  return (
    <div class="grid gap-3 grid-cols-[minmax(0,1fr)]">
      {/* The demo alone is started so; binaries and charts know no npm. */}
      {ctx.simulated && (
        <div class="grid gap-1.5">
          <p>{say(lang, "agent.kubeconfig")}</p>
          <Cmd ctx={ctx} label={say(lang, "agent.kubeconfig")} text={"npm start -- --kubeconfig ~/.kube/config"} />
        </div>
      )}
      {enrolls === "yes" ? (
        <div class="grid gap-1.5">
          <p>{say(lang, "agent.line")}</p>
          <Cmd ctx={ctx} label={say(lang, "agent.line")} text="lizardcd agents enroll --cluster eu-1" />
        </div>
      ) : (
        <div class="grid gap-1.5">
          <p>{say(lang, "agent.beside")}</p>
          <Cmd ctx={ctx} label={say(lang, "agent.beside")} text={agentCommand(ctx)} />
        </div>
      )}
      {isThisMachine(ctx.origin) && <p class="hint">{say(lang, "agent.loopback", { origin: ctx.origin! })}</p>}
      {enrolls === "yes" ? (
        <p class="filters">
          {say(lang, "agent.token")}{" "}
          <a class="btn btn-sm" href={`${href("fleet.listAgents")}#enroll`}>
            <Ico name="key" />
            {say(lang, "enroll")}
          </a>
        </p>
      ) : (
        <p class="hint">{say(lang, `enroll.${enrolls}`)}</p>
      )}
    </div>
  );
}

/** An address that no agent elsewhere can dial. */
export function isThisMachine(origin = ""): boolean {
  return /^https?:\/\/(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/.test(origin);
}

function agentCommand({ origin = "http://127.0.0.1:5117", enrolls }: PageContext): string {
  const plain = enrolls === "off" ? " --insecure" : "";
  return `lizardcd-agent --server ${origin} --cluster eu-1 \\
  --kubeconfig ~/.kube/config --labels env=prod,region=eu \\
  --join-token-file DATA/join-token${plain}`;
}

export function NoClusters({ ctx }: { ctx: PageContext }) {
  const { lang } = ctx;
  return (
    <div id="fleet" class="centre">
      <div class="w-full max-w-[680px] grid grid-cols-[minmax(0,1fr)] gap-6">
        <Picture ctx={ctx} />
        <div class="grid gap-1">
          <h1 class="text-2xl!">{say(lang, "empty.head")}</h1>
          <p class="text-muted text-base">{say(lang, "empty.rest")}</p>
        </div>
        <AgentCommands ctx={ctx} />
        <p class="state text-muted whitespace-normal!" role="status">
          <Mark state="run" />
          <span>{say(lang, "empty.listening")}</span>
        </p>
      </div>
    </div>
  );
}

function Picture({ ctx }: { ctx: PageContext }) {
  const { lang } = ctx;
  return (
    <svg viewBox="0 0 680 132" class="w-full nar" role="img" aria-label={say(lang, "picture.alt")}>
      <g fill="none" stroke-width="1.5" class="s-line2">
        <path d="M176 66h118M386 66h118" stroke-dasharray="4 4" />
        <path d="m286 61 8 5-8 5M394 61l-8 5 8 5" />
      </g>
      <rect x="8" y="26" width="168" height="80" rx="8" class="f-panel s-line2" stroke-dasharray="5 4" />
      <path d="M24 42h40v14H24zM70 42h40v14H70zM24 62h40v14H24z" class="f-line" />
      <rect x="100" y="66" width="60" height="26" rx="5" class="f-ink" />
      <text x="130" y="83" text-anchor="middle" font-size="11" class="f-panel">
        agent
      </text>
      <rect x="294" y="40" width="92" height="52" rx="8" class="f-panel s-line2" />
      <text x="340" y="70" text-anchor="middle" font-size="12" class="f-ink">
        {say(lang, "picture.registry")}
      </text>
      <rect x="504" y="26" width="168" height="80" rx="8" class="f-panel s-ink" />
      <svg x="522" y="50" width="32" height="32">
        <use href="#logo" />
      </svg>
      <text x="566" y="71" font-size="12" class="f-content">
        {say(lang, "picture.server")}
      </text>
      <text x="92" y="20" text-anchor="middle" font-size="12" class="f-ink">
        {say(lang, "picture.cluster")}
      </text>
      <text x="236" y="54" text-anchor="middle" font-size="11" class="f-ink">
        {say(lang, "picture.announces")}
      </text>
      <text x="444" y="54" text-anchor="middle" font-size="11" class="f-ink">
        {say(lang, "picture.finds")}
      </text>
    </svg>
  );
}
