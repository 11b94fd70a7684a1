// Ctrl-C, a terminal, and none: the program as a process of its own.
import { afterAll, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
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
fake.answers["GET /fleet"] = hang;
fake.answers[`POST ${workload}/restart`] = hang;
fake.answers[`GET ${workload}`] = () => {
  arrived();
  return Response.json({ row: workloadRow("web", { state: "run", updated: 1 }) });
};

afterAll(() => fake.stop());

const cases: [words: string, said: string][] = [
  ["get deploy -w", ""],
  ["get clusters", ""],
  ["restart web -c eu-1 -n shop", "may or may not have been made"],
  ["rollout status web -c eu-1 -n shop", ""],
];

for (const [words, said] of cases) {
  test(`Ctrl-C ends ${words} with 130 and says what is not known`, async () => {
    const asked = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    const child = Bun.spawn([process.execPath, main, ...words.split(" ")], { env, stdout: "pipe", stderr: "pipe" });
    await asked;
    // What was asked for has arrived; the program goes on to print or to wait.
    await Bun.sleep(100);
    child.kill("SIGINT");
    const err = await new Response(child.stderr).text();
    expect(await child.exited).toBe(130);
    expect(err.trim()).toContain(said);
    if (said === "") expect(err.trim()).toBe("");
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

const cli = `"${process.execPath}" "${main}"`;

test.skipIf(!script)(
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

test.skipIf(!script)(
  "Ctrl-C at the password ends with 130, keeps nothing and gives the terminal back",
  async () => {
    let typed = false;
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
    const file = join(fake.home, ".config/lizardcd/config.yaml");
    if (existsSync(file)) expect(await Bun.file(file).text()).not.toContain("localhost");
  },
  30_000,
);

test.skipIf(!script)(
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

test.skipIf(!script)(
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

test.skipIf(!script)(
  "no line is wider than a terminal of 20 columns",
  async () => {
    const { printed, code } = await inTerminal(`stty cols 20; NO_COLOR=1 ${cli} get deploy`);
    expect(code).toBe(0);
    for (const line of printed.split(/\r?\n/)) expect([line, Bun.stringWidth(line) <= 20]).toEqual([line, true]);
  },
  30_000,
);
