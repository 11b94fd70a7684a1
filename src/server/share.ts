// Identical reads in flight are one call: who asks the same while it is under way is given the same answer. An answer is
// never kept: the next question after it is asked anew.
import { Failed } from "../contract/errors.ts";

interface Flight {
  answer: Promise<unknown>;
  readers: number;
  stop: AbortController;
}

export interface Sharing {
  /**
   * @param run is given a signal that aborts when the last of its readers has left.
   * @throws what `run` throws, or Failed "request.cancelled" for a reader that leaves.
   */
  read<T>(key: string, run: (signal: AbortSignal) => Promise<T>, signal?: AbortSignal): Promise<T>;
  readonly inFlight: number;
}

export function createSharing(): Sharing {
  const flights = new Map<string, Flight>();

  function begin(key: string, run: (signal: AbortSignal) => Promise<unknown>): Flight {
    const stop = new AbortController();
    const flight: Flight = { readers: 0, stop, answer: run(stop.signal) };
    flights.set(key, flight);
    const over = () => {
      if (flights.get(key) === flight) flights.delete(key);
    };
    flight.answer.then(over, over);
    return flight;
  }

  return {
    async read<T>(key: string, run: (signal: AbortSignal) => Promise<T>, signal?: AbortSignal): Promise<T> {
      const flight = flights.get(key) ?? begin(key, run);
      flight.readers++;
      try {
        return (await (signal ? orLeave(flight.answer, signal) : flight.answer)) as T;
      } finally {
        flight.readers--;
        if (flight.readers === 0) {
          if (flights.get(key) === flight) flights.delete(key);
          flight.stop.abort();
        }
      }
    },
    get inFlight() {
      return flights.size;
    },
  };
}

function orLeave(answer: Promise<unknown>, signal: AbortSignal): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const leave = () => reject(new Failed("request.cancelled", {}));
    if (signal.aborted) return leave();
    signal.addEventListener("abort", leave, { once: true });
    answer.then(resolve, reject).finally(() => signal.removeEventListener("abort", leave));
  });
}
