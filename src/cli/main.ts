#!/usr/bin/env bun
// The binary `lizardcd`, and `lzcli` where it is called by that name.
import { build } from "../process/version.ts";
import { processTerminal } from "./terminal.ts";

const argv = process.argv.slice(2);
// A link keeps its own name in argv0; the file it leads to does not know it.
const older = /(^|[\\/])lzcli(\.exe)?$/i.test(process.argv0);
const terminal = processTerminal(process.env, older ? "lzcli" : "lizardcd");

process.exit(await main());

async function main(): Promise<number> {
  const world = { env: process.env, terminal, version: build };
  if (older) return (await import("./older.ts")).runOlder(argv, world);
  const { versionAlone } = await import("./version.ts");
  return (await versionAlone(argv, world)) ?? (await import("./run.ts")).run(argv, world);
}
