import { badRequest, internalError, tooManyRequests } from "./failure.ts";
import type { Json } from "./object.ts";

export interface Fault {
  /** Answer this many milliseconds late. */
  delayMs?: number;
  /** Answer with this failure instead. */
  status?: 429 | 500;
  /** Take the request and never answer it. */
  hang?: boolean;
  /** Only requests whose `METHOD /path` matches this regular expression. */
  match?: string;
  /** Only the next so many requests. */
  times?: number;
}

/** What goes wrong on request. */
export class Faults {
  #fault: Fault | undefined;

  /** Replaces the fault in force; an empty one clears it. */
  set(fault: Fault): void {
    if (fault.status !== undefined && fault.status !== 429 && fault.status !== 500) {
      throw badRequest(`fault status ${fault.status} is not offered: use 429 or 500`);
    }
    try {
      new RegExp(fault.match ?? "");
    } catch (cause) {
      throw badRequest(`fault match ${fault.match} is not a regular expression: ${(cause as Error).message}`);
    }
    this.#fault = Object.keys(fault).length > 0 ? { ...fault } : undefined;
  }

  clear(): void {
    this.#fault = undefined;
  }

  /** Waits or throws as the fault in force says; "hang" means: do not answer. */
  async meet(request: string): Promise<"answer" | "hang"> {
    const fault = this.#fault;
    if (!fault || (fault.match && !new RegExp(fault.match).test(request))) return "answer";
    if (fault.times !== undefined && --fault.times <= 0) this.#fault = undefined;
    if (fault.hang) return "hang";
    if (fault.delayMs) await Bun.sleep(fault.delayMs);
    if (fault.status === 429) throw tooManyRequests();
    if (fault.status === 500) throw internalError("asked for by POST /sandbox/faults");
    return "answer";
  }
}

/** The body of POST /sandbox/faults: a Fault, and orders to the cluster as a whole. */
export interface FaultRequest extends Fault {
  /** Refuse connections for this many milliseconds. */
  downMs?: number;
  /** End all watches and forget the history; older versions get 410 as a watch event or as the HTTP status. */
  expireWatches?: "event" | "http" | boolean;
  clear?: boolean;
}

export const faultOf = ({ downMs: _, expireWatches: __, clear: ___, ...fault }: Json): Fault => fault;
