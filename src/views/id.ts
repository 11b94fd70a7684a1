// Element ids for objects, the same on every page and in every stream message.

/**
 * An element id for an object: "<noun>-<key>", its parts joined by "_", which no name of Kubernetes has. The same words
 * stand in the row's link, so compressed it costs half of what a hash does.
 */
export function objectId(noun: string, ...key: string[]): string {
  return `${noun}-${key.every(isPlain) ? key.join("_") : `_${hash(key.join("/"))}`}`;
}

/** May stand in a selector as it is. */
function isPlain(part: string): boolean {
  return /^[a-z0-9][-a-z0-9]*$/.test(part);
}

// 36 bits in six signs: two of 1,000 such rows meet once in 140,000 pages.
function hash(text: string): string {
  let a = 0xdeadbeef;
  let b = 0x41c6ce57;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    a = Math.imul(a ^ c, 2654435761);
    b = Math.imul(b ^ c, 1597334677);
  }
  a = Math.imul(a ^ (a >>> 16), 2246822507) ^ Math.imul(b ^ (b >>> 13), 3266489909);
  b = Math.imul(b ^ (b >>> 16), 2246822507) ^ Math.imul(a ^ (a >>> 13), 3266489909);
  let bits = (b & 0xf) * 2 ** 32 + (a >>> 0);
  let out = "";
  for (let i = 0; i < 6; i++) {
    out += signs[bits % 64];
    bits = Math.floor(bits / 64);
  }
  return out;
}

const signs = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
