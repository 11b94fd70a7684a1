import { afterAll, expect, test } from "bun:test";
import { commandOf } from "./catalogue.ts";
import { startFake } from "./testserver.ts";

const fake = startFake();
afterAll(() => fake.stop());

/** What is said of a line that cannot be carried out. */
async function told(words: string, env = {}): Promise<string> {
  const { code, out, err } = await fake.cli(words, { env });
  expect([words, code, out]).toEqual([words, 2, ""]);
  return err;
}

test("half a command is told what comes after it, a misspelt one what was meant", async () => {
  expect(await told("get zzzz")).toContain(
    "After get comes one of agent, agents, audit, cluster, clusters, deploy, ds, namespace",
  );
  expect(await told("rollout")).toContain("After rollout comes one of pause, restart, resume, status");
  expect(await told("restat web")).toContain("Did you mean lizardcd restart?");
  expect(await told("get deplyo")).toContain("Did you mean lizardcd get deploy?");
  expect(await told("sts")).toContain("Did you mean lizardcd get sts?");
  expect(await told("get deploy web -c eu-1")).toContain("lizardcd context set NAME --namespace");
  expect(await told("get namespaces")).toContain(
    "needs CLUSTER. Give it, or let the context say it: lizardcd context set NAME --cluster",
  );
  expect(await told("restart")).toContain("restart needs NAME.");
});

test("a word of kubectl's that is none here leads to the nearest command, by what it does", async () => {
  const cases: [words: string, near: string][] = [
    ["get rs", "describe"],
    ["get pods -n shop", "describe"],
    ["rollout undo deploy/web", "set image"],
    ["wait deploy/web", "rollout status"],
    ["config get-contexts", "context list"],
    ["config use-context home", "context use"],
    ["get all -A", "get workloads"],
  ];
  for (const [words, near] of cases) {
    expect(commandOf(near)).toBeDefined();
    expect([words, await told(words)]).toEqual([words, expect.stringContaining(`Nearest to it is lizardcd ${near} (`)]);
  }
});

test("what Lizardcd does not do leads to kubectl", async () => {
  const words = [
    "logs cart",
    "logs -f deploy/cart",
    "exec -it web sh",
    "apply -f x.yaml",
    "delete deploy web",
    "get svc",
    "get nodes",
    "get ingresses.networking.k8s.io",
  ];
  for (const line of words) {
    const [first, second] = line.split(" ") as [string, string];
    const theirs = first === "get" ? `get ${second.split(".")[0]}` : first;
    expect(await told(line)).toEndWith(`is not a command. Lizardcd does not do that yet: use kubectl ${theirs}.\n`);
  }
});

test("where nothing is near, all commands are named", async () => {
  for (const words of ["zzz", "zzz --help", "help zzz"]) {
    expect([words, await told(words)]).toEqual([
      words,
      expect.stringMatching(/is not a command\. The commands are login, .*, get, describe, .*lizardcd --help says/),
    ]);
  }
});

test("help about half a command lists what begins so", async () => {
  for (const words of ["context --help", "help context"]) {
    const { code, out } = await fake.cli(words);
    expect([words, code]).toEqual([words, 0]);
    expect([...(out.match(/^ {2}\w+ \w+/gm) ?? [])]).toEqual(
      ["list", "use", "set", "delete"].map((one) => `  context ${one}`),
    );
  }
});

test("an unknown flag leads to the nearest of its command, or to the command's help", async () => {
  const cases: [words: string, said: string][] = [
    ["scale web --replica 3", "unknown flag --replica. Did you mean --replicas?"],
    ["get clusters --lable x=y", "unknown flag --lable. Did you mean --label?"],
    // Another command has --replicas.
    ["restart web --replica=3", "unknown flag --replica. lizardcd restart --help shows what it takes."],
    ["get deploy -f x", "unknown flag -f. lizardcd get workloads --help shows what it takes."],
    ["--replica 3 scale web", "unknown flag --replica. Did you mean --replicas?"],
    ["scale web --replicas", "--replicas needs a value. lizardcd scale --help shows what it takes."],
    ["--nonsense", "unknown flag --nonsense. lizardcd --help lists the commands."],
  ];
  for (const [words, said] of cases) {
    expect([words, await told(words)]).toEqual([words, expect.stringContaining(said)]);
  }
});

test("what is wrong with a flag is said in Chinese where the locale is, also by lzcli", async () => {
  const env = { LANG: "zh_CN.UTF-8" };
  const cases: [words: string, said: string][] = [
    ["agents revoke eu-1 --serial zz", '--serial 无效：应为十六进制的序列号，而不是 "zz"。'],
    ["get deploy --limit 99999999999", '--limit 无效：应为不超过 32 位的数，而不是 "99999999999"。'],
    ["get deploy -o jsonpath={.a", '"{.a" 不是 JSONPath 模板：{ 没有闭合。'],
    ["get deploy -o jsonpath={end}", '"{end}" 不是 JSONPath 模板：{end} 没有对应的 {range}。'],
    ["get deploy -o jsonpath={.a[b]}", '"[b]" 不是 .name、[0]、[*] 或 [?(@.name=="x")] 这样的步骤。'],
  ];
  for (const [words, said] of cases) expect(await told(words, env)).toContain(said);
  expect(await told("scale web --replica 3", env)).toBe("lizardcd: 没有参数 --replica。是不是 --replicas？\n");
  expect(await told("scale web --replicas", env)).toStartWith("lizardcd: --replicas 需要一个值。");
  const older = await fake.lzcli("agent list --serverr x", { env });
  expect([older.code, older.err]).toEqual([2, "lzcli: 没有参数 --serverr。是不是 --server？\n"]);
});
