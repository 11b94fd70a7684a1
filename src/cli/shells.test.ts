// Completion as somebody types it: the real shells, the program from source, a real server.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { endAll, eventually, onEnd, startTestServer } from "../../test/harness.ts";
import { row, startStubAgent } from "../../test/stub-agent.ts";
import { describePart } from "../../test/testbed/part.ts";

const cli = `"${process.execPath}" "${join(import.meta.dir, "main.ts")}"`;
/** A name that a shell would take apart, or run. */
const odd = "it's $(date) & 100% ours";

let home: string;
let env: Record<string, string>;

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), "lizardcd-shells-"));
  onEnd(() => rmSync(home, { recursive: true, force: true }));
  const server = await startTestServer();
  for (const cluster of ["eu-1", "edge-1", "us.west-1"]) {
    const rows = [row(cluster, "web"), row(cluster, "worker.v2"), row(cluster, "db", { resource: "statefulsets" })];
    const agent = await startStubAgent({ cluster, rows });
    onEnd(agent.stop);
    server.announce(cluster, agent.address);
  }
  await eventually(
    () => server.client.get("/workloads"),
    ({ body }) => body.items?.length === 9,
  );
  // In the place of the program: it completes as the program does, and says what it is called with.
  const program = join(home, "lizardcd");
  const said = `printf 'CALLED'; printf '<%s>' "$@"; echo`;
  writeFileSync(program, `#!/bin/sh\ncase "$1" in __complete|completion) exec ${cli} "$@";; esac\n${said}\n`);
  chmodSync(program, 0o755);
  env = {
    PATH: `${home}:${process.env.PATH}`,
    HOME: home,
    XDG_CONFIG_HOME: join(home, "config"),
    LANG: "C.UTF-8",
    TERM: "dumb",
    LIZARDCD_SERVER: server.url,
    LIZARDCD_TOKEN: server.client.token,
    INPUTRC: "/dev/null",
    ZDOTDIR: home,
  };
  // One server that is kept for the same twice is kept once: the one that is not current has a namespace.
  for (const [name, namespace] of [
    [odd, ""],
    ["local:5117", "shop"],
  ]) {
    const set = `${cli} context set "$1" --server "$2" --namespace "$3"`;
    const kept = Bun.spawnSync(["sh", "-c", set, "sh", name!, server.url, namespace!], { env });
    expect([kept.exitCode, kept.stderr.toString()]).toEqual([0, ""]);
  }
});
afterAll(endAll);

/** What is typed, with tabs, and what the program is then called with. */
const typed: [line: string, called: string[]][] = [
  ["lizardcd rest\t eu", ["restart", "eu"]],
  ["lizardcd get deploy -c ed\t", ["get", "deploy", "-c", "edge-1"]],
  ["lizardcd get deploy --cluster=us\t", ["get", "deploy", "--cluster=us.west-1"]],
  ["lizardcd get deploy -c eu-1,us\t", ["get", "deploy", "-c", "eu-1,us.west-1"]],
  ["lizardcd restart deploy/wor\t -c eu-1 -n sh\t", ["restart", "deploy/worker.v2", "-c", "eu-1", "-n", "shop"]],
  ["lizardcd describe sts/\t", ["describe", "sts/db"]],
  ["lizardcd scale web --rep\t 3", ["scale", "web", "--replicas", "3"]],
  ["lizardcd get workloads --state deg\t", ["get", "workloads", "--state", "degraded"]],
  ["lizardcd get clusters -o jsonp\t'{.items}'", ["get", "clusters", "-o", "jsonpath={.items}"]],
  ["lizardcd context use local:5\t", ["context", "use", "local:5117"]],
  ["lizardcd context use it\t", ["context", "use", odd]],
  ["lizardcd open \t\u0015lizardcd version", ["version"]],
];

describePart("bash", "completion in bash", ({ bash, script }) => {
  test("completes words, flags, clusters, namespaces and names as somebody types them", () =>
    typedInto(script, `${bash} --norc --noprofile -i`, "source <(lizardcd completion bash)"));
});

describePart("zsh", "completion in zsh", ({ zsh, script }) => {
  const quiet = "unsetopt zle_bracketed_paste beep; PS1='> '";
  test("completes words, flags, clusters, namespaces and names as somebody types them", () =>
    typedInto(script, `${zsh} -f -i`, `${quiet}; source <(lizardcd completion zsh)`));

  test("is found as a file in $fpath, too", () =>
    typedInto(
      script,
      `${zsh} -f -i`,
      `${quiet}; mkdir -p f; lizardcd completion zsh > f/_lizardcd; fpath=(f $fpath); autoload -Uz compinit; compinit -u`,
      typed.slice(0, 3),
    ));
});

describePart("fish", "completion in fish", ({ fish, script }) => {
  test("completes words, flags, clusters, namespaces and names as somebody types them", () =>
    typedInto(
      script,
      `${fish} --no-config -i`,
      "function fish_prompt; echo '> '; end; lizardcd completion fish | source",
    ));
});

async function typedInto(script: string, command: string, load: string, lines = typed): Promise<void> {
  const shell = Bun.spawn([script, "-qec", command, "/dev/null"], {
    env,
    cwd: home,
    stdin: "pipe",
    stdout: "pipe",
    stderr: "ignore",
  });
  let printed = "";
  const reading = (async () => {
    for await (const chunk of shell.stdout) printed += new TextDecoder().decode(chunk);
  })();
  const until = async (text: string) => {
    for (const end = Date.now() + 30_000; !printed.includes(text); await Bun.sleep(20)) {
      if (Date.now() > end) throw new Error(`${text} was not printed: ${JSON.stringify(printed.slice(-2_000))}`);
    }
  };
  const type = async (text: string) => {
    shell.stdin.write(text);
    await shell.stdin.flush();
  };
  try {
    await type(`${load}; echo LOADED-"yes"\n`);
    await until("LOADED-yes");
    for (const [line, called] of lines) {
      printed = "";
      await type(`${line}\n`);
      await until(`CALLED${called.map((word) => `<${word}>`).join("")}`);
    }
    await type("exit\n");
    await shell.exited;
  } finally {
    shell.kill();
    await reading;
  }
}
