// The process's own input and output, as commands use them; tests give their own.

export interface Terminal {
  out(text: string): Promise<void>;
  err(text: string): Promise<void>;
  /** Width of the terminal that output goes to; undefined where it goes elsewhere. */
  columns?: number;
  /** Asks without showing what is typed; undefined where nobody can be asked. */
  askSecret?: (prompt: string) => Promise<string | undefined>;
  readInput(): Promise<string>;
}

export function processTerminal(): Terminal {
  // Whoever reads may have seen enough ("| head"): that is no failure.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EPIPE") process.exit(0);
      throw error;
    });
  }
  const write = (stream: NodeJS.WriteStream) => (text: string) =>
    new Promise<void>((resolve) => {
      if (text === "") resolve();
      else stream.write(text, () => resolve());
    });
  return {
    out: write(process.stdout),
    err: write(process.stderr),
    columns: process.stdout.isTTY ? process.stdout.columns : undefined,
    askSecret: process.stdin.isTTY ? askSecret : undefined,
    readInput: () => Bun.stdin.text(),
  };
}

/** Undefined where the person gives up (Ctrl-C, Ctrl-D). */
function askSecret(prompt: string): Promise<string | undefined> {
  process.stderr.write(prompt);
  const { stdin } = process;
  stdin.setRawMode(true);
  stdin.setEncoding("utf8");
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
