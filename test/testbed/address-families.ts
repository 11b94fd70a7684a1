/**
 * Becomes another program that systemd would run with RestrictAddressFamilies=: sockets of other families are refused.
 * `bun address-families.ts "AF_INET AF_UNIX" PROGRAM ARGUMENTS…`; Linux alone.
 */
import { dlopen, FFIType, ptr } from "bun:ffi";

const families: Record<string, number> = { AF_UNIX: 1, AF_INET: 2, AF_INET6: 10, AF_NETLINK: 16 };
/** How the kernel calls this machine, and socket(2) on it. */
const machine = { x64: [0xc000003e, 41], arm64: [0xc00000b7, 198] }[process.arch as "x64" | "arm64"];
if (!machine) throw new Error(`not known for ${process.arch}`);
const [architecture, socket] = machine as [number, number];

const [names = "", program = "", ...rest] = process.argv.slice(2);
const allowed = names.split(" ").map((name) => families[name] ?? fail(`${name} is not known here`));

// A classic BPF program over struct seccomp_data { int nr; u32 arch; u64 ip; u64 args[6] }.
const [load, jumpIfEqual, give] = [0x20, 0x15, 0x06];
const allow = 0x7fff0000;
const notSupported = 0x00050000 | 97;
const words: [code: number, ifTrue: number, ifFalse: number, value: number][] = [
  [load, 0, 0, 4],
  [jumpIfEqual, 1, 0, architecture],
  [give, 0, 0, allow],
  [load, 0, 0, 0],
  [jumpIfEqual, 1, 0, socket],
  [give, 0, 0, allow],
  [load, 0, 0, 16],
  ...allowed.map((family, index): (typeof words)[number] => [jumpIfEqual, allowed.length - index, 0, family]),
  [give, 0, 0, notSupported],
  [give, 0, 0, allow],
];
const code = new DataView(new ArrayBuffer(words.length * 8));
for (const [index, [operation, ifTrue, ifFalse, value]] of words.entries()) {
  code.setUint16(index * 8, operation, true);
  code.setUint8(index * 8 + 2, ifTrue);
  code.setUint8(index * 8 + 3, ifFalse);
  code.setUint32(index * 8 + 4, value, true);
}
const filter = new DataView(new ArrayBuffer(16));
filter.setUint16(0, words.length, true);
filter.setBigUint64(8, BigInt(ptr(code.buffer)), true);

const { symbols: libc } = dlopen(process.platform === "linux" ? "libc.so.6" : fail("Linux alone"), {
  prctl: { args: [FFIType.i32, FFIType.u64, FFIType.u64, FFIType.u64, FFIType.u64], returns: FFIType.i32 },
  execv: { args: [FFIType.ptr, FFIType.ptr], returns: FFIType.i32 },
});
const [noNewPrivileges, seccomp, byFilter] = [38, 22, 2];
if (libc.prctl(noNewPrivileges, 1, 0, 0, 0) !== 0) fail("the kernel keeps no promise of fewer rights");
if (libc.prctl(seccomp, byFilter, BigInt(ptr(filter.buffer)), 0, 0) !== 0) fail("the kernel takes no filter");
// The filter is this thread's, and so the whole new program's.
const texts = [program, ...rest].map((text) => Buffer.from(`${text}\0`));
const pointers = new BigUint64Array([...texts.map((text) => BigInt(ptr(text))), 0n]);
libc.execv(ptr(texts[0]!), ptr(pointers));
fail(`${program} cannot be run`);

function fail(why: string): never {
  throw new Error(why);
}
