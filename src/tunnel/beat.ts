// How both ends of a tunnel notice that the other's host is gone: the agent beats, the server answers each beat, and who
// hears nothing for three of them takes the other for gone.
//
// The rule: a server takes a thousand beats a second from all its tunnels, and none of them beats more often than every
// 1.5 s or less often than every 30 s. So a lost host is noticed after 4.5 s up to 1,500 tunnels, after 30 s at 10,000,
// and after 90 s at the most. The server says the interval in its welcome and in each answer.

export const quickestMs = 1_500;
export const slowestMs = 30_000;
const beatsPerSecond = 1_000;
const missed = 3;

/** Milliseconds from one beat to the next, where so many tunnels are open. */
export function beatMsFor(tunnels: number): number {
  return Math.min(slowestMs, Math.max(quickestMs, Math.ceil((tunnels / beatsPerSecond) * 1000)));
}

/** Milliseconds of silence after which the other end is gone. */
export function silenceMs(beatMs: number): number {
  return missed * beatMs;
}

/** What an agent says, and what it hears where it does not know more than that. */
export const beat = "beat";

/** "beat 1500": the answer, with the interval from now on. */
export function beatAnswer(beatMs: number): string {
  return `${beat} ${beatMs}`;
}

/** The interval in an answer; undefined for what is none, 0 for one without an interval. */
export function beatIn(text: string): number | undefined {
  if (text === beat) return 0;
  const said = /^beat (\d{1,6})$/.exec(text)?.[1];
  return said === undefined ? undefined : Number(said);
}
