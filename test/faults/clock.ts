// Loaded before a program: its clock is off by so many milliseconds, from the start or, with LIZARDCD_TEST_CLOCK_JUMP,
// from SIGUSR2 on. Timers and TLS keep the machine's time.
let off = Number(process.env.LIZARDCD_TEST_CLOCK_OFF ?? 0);
const jump = Number(process.env.LIZARDCD_TEST_CLOCK_JUMP ?? 0);
if (jump) {
  process.on("SIGUSR2", () => {
    off += jump;
    process.stderr.write(`the clock has jumped: ${new Date().toISOString()}\n`);
  });
}
const True = Date;

globalThis.Date = class extends True {
  constructor(...given: unknown[]) {
    if (given.length === 0) super(True.now() + off);
    else super(...(given as [number]));
  }

  static override now(): number {
    return True.now() + off;
  }
} as DateConstructor;
