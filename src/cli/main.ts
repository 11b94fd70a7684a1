#!/usr/bin/env bun
// The binary `lizardcd`.
import { build } from "../process/version.ts";
import { run } from "./run.ts";
import { processTerminal } from "./terminal.ts";

process.exit(await run(process.argv.slice(2), { env: process.env, terminal: processTerminal(), version: build }));
