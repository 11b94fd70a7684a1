// The process's own input and output, as commands use them; tests give their own.
import { exit } from "./exit.ts";
import { printable } from "./output.ts";

export interface Terminal {
  out(text: string): Promise<void>;
  err(text: string): Promise<void>;
  /** Width of the terminal that output goes to; undefined where it goes elsewhere. */
  columns?: number;
  /** Height of the same. */
  rows?: number;
  /** Output goes to a terminal whose cursor can be moved: a picture may be drawn over. */
  live?: boolean;
  /** Output may be coloured. */
  color?: boolean;
  /** Nobody reads the output any more: what does nothing but print may end. */
  unread?: boolean;
  /** Asks without showing what is typed; undefined where nobody can be asked. */
  askSecret?: (prompt: string) => Promise<string | undefined>;
  readInput(): Promise<string>;
  /** What a person must know who presses Ctrl-C now; set while it holds. */
  onInterrupt?: string;
}

export type Env = Record<string, string | undefined>;

export const showCursor = "\u001b[?25h";
export const hideCursor = "\u001b[?25l";

/** @param program the name that it goes by */
export function processTerminal(env: Env, program: string): Terminal {
  // Whoever reads may have seen enough ("| head"): that is no failure, and no reason to leave work undone.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") throw error;
    });
  }
  const write = (stream: NodeJS.WriteStream) => (text: string) =>
    new Promise<void>((resolve) => {
      if (text === "") return resolve();
      stream.write(printable(text, terminal.live ?? false), (error) => {
        if (stream === process.stdout && (error as NodeJS.ErrnoException)?.code === "EPIPE") terminal.unread = true;
        resolve();
      });
    });
  const { isTTY } = process.stdout;
  const dumb = env.TERM === "dumb";
  const terminal: Terminal = {
    out: write(process.stdout),
    err: write(process.stderr),
    get columns() {
      // A terminal that does not know its width says 0.
      return (isTTY && process.stdout.columns) || undefined;
    },
    get rows() {
      return (isTTY && process.stdout.rows) || undefined;
    },
    live: isTTY && !dumb,
    color: isTTY && !dumb && !env.NO_COLOR,
    askSecret: process.stdin.isTTY ? askSecret : undefined,
    readInput: () => Bun.stdin.text(),
  };
  process.on("SIGINT", () => {
    process.stderr.write(`${terminal.live ? showCursor : ""}\n`);
    if (terminal.onInterrupt) process.stderr.write(`${program}: ${terminal.onInterrupt}\n`);
    process.exit(exit.interrupted);
  });
  return terminal;
}

/** Undefined where the person gives up (Ctrl-C, Ctrl-D). */
function askSecret(prompt: string): Promise<string | undefined> {
  const { stdin } = process;
  // First the silence, then the question: somebody may type faster.
  stdin.setRawMode(true);
  stdin.setEncoding("utf8");
  process.stderr.write(printable(prompt, false));
  return new Promise((resolve) => {
    let typed = "";
    const finish = (secret: string | undefined) => {
      stdin.off("data", read);
      stdin.setRawMode(false);
      stdin.pause();
      process.stderr.write("\n");
      resolve(secret);
    };
    const read = (text: string) => {
      for (const character of text) {
        if (character === "\r" || character === "\n") return finish(typed);
        if (character === "\u0003" || character === "\u0004") return finish(undefined);
        if (character === "\u007f" || character === "\b") typed = [...typed].slice(0, -1).join("");
        else if (character === "\u0015") typed = "";
        else if (character >= " ") typed += character;
      }
    };
    stdin.on("data", read).resume();
  });
}
