// A map of what is nearly always one thing: the instances of a key, the addresses of an agent. A Map for each would take
// half a kilobyte, ten thousand times.

/** As a Map of strings, which may stand in for it. */
export interface Few<V> extends Iterable<[string, V]> {
  readonly size: number;
  get(key: string): V | undefined;
  has(key: string): boolean;
  set(key: string, value: V): unknown;
  delete(key: string): boolean;
  keys(): Iterable<string>;
  values(): Iterable<V>;
}

export function createFew<V>(): Few<V> {
  return new OneOrMore<V>();
}

class OneOrMore<V> implements Few<V> {
  #key: string | undefined;
  #value: V | undefined;
  /** Holds all of them, where there are several. */
  #several: Map<string, V> | undefined;

  get size(): number {
    return this.#several?.size ?? (this.#key === undefined ? 0 : 1);
  }

  get(key: string): V | undefined {
    if (this.#several) return this.#several.get(key);
    return this.#key === key ? this.#value : undefined;
  }

  has(key: string): boolean {
    return this.#several?.has(key) ?? this.#key === key;
  }

  set(key: string, value: V): void {
    if (this.#several) {
      this.#several.set(key, value);
    } else if (this.#key === undefined || this.#key === key) {
      this.#key = key;
      this.#value = value;
    } else {
      this.#several = new Map([[this.#key, this.#value as V]]).set(key, value);
      this.#key = undefined;
      this.#value = undefined;
    }
  }

  delete(key: string): boolean {
    if (!this.has(key)) return false;
    if (!this.#several) {
      this.#key = undefined;
      this.#value = undefined;
      return true;
    }
    this.#several.delete(key);
    if (this.#several.size > 1) return true;
    [[this.#key, this.#value]] = this.#several as unknown as [[string, V]];
    this.#several = undefined;
    return true;
  }

  keys(): Iterable<string> {
    return this.#several?.keys() ?? (this.#key === undefined ? [] : [this.#key]);
  }

  values(): Iterable<V> {
    return this.#several?.values() ?? (this.#key === undefined ? [] : [this.#value as V]);
  }

  [Symbol.iterator](): Iterator<[string, V]> {
    return (this.#several ?? (this.#key === undefined ? [] : [[this.#key, this.#value as V] as [string, V]]))[
      Symbol.iterator
    ]();
  }
}
