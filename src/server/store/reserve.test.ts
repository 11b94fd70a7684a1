import { expect, test } from "bun:test";
import { isFull } from "./reserve.ts";

test("a full disk is told from a disk that cannot be read", () => {
  const of = (code: string, message = "") => isFull(Object.assign(new Error(message), { code }));
  for (const code of ["SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_SHMSIZE", "ENOSPC", "EDQUOT"]) {
    expect([code, of(code)]).toEqual([code, true]);
  }
  for (const code of ["SQLITE_IOERR_READ", "SQLITE_IOERR", "SQLITE_BUSY", "EACCES", ""]) {
    expect([code, of(code, "disk I/O error")]).toEqual([code, false]);
  }
  expect(of("", "database or disk is full")).toBe(true);
});
