import { expect, test } from "bun:test";
import { eventually } from "../../test/harness.ts";
import { keepMemorySmall } from "./memory.ts";

const mb = 1024 * 1024;

test("memory that has grown is collected, and once more when it rests, as it is after the start", async () => {
  const world = { held: 100 * mb, looks: 0, collections: "" };
  const stop = keepMemorySmall({
    resident() {
      world.looks++;
      return world.held;
    },
    collectBeside() {
      world.collections += "beside ";
      world.held = 160 * mb;
    },
    collectAll() {
      world.collections += "all ";
      world.held = 140 * mb;
    },
    everyMs: 1,
  });
  /** Several looks later. */
  const later = async () => {
    const { looks } = world;
    await eventually(
      () => world.looks,
      (now) => now > looks + 5,
    );
    return world.collections;
  };
  expect(await later()).toBe("all ");
  // What is in use now is where growth begins.
  world.held = 155 * mb;
  expect(await later()).toBe("all ");
  world.held = 300 * mb;
  expect(await later()).toBe("all beside all ");
  stop();
});
