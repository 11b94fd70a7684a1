// Ctrl-C, a terminal, and none: the program as a process of its own.
import { afterAll, expect, test } from "bun:test";
import { join } from "node:path";
import { testUnless } from "../../test/testbed/part.ts";
import { type Command, commands } from "./catalogue.ts";
import { startFake, workloadRow } from "./testserver.ts";

const fake = startFake();
const main = join(import.meta.dir, "main.ts");
const env = {
  PATH: process.env.PATH,
  HOME: fake.home,
  LIZARDCD_SERVER: fake.url,
  LIZARDCD_TOKEN: "tok",
  TERM: "xterm",
};
const workload = "/clusters/eu-1/namespaces/shop/deployments/web";
let arrived: () => void = () => {};

const hang = () => {
  arrived();
  return new Promise<Response>(() => {});
};
fake.answers["GET /workloads"] = () => {
  arrived();
  return Response.json({ items: [{ row: workloadRow("web") }] });
};
fake.answers[`POST ${workload}/restart`] = hang;
fake.answers[`GET ${workload}`] = () => {
  arrived();
  return Response.json({ row: workloadRow("web", { state: "run", updated: 1 }) });
};

afterAll(() => fake.stop());

/** Goes on after the server has answered: what it does then is interrupted. */
const going = ["get workloads --watch", `rollout status web -c eu-1 -n shop`];

/** On a server that never answers: each command that talks to one, with whatever it needs. */
const args: Record<string, string> = { cluster: "eu-1", namespace: "shop", name: "web", replicas: "2", image: "a:1" };
const talking = commands.filter(({ operation, words }) => operation && words !== "open");
const waiting = talking.map((command) => {
  const { words, positional, flags } = command;
  const isPlace = (name: string) => positional.some((one) => one.name === name);
  const places = positional
    .filter(({ required, name }) => required || name === "cluster")
    .map(({ name }) => args[name]!);
  const needed = flags.filter(({ name, required }) => required && !isPlace(name));
  const line = [words, ...places, ...needed.flatMap(({ name }) => [`--${name}`, args[name]!])].join(" ");
  return { line: words === "login" ? "login --password-stdin" : line, writes: isWrite(command) };
});

/** Ctrl-C leaves it open whether it was done. */
function isWrite({ operation }: Command): boolean {
  return operation?.audited ?? false;
}

async function interrupted(line: string, LIZARDCD_SERVER: string, reached: Promise<void>, settle: number) {
  const options = { env: { ...env, LIZARDCD_SERVER }, stdout: "pipe", stderr: "pipe" } as const;
  const stdin = new Blob(["password"]);
  const child = Bun.spawn([process.execPath, main, ...line.split(" ")], { ...options, stdin });
  await reached;
  await Bun.sleep(settle);
  child.kill("SIGINT");
  const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  return { code: await child.exited, out, err: err.trim() };
}

test("every command that talks to a server is among those that are interrupted", () => {
  expect(waiting.length).toBeGreaterThanOrEqual(20);
  expect(waiting.filter(({ writes }) => writes).length).toBeGreaterThanOrEqual(8);
});

for (const { line, writes } of [...waiting, { line: "version", writes: false }]) {
  test(`Ctrl-C ends ${line} with 130, and says what is not known where something may have been done`, async () => {
    let reached = () => {};
    const asked = new Promise<void>((resolve) => {
      reached = resolve;
    });
    const silent = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch() {
        reached();
        return new Promise<Response>(() => {});
      },
    });
    const { code, out, err } = await interrupted(line, silent.url.origin, asked, 0);
    await silent.stop(true);
    const said = writes ? "lizardcd: The change may or may not have been made: look before you repeat it" : "";
    expect([line, code, err]).toEqual([line, 130, said]);
    // The client's version is said before the server is asked for its own.
    expect([line, out.replace(/^Client: .*\n/, "")]).toEqual([line, ""]);
  }, 30_000);
}

for (const line of going) {
  test(`Ctrl-C ends ${line} with 130 while it goes on`, async () => {
    const asked = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    const { code, err } = await interrupted(line, fake.url, asked, 100);
    expect([line, code, err]).toEqual([line, 130, ""]);
  }, 30_000);
}

test("on Ctrl-C lzcli speaks under its own name", async () => {
  const asked = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  const words = "deployment restart --name web --cluster eu-1 -n shop".split(" ");
  const options = { env, argv0: "lzcli", stdout: "pipe", stderr: "pipe" } as const;
  const child = Bun.spawn([process.execPath, main, ...words], options);
  await asked;
  await Bun.sleep(100);
  child.kill("SIGINT");
  expect((await new Response(child.stderr).text()).trim()).toStartWith("lzcli: The change may or may not");
  expect(await child.exited).toBe(130);
}, 30_000);

const script = Bun.which("script");

/** In a pseudo-terminal; `type` gets what was printed so far each time something is. */
async function inTerminal(line: string, type: (printed: string, write: (text: string) => void) => void = () => {}) {
  const child = Bun.spawn([script!, "-qec", line, "/dev/null"], {
    env,
    stdin: "pipe",
    stdout: "pipe",
    stderr: "ignore",
  });
  let printed = "";
  const write = (text: string) => {
    child.stdin.write(text);
    child.stdin.flush();
  };
  const decoder = new TextDecoder();
  for await (const chunk of child.stdout) {
    printed += decoder.decode(chunk, { stream: true });
    type(printed, write);
  }
  return { printed, code: await child.exited };
}

const noTerminal = script ? undefined : { part: "script", reason: "it is not installed: apt-get install bsdutils" };
const cli = `"${process.execPath}" "${main}"`;

testUnless(
  noTerminal,
  "the password is asked for, not shown, and the session kept",
  async () => {
    fake.answers["POST /login"] = ({ body }) =>
      Response.json({ accessToken: JSON.stringify(body), expiresIn: 60, user: { username: "ada" } });
    let typed = false;
    const { printed, code } = await inTerminal(`${cli} login ${fake.url} -u ada`, (so, write) => {
      if (typed || !so.includes("Password of ada")) return;
      typed = true;
      write("sexret\u007f\u007f\u007f\u007fcret\r");
    });
    expect(code).toBe(0);
    expect(printed).toContain("Signed in");
    expect(printed).not.toContain("cret");
    expect(fake.seen.at(-1)!.body).toEqual({ username: "ada", password: "secret" });
  },
  30_000,
);

testUnless(
  noTerminal,
  "Ctrl-C at the password ends with 130, keeps nothing and gives the terminal back",
  async () => {
    let typed = false;
    const file = Bun.file(join(fake.home, ".config/lizardcd/config.yaml"));
    const kept = async () => ((await file.exists()) ? file.text() : "nothing is kept");
    const before = await kept();
    const other = fake.url.replace("127.0.0.1", "localhost");
    const line = `${cli} login ${other} -u eva; echo "ended $?"; stty -a | grep -o '[-]*echo ' | head -n 1`;
    const { printed } = await inTerminal(line, (so, write) => {
      if (typed || !so.includes("Password of eva")) return;
      typed = true;
      write("half\u0003");
    });
    expect(printed).toContain("ended 130");
    expect(printed).toMatch(/\r\necho /);
    expect(printed).not.toContain("half");
    expect(await kept()).toBe(before);
    expect(before).not.toContain("localhost");
  },
  30_000,
);

testUnless(
  noTerminal,
  "Ctrl-C in a live picture gives the cursor back",
  async () => {
    let sent = false;
    const line = `trap : INT; stty cols 20 rows 8; ${cli} rollout status web -c eu-1 -n shop; echo "ended $?"`;
    const { printed } = await inTerminal(line, (so, write) => {
      if (sent || !so.includes("shop/web")) return;
      sent = true;
      write("\u0003");
    });
    expect(printed).toContain("ended 130");
    expect(printed.lastIndexOf("\u001b[?25h")).toBeGreaterThan(printed.lastIndexOf("\u001b[?25l"));
  },
  30_000,
);

testUnless(
  noTerminal,
  "colours are for terminals, and not where NO_COLOR is set or the terminal is dumb",
  async () => {
    const coloured = `${cli} get deploy`;
    expect((await inTerminal(coloured)).printed).toContain("\u001b[32m");
    expect((await inTerminal(`NO_COLOR=1 ${coloured}`)).printed).not.toContain("\u001b[32m");
    expect((await inTerminal(`TERM=dumb ${coloured}`)).printed).not.toContain("\u001b");
    expect((await inTerminal(`${coloured} | cat`)).printed).not.toContain("\u001b[32m");
  },
  60_000,
);

testUnless(
  noTerminal,
  "no line is wider than a terminal of 20 columns",
  async () => {
    const { printed, code } = await inTerminal(`stty cols 20; NO_COLOR=1 ${cli} get deploy`);
    expect(code).toBe(0);
    for (const line of printed.split(/\r?\n/)) expect([line, Bun.stringWidth(line) <= 20]).toEqual([line, true]);
  },
  30_000,
);
