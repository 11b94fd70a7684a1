// What somebody may have meant who wrote a name that is not known.

/** The known name within two edits (fewer for short ones), or the one that begins or ends with it. */
export function nearest(name: string, names: readonly string[]): string | undefined {
  const limit = Math.min(2, Math.ceil(name.length / 3));
  const wanted = name.toLowerCase();
  let best: { name: string; edits: number } | undefined;
  for (const other of names) {
    // So many letters more or fewer are as many edits: what is long is not looked at letter by letter.
    if (Math.abs(other.length - name.length) > limit) continue;
    const edits = distance(wanted, other.toLowerCase());
    if (edits <= limit && (!best || edits < best.edits)) best = { name: other, edits };
  }
  if (best || wanted.length < 3) return best?.name;
  return names.find((other) => other.toLowerCase().startsWith(wanted) || other.toLowerCase().endsWith(wanted));
}

/** Levenshtein's edit distance. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length]!;
}
