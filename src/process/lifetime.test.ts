import { expect, test } from "bun:test";
import { join } from "node:path";
import fc from "fast-check";
import { backoff, sleep } from "./backoff.ts";

const lifetime = JSON.stringify(join(import.meta.dir, "lifetime.ts"));

function program(body: string) {
  const code = `import { fatal, lifetime, stopped } from ${lifetime};\n${body}`;
  return Bun.spawn([process.execPath, "-e", code], { stdin: "pipe", stdout: "pipe", stderr: "pipe" });
}

async function firstLine(running: ReturnType<typeof program>): Promise<string> {
  const { value } = await running.stdout.getReader().read();
  return new TextDecoder().decode(value).trim();
}

const waits = `const signal = lifetime({ endWithStdin: STDIN });
console.log("running");
await stopped(signal);
console.error(signal.reason.message);
LAST`;

test("a signal asks the program to stop, and tells it why", async () => {
  const running = program(waits.replace("STDIN", "false").replace("LAST", "process.exit(0);"));
  expect(await firstLine(running)).toBe("running");
  running.kill("SIGTERM");
  expect(await running.exited).toBe(0);
  expect(await new Response(running.stderr).text()).toBe("SIGTERM\n");
});

test("the end of standard input stops a program that was asked to end with it", async () => {
  const running = program(waits.replace("STDIN", "true").replace("LAST", "process.exit(0);"));
  expect(await firstLine(running)).toBe("running");
  await running.stdin.end();
  expect(await running.exited).toBe(0);
  expect(await new Response(running.stderr).text()).toBe("standard input has closed\n");
});

test("who is told to stop before it serves has not failed", async () => {
  const running = program(`setInterval(() => {}, 1000);
const signal = lifetime();
console.log("running");
await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))).catch((cause) => fatal("p", cause));`);
  expect(await firstLine(running)).toBe("running");
  running.kill("SIGTERM");
  expect(await running.exited).toBe(0);
  expect(await new Response(running.stderr).text()).toBe("p: stopped before it served: SIGTERM\n");
});

test("a second signal ends a program that takes its time", async () => {
  const slow = waits.replace("STDIN", "false").replace("LAST", 'console.log("slow"); await new Promise(() => {});');
  const running = program(`setInterval(() => {}, 1000);\n${slow}`);
  expect(await firstLine(running)).toBe("running");
  running.kill("SIGTERM");
  while (running.exitCode === null) {
    await Bun.sleep(50);
    running.kill("SIGTERM");
  }
  expect(running.exitCode).toBe(130);
});

test("a fatal error is one sentence without a stack, and exit code 1", async () => {
  const cases: [thrown: string, said: string][] = [
    ['new Error("the cluster is named twice")', "p: the cluster is named twice\n"],
    [
      'Object.assign(new Error("listen"), { code: "EADDRINUSE", address: "127.0.0.1", port: 5117 })',
      "p: 127.0.0.1:5117 is in use by another program: choose another one, or stop that program\n",
    ],
  ];
  for (const [thrown, said] of cases) {
    const running = program(`fatal("p", ${thrown})`);
    expect(await running.exited).toBe(1);
    expect(await new Response(running.stderr).text()).toBe(said);
  }
});

test("waits double up to the longest, each between half and all of its step", () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 30 }), (randoms) => {
      let turn = 0;
      const waits = backoff({ first: 100, most: 5_000, random: () => randoms[turn]! });
      for (; turn < randoms.length; turn++) {
        const step = Math.min(100 * 2 ** turn, 5_000);
        const wait = waits.next();
        expect(wait).toBeGreaterThanOrEqual(step / 2);
        expect(wait).toBeLessThanOrEqual(step);
      }
      waits.reset();
      turn = 0;
      expect(waits.next()).toBeLessThanOrEqual(100);
    }),
  );
});

test("a sleep is over as soon as its signal aborts, also when it had before", async () => {
  const stop = new AbortController();
  const sleeping = sleep(3_600_000, stop.signal);
  stop.abort();
  await sleeping;
  await sleep(3_600_000, stop.signal);
});
