// Loaded before a program: its clock is off by so many milliseconds. Timers and TLS keep the machine's time.
const off = Number(process.env.LIZARDCD_TEST_CLOCK_OFF);
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
