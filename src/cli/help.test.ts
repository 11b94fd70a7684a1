import { afterAll, expect, test } from "bun:test";
import { join } from "node:path";
import { commands, everywhere } from "./command.ts";
import { olderHelp } from "./older.ts";
import { startFake } from "./testserver.ts";

const fake = startFake();
afterAll(() => fake.stop());

test("help is as wide as the terminal, however narrow, and nothing of it is lost", async () => {
  const bare = (text: string) => text.replaceAll(/\s/g, "");
  for (const env of [{}, { LANG: "zh_CN.UTF-8" }]) {
    for (const words of ["", ...commands.map((command) => command.words)]) {
      const whole = await fake.cli(`${words} --help`, { env });
      for (const columns of [100, 80, 40, 20]) {
        const { code, out } = await fake.cli(`${words} --help`, { env, terminal: { columns } });
        expect(code).toBe(0);
        for (const line of out.split("\n")) {
          expect([columns, line, Bun.stringWidth(line) <= columns]).toEqual([columns, line, true]);
        }
        expect(bare(out)).toBe(bare(whole.out));
      }
    }
  }
});

test("in a pipe each command and each flag is one line, to be searched", async () => {
  const lines = (await fake.cli("--help")).out.split("\n");
  for (const { words } of commands) {
    expect(lines.filter((line) => line.startsWith(`  ${words} `) && / {2}\S.*\S/.test(line.slice(4)))).not.toEqual([]);
  }
  for (const { name, help } of everywhere) {
    expect(lines.filter((line) => line.includes(`--${name}`) && line.endsWith(help("en")))).toHaveLength(1);
  }
});

test("commands stand in the order in which people need them", () => {
  const words = commands.map((command) => command.words);
  const wanted =
    "login, get clusters, get workloads, describe, restart, scale, set image, rollout status, open, agents list, registries, get audit, context list, completion, version".split(
      ", ",
    );
  expect(words.filter((one) => wanted.includes(one))).toEqual(wanted);
  expect(words.at(-1)).toBe("version");
});

test("the reference page has every other word for a command, every variable that is looked at, and the grammar of lzcli", async () => {
  const page = await Bun.file(join(import.meta.dir, "../../docs/cli.md")).text();
  for (const words of commands.flatMap(({ aliases = [] }) => aliases)) expect(page).toContain(`\`lizardcd ${words}\``);
  const sources = [...new Bun.Glob("*.ts").scanSync(import.meta.dir)].filter((name) => !name.includes("test"));
  expect(sources.length).toBeGreaterThan(20);
  for (const name of sources) {
    const source = await Bun.file(join(import.meta.dir, name)).text();
    for (const [, variable] of source.matchAll(/env\.([A-Z_]+)/g))
      if (variable !== "HOME") expect([name, page]).toEqual([name, expect.stringContaining(variable!)]);
  }
  expect(page).toContain(olderHelp.trim());
});
