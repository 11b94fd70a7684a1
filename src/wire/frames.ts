// How gRPC puts messages one after the other: whether it is compressed in one byte, its length in four, itself.
const headBytes = 5;

export function framed(message: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(headBytes + message.length);
  bytes[0] = 0;
  bytes.writeUInt32BE(message.length, 1);
  bytes.set(message, headBytes);
  return bytes;
}

export interface Refusals {
  compressed(): Error;
  tooLarge(bytes: number): Error;
}

/**
 * Cuts what arrives into messages.
 * @param most bytes of one message
 * @throws what `refused` makes, for one that is too large, or compressed
 */
export function frames(most: number, refused: Refusals): (chunk: Buffer) => Generator<Uint8Array> {
  let rest: Buffer[] = [];
  let held = 0;

  return function* (chunk) {
    rest.push(chunk);
    held += chunk.length;
    while (held >= headBytes) {
      if (rest[0]!.length < headBytes) rest = [Buffer.concat(rest)];
      const head = rest[0]!;
      if (head[0] !== 0) throw refused.compressed();
      const length = head.readUInt32BE(1);
      if (length > most) throw refused.tooLarge(length);
      if (held < headBytes + length) return;
      const all = rest.length === 1 ? head : Buffer.concat(rest);
      const end = headBytes + length;
      rest = all.length > end ? [all.subarray(end)] : [];
      held -= end;
      yield all.subarray(headBytes, end);
    }
  };
}
