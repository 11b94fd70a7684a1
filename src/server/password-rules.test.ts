import { describe, expect, test } from "bun:test";
import type { Failed } from "../contract/errors.ts";
import { checkNewPassword } from "./password-rules.ts";
import { hashPassword, isPassword, nobodysHash } from "./passwords.ts";

const oldPassword = "the old one, long ago";
const verdict = (password: string, username = "admin") => {
  try {
    checkNewPassword(password, { username, oldPassword });
    return "taken";
  } catch (cause) {
    return (cause as Failed).code;
  }
};

describe("a new password", () => {
  const cases: [verdict: string, ...passwords: string[]][] = [
    [
      "taken",
      "correct horse battery staple",
      "tresor im alten turm",
      "一只蜥蜴在墙上晒太阳看着云慢慢走",
      "🦎🌵🏜️🌞🌙⭐️🌈🔥💧🍀🌊🍄🐚",
      "kq8-vn2-zt5-xw7",
      "aaaaaaaaaaaaaaaa but then it goes on",
      "9384 2837 4756 love",
      `${"x".repeat(20)}yzabq kwpto`,
      `${"a long sentence, ".repeat(3)}${"of 1000 words ".repeat(60)}`,
    ],
    ["password.short", "short", "exactly 14 ch.", "é".repeat(14), "🦎🌵🌞🌙⭐🌈🔥💧🍀🌊🦎🌵🌞🌙"],
    ["password.blank", " ".repeat(20), "\t\n \u00a0\u3000".repeat(5), ""],
    ["password.same", oldPassword],
    [
      "password.repeated",
      "a".repeat(20),
      "abababababababab",
      "abc123abc123abc123",
      "777777788888888",
      "1234567890123456",
    ],
    [
      "password.repeated",
      "qwertyuiopasdfgh",
      "1qaz2wsx3edc4rfv",
      "abcdefghijklmnop",
      "zyxwvutsrqponmlkj",
      "qwertzuiop123456",
    ],
    [
      "password.expected",
      "lizardcd-lizardcd",
      "Lizardcd Server 2026",
      "admin.of.cluster",
      "my-kubernetes-cluster",
      "L1zardCD-P@ssw0rd",
    ],
    [
      "password.common",
      "passwordpassword",
      "Password12345678",
      "iloveyouiloveyou",
      "football!!!!!!!!!",
      "polniypizdec0211",
      "123456789dragon",
    ],
  ];
  for (const [expected, ...passwords] of cases) {
    for (const password of passwords) {
      test(`${expected}: ${password.trim().slice(0, 40)}`, () => expect(verdict(password)).toBe(expected));
    }
  }

  test("is not the user's own name again and again", () => {
    expect(verdict("wilhelmina wilhelmina", "wilhelmina")).toBe("password.expected");
    expect(verdict("wilhelmina von der alm", "wilhelmina")).toBe("taken");
  });

  test("is the same however the keyboard composed it", () => {
    expect(verdict("ｔｈｅ　ｏｌｄ　ｏｎｅ，　ｌｏｎｇ　ａｇｏ")).toBe("password.same");
    expect(verdict("e\u0301".repeat(14))).toBe("password.short");
  });

  test("is never told back", () => {
    for (const password of ["secret-12", "abababababababab", "Password12345678", "lizardcd-lizardcd"]) {
      try {
        checkNewPassword(password, { username: "admin", oldPassword });
        expect.unreachable();
      } catch (cause) {
        const { message, params } = cause as Failed;
        expect(`${message} ${JSON.stringify(params)}`).not.toContain(password);
      }
    }
  });
});

describe("hashes", () => {
  test("are right for the same characters, however they were composed, and for nothing else", async () => {
    const hash = await hashPassword("Ａlpenstraße Café 2026");
    expect(await isPassword("Alpenstraße Cafe\u0301 2026", hash)).toBe(true);
    expect(await isPassword("Alpenstrasse Café 2026", hash)).toBe(false);
  });

  test("of older versions, made of what was typed, hold", async () => {
    const typed = "Cafe\u0301 am Rathaus";
    const hash = await Bun.password.hash(typed, { algorithm: "argon2id", memoryCost: 1024, timeCost: 2 });
    expect(await isPassword(typed, hash)).toBe(true);
  });

  test("of nobody cost what everybody's do, so that the time to answer names no users", async () => {
    const cost = (hash: string) => hash.split("$").slice(0, 4).join("$");
    expect(cost(nobodysHash)).toBe(cost(await hashPassword("whatever it may be")));
    expect(await isPassword("whatever it may be", nobodysHash)).toBe(false);
  });
});
