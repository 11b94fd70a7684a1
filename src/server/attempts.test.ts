import { beforeEach, describe, expect, test } from "bun:test";
import { Failed } from "../contract/errors.ts";
import { type Attempts, createAttempts } from "./attempts.ts";

let time = 0;
let checked = 0;
let attempts: Attempts;

beforeEach(() => {
  time = 0;
  checked = 0;
  attempts = createAttempts({ now: () => time });
});

const said = (asked: Promise<boolean>) =>
  asked.then(
    (right) => (right ? "right" : "wrong"),
    (cause) => (cause as Failed).code,
  );
const guess = (right: boolean, from = "203.0.113.5", username = "admin") =>
  said(
    attempts.check(username, from, async () => {
      checked++;
      await Bun.sleep(1);
      return right;
    }),
  );
const counted = (answers: string[]) => Object.groupBy(answers, (answer) => answer);

describe("guesses of one name from one address", () => {
  test("sent at once are no more than guesses sent one by one", async () => {
    const answers = await Promise.all(Array.from({ length: 200 }, () => guess(false)));
    const { wrong = [], "login.too_many": refused = [] } = counted(answers);
    expect([wrong.length, refused.length, checked]).toEqual([5, 195, 5]);
  });

  test("wait from the fifth failure on, twice as long each time, a quarter of an hour at most", async () => {
    for (let failure = 0; failure < 4; failure++) expect(await guess(false)).toBe("wrong");
    const waits: number[] = [];
    for (let failure = 0; failure < 13; failure++) {
      expect(await guess(false)).toBe("wrong");
      const refused = await attempts.check("admin", "203.0.113.5", async () => true).catch((cause) => cause);
      waits.push(refused.params.seconds);
      time += refused.params.seconds * 1000 - 1;
      expect(await guess(true)).toBe("login.too_many");
      time += 1;
    }
    expect(waits).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]);
  });

  test("are forgotten when the right password comes, and after an hour of quiet", async () => {
    const quiet = () => {
      time += 60 * 60_000;
    };
    for (const pass of [() => guess(true), quiet]) {
      for (let failure = 0; failure < 4; failure++) await guess(false);
      await pass();
      for (let failure = 0; failure < 4; failure++) expect(await guess(false)).toBe("wrong");
      expect(await guess(true)).toBe("right");
      time += 60 * 60_000;
    }
  });

  test("wait from the answer on, however long the check took", async () => {
    const slow = (right: boolean) =>
      said(
        attempts.check("admin", "203.0.113.5", async () => {
          time += 5_000;
          return right;
        }),
      );
    for (let failure = 0; failure < 5; failure++) expect(await slow(false)).toBe("wrong");
    expect(await slow(true)).toBe("login.too_many");
    time += 1_000;
    expect(await slow(true)).toBe("right");
  });

  test("do not count where the store does not answer", async () => {
    for (let failure = 0; failure < 10; failure++) {
      const asked = attempts.check("admin", "203.0.113.5", () => Promise.reject(new Error("disk is full")));
      expect(await asked.catch((cause) => cause.message)).toBe("disk is full");
    }
    expect(await guess(true)).toBe("right");
  });
});

test("one address has twenty failures for all names together, then it waits", async () => {
  for (let failure = 0; failure < 20; failure++)
    expect(await guess(false, "203.0.113.5", `user-${failure}`)).toBe("wrong");
  expect(await guess(true, "203.0.113.5", "another")).toBe("login.too_many");
  expect(await guess(true, "203.0.113.6", "another")).toBe("right");
  time += 1_000;
  expect(await guess(false, "203.0.113.5", "user-21")).toBe("wrong");
  time += 1_999;
  expect(await guess(true, "203.0.113.5", "another")).toBe("login.too_many");
});

test("the addresses of one IPv6 network are one", async () => {
  for (let failure = 0; failure < 5; failure++) await guess(false, `2001:db8:1:2::${failure}`);
  expect(await guess(true, "2001:db8:1:2:ffff::1")).toBe("login.too_many");
  expect(await guess(true, "2001:db8:1:3::1")).toBe("right");
});

test("whoever has failed nothing is let in with the right password, however many others guess that name", async () => {
  for (let address = 0; address < 200; address++) await guess(false, `198.51.100.${address}`);
  // Those who have guessed wrong once wait together, a minute at most.
  expect(await guess(true, "198.51.100.7")).toBe("login.too_many");
  expect(await guess(true, "203.0.113.5")).toBe("right");
  time += 60_000;
  expect(await guess(true, "198.51.100.7")).toBe("right");
});

test("a right password takes back no failures of other names from that address", async () => {
  for (let failure = 0; failure < 19; failure++) {
    await guess(false, "203.0.113.5", `user-${failure}`);
    expect(await guess(true, "203.0.113.5", "mallory")).toBe("right");
  }
  await guess(false, "203.0.113.5", "user-20");
  expect(await guess(true, "203.0.113.5", "mallory")).toBe("login.too_many");
});

describe("checks of passwords", () => {
  const held: (() => void)[] = [];
  const hold = (from: string) =>
    said(attempts.check("admin", from, () => new Promise((resolve) => held.push(() => resolve(true)))));
  const release = async () => {
    for (let turn = 0; turn < 100; turn++) {
      for (const go of held.splice(0)) go();
      await Bun.sleep(0);
    }
  };

  test("run two at once, one of each address", async () => {
    const answers = ["203.0.113.1", "203.0.113.1", "203.0.113.2", "203.0.113.3"].map(hold);
    await Bun.sleep(0);
    expect(held.length).toBe(2);
    held.shift()!();
    await answers[0];
    await Bun.sleep(0);
    // The third address had its turn before the first one's second.
    expect(held.length).toBe(2);
    await release();
    expect(await Promise.all(answers)).toEqual(["right", "right", "right", "right"]);
  });

  test("beyond those that may wait are refused at once: sixteen of one address, sixty-four in all", async () => {
    const one = Array.from({ length: 20 }, () => hold("203.0.113.1"));
    const others = Array.from({ length: 60 }, (_, index) => hold(`198.51.100.${index}`));
    await release();
    const [mine, theirs] = [counted(await Promise.all(one)), counted(await Promise.all(others))];
    // The address that waits for most gives up its last places to those that wait for one.
    expect([mine.right?.length, mine["login.too_many"]?.length, mine["login.busy"]?.length]).toEqual([6, 3, 11]);
    expect([theirs.right?.length, theirs["login.busy"]?.length]).toEqual([60, undefined]);
  });
});

test("a refused guess names the user and says how long to wait, a queue that is full says a second", async () => {
  const refusal = (asked: Promise<boolean>) => asked.catch((cause) => cause as Failed);
  for (let count = 0; count < 5; count++) await guess(false);
  const waits = (await refusal(attempts.check("admin", "203.0.113.5", async () => true))) as Failed;
  expect([waits.code, waits.params, waits.object]).toEqual(["login.too_many", { seconds: 1 } as never, "admin"]);

  const full = createAttempts({ now: () => time, atOnce: 1, mostWaiting: 1, mostWaitingEach: 1 });
  let go = () => {};
  const holds = full.check("admin", "192.0.2.1", () => new Promise((resolve) => (go = () => resolve(true))));
  const waiting = full.check("admin", "192.0.2.1", async () => true);
  const same = (await refusal(full.check("admin", "192.0.2.1", async () => true))) as Failed;
  const other = (await refusal(full.check("admin", "192.0.2.2", async () => true))) as Failed;
  expect([same.code, same.params]).toEqual(["login.too_many", { seconds: 1 } as never]);
  expect([other.code, other.params]).toEqual(["login.busy", { seconds: 1 } as never]);
  go();
  expect(await Promise.all([holds, waiting])).toEqual([true, true]);
});

test("a refused attempt says so as 429, a server that is busy as 503", () => {
  expect(new Failed("login.too_many", { seconds: 1 }).http).toBe(429);
  expect(new Failed("login.busy", { seconds: 1 }).http).toBe(503);
});

test("networks that fill the queue keep nobody out who waits for less", async () => {
  const crowd = ["203.0.113.1", "203.0.113.2", "203.0.113.3", "203.0.113.4"];
  const guesses = crowd.flatMap((from) => Array.from({ length: 20 }, (_, at) => guess(false, from, `name-${at}`)));
  expect(await guess(true, "198.51.100.7")).toBe("right");
  expect(counted(await Promise.all(guesses))["login.busy"]?.length).toBeGreaterThan(0);
});
