import { encodeList } from "./encoding.ts";
import { badRequest, expired, Failure } from "./failure.ts";
import type { Stored } from "./object.ts";
import { qualified, type Resource } from "./resource.ts";
import { fieldMatcher, labelMatcher } from "./selector.ts";
import type { Store } from "./store.ts";

const goneToken =
  "The provided continue parameter is too old to display a consistent list result. You can start a new list without " +
  "the continue parameter.";

/** Lists in pages: every page of one list is of the revision its first page had. */
export class Lists {
  #snapshots = new Map<string, Stored[]>();

  constructor(readonly store: Store) {}

  /** The list as JSON text. */
  list(resource: Resource, namespace: string | undefined, query: URLSearchParams): string {
    const labels = labelMatcher(query.get("labelSelector"));
    const fields = fieldMatcher(resource, query.get("fieldSelector"));
    const matches = (object: Stored) => (!labels || labels(object)) && (!fields || fields(object));
    const limit = Number(query.get("limit") ?? 0);
    const place = `${qualified(resource)}/${namespace ?? "*"}`;
    const token = query.get("continue");
    const { revision, after } = token ? readToken(token) : { revision: this.#revision(query), after: "" };
    const all = token ? this.#snapshots.get(`${place}@${revision}`) : this.store.list(resource, namespace);
    if (!all) throw expired(goneToken);

    const items: Stored[] = [];
    let next = after ? all.findIndex((object) => keyOf(object) === after) + 1 : 0;
    for (; next < all.length && (!limit || items.length < limit); next++)
      if (matches(all[next]!)) items.push(all[next]!);
    const left = all.length - next;
    if (left === 0) return encodeList(resource, { resourceVersion: String(revision) }, items);
    this.#keep(`${place}@${revision}`, all);
    const metadata = {
      resourceVersion: String(revision),
      continue: writeToken(revision, keyOf(all[next - 1]!)),
      // With a selector the server cannot know how many of the rest will match.
      ...(!labels && !fields && { remainingItemCount: left }),
    };
    return encodeList(resource, metadata, items);
  }

  /** Forgets the pages: every continue token is expired from now on. */
  compact(): void {
    this.#snapshots.clear();
  }

  #revision(query: URLSearchParams): number {
    const asked = query.get("resourceVersion") || "0";
    if (!/^\d+$/.test(asked))
      throw badRequest(
        `invalid resource version: resourceVersion: Invalid value: "${asked}": strconv.ParseUint: parsing "${asked}": invalid syntax`,
      );
    const { revision } = this.store;
    if (Number(asked) > revision) {
      throw new Failure(504, "Timeout", `Timeout: Too large resource version: ${asked}, current: ${revision}`, {
        causes: [{ reason: "ResourceVersionTooLarge", message: "Too large resource version" }],
        retryAfterSeconds: 1,
      });
    }
    if (query.get("resourceVersionMatch") === "Exact" && Number(asked) !== revision) {
      throw expired(`The resourceVersion for the provided list is too old.`);
    }
    return revision;
  }

  #keep(id: string, all: Stored[]): void {
    this.#snapshots.delete(id);
    this.#snapshots.set(id, all);
    if (this.#snapshots.size > 16) this.#snapshots.delete(this.#snapshots.keys().next().value!);
  }
}

const keyOf = ({ metadata }: Stored) => `${metadata.namespace ?? ""}/${metadata.name}`;

const writeToken = (rv: number, start: string) =>
  Buffer.from(JSON.stringify({ v: "meta.k8s.io/v1", rv, start })).toString("base64url");

function readToken(token: string): { revision: number; after: string } {
  try {
    const { rv, start } = JSON.parse(Buffer.from(token, "base64url").toString());
    return { revision: rv, after: start };
  } catch {
    throw badRequest("invalid continue token: continue key is not valid");
  }
}
