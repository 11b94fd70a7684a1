import { expect, test } from "bun:test";
import fc from "fast-check";
import { clean, cut, paint, printable, table, wrap } from "./output.ts";

// Every UTF-16 unit, halves of pairs too.
const anyText = fc.array(fc.nat(0xffff)).map((units) => String.fromCharCode(...units));

const columns = [
  { head: "name", value: ([name]: string[]) => name ?? "", flexible: true },
  { head: "n", value: ([, n]: string[]) => n ?? "", right: true },
  { head: "note", value: ([, , note]: string[]) => note ?? "", flexible: true },
];

test("columns line up by display width, also with wide characters", () => {
  const text = table(
    [
      ["部署", "1", "x"],
      ["web", "10", "y"],
    ],
    columns,
  );
  expect(text).toBe("NAME   N  NOTE\n部署   1  x\nweb   10  y\n");
});

test("a column that is empty in every row is left out", () => {
  expect(table([["a", "", "b"]], columns)).toBe("NAME  NOTE\na     b\n");
});

test("no line is wider than the terminal, and a pipe gets every character", () => {
  fc.assert(
    fc.property(fc.array(fc.array(fc.string({ unit: "grapheme" }), { minLength: 3, maxLength: 3 })), (rows) => {
      const narrow = rows.map((line) => [line[0]!, "1", line[2]!]);
      for (const line of table(narrow, columns, { columns: 40 }).split("\n")) {
        expect(Bun.stringWidth(line)).toBeLessThanOrEqual(40);
      }
    }),
    { numRuns: 300 },
  );
  const long = "x".repeat(300);
  expect(table([[long, "1", long]], columns)).toContain(long);
});

test("text is cut between characters that people see", () => {
  expect(cut("👩‍👩‍👧‍👦abcdef", 4)).toBe("👩‍👩‍👧‍👦a…");
  expect(cut("部署部署", 5)).toBe("部署…");
  expect(cut("abc", 3)).toBe("abc");
});

test("cleaning leaves one line without anything a terminal obeys", () => {
  fc.assert(
    fc.property(anyText, (text) => {
      expect(clean(text)).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/);
    }),
    { numRuns: 300 },
  );
});

test("wrapped lines are no wider than asked for, lose nothing, and begin with no mark that ends something", () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom("部署", "，", "（", "）", "web", " ", "x".repeat(30), "a-b ")), (parts) => {
      const text = parts.join("");
      const lines = wrap(text, 12);
      for (const line of lines) expect(Bun.stringWidth(line)).toBeLessThanOrEqual(12);
      expect(lines.join("").replaceAll(" ", "")).toBe(text.replaceAll(" ", ""));
    }),
    { numRuns: 300 },
  );
  expect(wrap("只取一页，最多这么多条", 8)).toEqual(["只取一", "页，最多", "这么多条"]);
  expect(wrap("否则用 LIZARDCD_TOKEN，再否则", 20)).toEqual(["否则用", "LIZARDCD_TOKEN，再否", "则"]);
});

test("nothing that a terminal obeys passes its door, but our own colours where it is drawn on", () => {
  const evil = "\u001b]0;title\u0007\u001b[2Ja\r\u202eb\u009b31m\tc\n";
  expect(printable(evil, false)).toBe("]0;title[2Jab31m\tc\n");
  expect(printable(evil, true)).toBe("]0;title[2Jab31m\tc\n");
  const own = `${paint("ok", "good")}${paint("x", "quiet")}\u001b[?25l\u001b[3A\u001b[0J\u001b[?25h`;
  expect(printable(own, true)).toBe(own);
  expect(printable(own, false)).not.toContain("\u001b");
});
