import { afterEach, expect, jest, test } from "bun:test";
import { keepMemorySmall } from "./memory.ts";

const mb = 1024 * 1024;
const stops: (() => void)[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop();
  jest.useRealTimers();
});

test("memory that has grown is collected when it rests, and again until nothing more is freed", () => {
  const world = running(100 * mb);
  world.looks(20);
  expect(world.collected).toEqual([100]);
  world.held = 105 * mb;
  world.looks(20);
  expect(world.collected).toEqual([100]);

  // It grows, rests, and only a while after the first collection all of it is free.
  world.frees = [30 * mb, 15 * mb];
  world.held = 130 * mb;
  world.looks(1);
  world.held = 160 * mb;
  world.looks(1);
  expect(world.collected).toEqual([100]);
  world.looks(8);
  world.busy = false;
  world.looks(22);
  expect(world.collected).toEqual([100, 160, 130, 115]);
  // Whoever is served waits for the large one alone; nobody waits for the last.
  expect(world.how).toEqual(["beside", "at once", "beside", "at once"]);
});

test("memory that grows without rest is collected all the same once it is half as much again", () => {
  const world = running(100 * mb);
  world.looks(20);
  world.frees = [60 * mb];
  for (let look = 0; look < 7; look++) {
    world.held += 10 * mb;
    world.looks(1);
  }
  expect(world.collected).toEqual([100, 170]);
});

test("many closed connections are collected before anything has grown, and few are left to the next look", () => {
  const world = running(100 * mb);
  world.looks(20);
  for (let closed = 0; closed < 499; closed++) world.closed();
  world.looks(20);
  expect(world.how).toEqual(["beside"]);
  world.closed();
  world.looks(1);
  expect(world.how).toEqual(["beside", "at once"]);
  for (let closed = 0; closed < 499; closed++) world.closed();
  world.looks(20);
  expect(world.how).toEqual(["beside", "at once"]);
});

/** A process whose collections free what is said, and whose time passes look by look. */
function running(held: number) {
  jest.useFakeTimers();
  const world = {
    held,
    frees: [] as number[],
    /** What was held at each collection, MB. */
    collected: [] as number[],
    how: [] as string[],
    busy: true,
    closed: () => {},
    looks: (count: number) => jest.advanceTimersByTime(count * 1_000),
  };
  const collect = (how: string) => {
    world.how.push(how);
    world.collected.push(world.held / mb);
    world.held -= world.frees.shift() ?? 0;
  };
  const memory = keepMemorySmall({ resident: () => world.held, collect, busy: () => world.busy });
  stops.push(memory.stop);
  world.closed = memory.closed;
  return world;
}
