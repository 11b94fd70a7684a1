// What a change changes.
import { say } from "../words/words.ts";
import type { PageContext } from "./parts.tsx";

/** Lines that go and lines that come; the sign is part of the text. */
export function Diff({
  ctx,
  changes,
}: {
  ctx: PageContext;
  changes: readonly { path: string; before: string; after: string }[];
}) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls sideways must be reachable by keyboard
    <div class="diff" tabIndex={0} role="group" aria-label={say(ctx.lang, "diff")}>
      {changes.map(({ path, before, after }) => (
        <>
          <span class="hunk">{path}</span>
          {before !== "" && <del>{`-  ${plain(before)}`}</del>}
          {after !== "" && <ins>{`+  ${plain(after)}`}</ins>}
        </>
      ))}
    </div>
  );
}

/** A change's JSON text as a person writes it: "3", registry/web:1 without quotes. */
export function plain(json: string): string {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === "string" ? value : json;
  } catch {
    // Not JSON: an agent of another version; its text is still worth showing.
    return json;
  }
}
