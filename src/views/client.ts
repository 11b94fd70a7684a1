// The browser's part: ages that go on, keys, toasts, dialogs for browsers that lack their attribute, and telling when
// the live connection is gone. Everything it adds is an addition: without it links and forms still work.
import { age, duration, type Lang } from "../words/age.ts";

const root = document.documentElement;
root.classList.add("js");
const lang: Lang = root.lang.startsWith("zh") ? "zh" : "en";
// What the server's clock says more than ours did when the page came in. Ages are counted from its stamps by our clock.
const [arrival] = performance.getEntriesByType("navigation") as PerformanceNavigationTiming[];
const ahead = Number(root.dataset.now) - (performance.timeOrigin + (arrival?.responseStart ?? performance.now()));

interface Htmx {
  trigger(element: Element, name: string): void;
}
declare const htmx: Htmx;

const byId = (id: string) => document.getElementById(id);
const all = <E extends Element>(selector: string, within: ParentNode = document) =>
  within.querySelectorAll<E>(selector);

// ---- ages ----

function tick() {
  if (document.hidden) return;
  const now = Date.now() + ahead;
  for (const element of all<HTMLTimeElement>("time[data-t]")) {
    // A page that was long on its way is behind the stream; nothing is younger than now, and only -1 means never.
    const ms = Math.max(0, now - Number(element.dataset.t) * 1000);
    const text = element.dataset.bare === undefined ? age(lang, ms) : duration(lang, ms);
    if (element.textContent !== text) element.textContent = text;
    if (element.className === "age" && element.dataset.a !== "lost") {
      if (ms > 60_000) element.dataset.a = "old";
      else delete element.dataset.a;
    }
  }
}

// A stream message "ages" says anew when each cluster was last confirmed: one number, not a thousand rows.
// A place that shows several ages is given them in their order.
function confirm(stamps: { [name: string]: number | (number | null)[] }) {
  const put = (element: HTMLElement | null | undefined, stamp: number | null | undefined) => {
    if (element && typeof stamp === "number" && element.dataset.a !== "lost") element.dataset.t = String(stamp);
  };
  const set = (element: HTMLElement | null, cluster: string | undefined | null) => {
    const stamp = cluster ? stamps[cluster] : undefined;
    if (!Array.isArray(stamp)) put(element, stamp);
  };
  for (const place of all<HTMLElement>("[data-c]")) {
    const given = stamps[place.dataset.c!];
    if (given === undefined) continue;
    const times = all<HTMLElement>("time.age", place);
    for (const [index, stamp] of [given].flat().entries()) put(times[index], stamp);
  }
  for (const row of all<HTMLTableRowElement>("#rows > tr[data-k]:not([data-k=lost], [data-k=stale])")) {
    set(row.querySelector<HTMLElement>("time.age"), row.cells[3]?.querySelector("a")?.textContent);
  }
  tick();
}

setInterval(tick, 1000);
document.addEventListener("visibilitychange", tick);
document.addEventListener("ages", (event) => {
  const { data } = (event as CustomEvent<{ data?: string }>).detail;
  if (data) confirm(JSON.parse(data));
});

// ---- live connection ----

const patience = 15_000;
let silent: number | undefined;

function lost() {
  silent ??= window.setTimeout(() => byId("offline")?.removeAttribute("hidden"), patience);
}
function found() {
  clearTimeout(silent);
  silent = undefined;
  byId("offline")?.setAttribute("hidden", "");
}
document.addEventListener("htmx:sse:after:connection", found);
document.addEventListener("htmx:sse:error", (event) => {
  const { status } = (event as CustomEvent<{ status?: number }>).detail ?? {};
  if (status === 401) signedOut();
  else lost();
});
// A stream ends with its session, and its last word says why: trying again would be refused.
let over = false;
document.addEventListener("over", (event) => signedOut((event as CustomEvent<{ data?: string }>).detail.data));
function signedOut(why?: string) {
  over = true;
  const place = byId("signed-out");
  const said = place?.querySelector("b");
  if (said && why) said.textContent = why;
  found();
  place?.removeAttribute("hidden");
}
document.addEventListener("htmx:sse:before:connection", (event) => {
  if (over) (event as CustomEvent<{ connection: { cancelled: boolean } }>).detail.connection.cancelled = true;
});
document.addEventListener("htmx:sse:close", (event) => {
  const { reason } = (event as CustomEvent<{ reason?: string }>).detail ?? {};
  if (reason === "ended") again();
});
// The extension tries again once it was connected; a first attempt that failed is ours to repeat.
for (const name of ["htmx:error", "htmx:response:error"]) {
  document.addEventListener(name, (event) => {
    if ((event.target as Element).id === "stream") {
      if (swapOf(event).ctx?.response?.status === 401) signedOut();
      else again();
    } else if (name === "htmx:error" && !unsent(event)) byId("offline")?.removeAttribute("hidden");
  });
}
// What a form met is said beside its button, and what it holds stays. An answer without a request's id is a proxy's.
document.addEventListener("htmx:before:response", (event) => {
  const { headers } = swapOf(event).ctx.response ?? {};
  if (headers && !headers.has("x-request-id") && unsent(event)) event.preventDefault();
});
document.addEventListener("htmx:before:request", ({ target }) =>
  (target as Element).querySelector(".unsent")?.remove(),
);
function unsent({ target }: Event): boolean {
  const template = byId("unsent");
  if (!(target instanceof HTMLFormElement) || !(template instanceof HTMLTemplateElement)) return false;
  target.querySelector(".unsent")?.remove();
  const note = template.content.cloneNode(true);
  const foot = target.querySelector(".dlg-f");
  if (foot) foot.before(note);
  else target.append(note);
  return true;
}
function again() {
  if (over) return;
  lost();
  setTimeout(() => {
    const stream = byId("stream");
    if (stream) htmx.trigger(stream, "reconnect");
  }, 3000);
}

// ---- swaps ----

interface Task {
  target: Element | null;
  fragment: DocumentFragment;
  swapSpec: { style: string };
}
interface Swap {
  ctx: {
    sourceElement?: Element;
    request?: { method?: string; body?: unknown };
    response?: { status: number; headers: Headers };
  };
  tasks?: Task[];
}
const swapOf = (event: Event) => (event as CustomEvent<Swap>).detail;

// A row that is not there yet comes in at the end: nothing changes place under the pointer.
document.addEventListener("htmx:before:swap", (event) => {
  const { ctx, tasks = [] } = swapOf(event);
  if (ctx.sourceElement?.id !== "stream") return;
  for (const task of tasks) {
    // What somebody has opened stays open.
    for (const details of all<HTMLDetailsElement>("details[id]", task.fragment)) {
      const shown = byId(details.id);
      if (shown instanceof HTMLDetailsElement) details.open = shown.open;
    }
    if (task.target || task.fragment.firstElementChild?.tagName !== "TR") continue;
    byId("rows")?.querySelector(".none")?.remove();
    task.target = byId("rows");
    task.swapSpec = { style: "beforeend" };
  }
});

// A filter that is left empty has no place in the address.
document.addEventListener("htmx:config:request", (event) => {
  const { request } = swapOf(event).ctx;
  if (request?.method !== "GET" || !(request.body instanceof FormData)) return;
  for (const [name, value] of [...request.body]) if (value === "") request.body.delete(name);
});

document.addEventListener("htmx:after:swap", () => {
  tick();
  toasts();
  mark(cursor);
  // A row that was replaced under a resting pointer keeps its actions.
  equip(document.querySelector<HTMLTableRowElement>("#rows > tr:hover"));
});

document.addEventListener("htmx:after:request", (event) => {
  const { ctx } = swapOf(event);
  const closes = (ctx.sourceElement as HTMLElement | undefined)?.dataset.closes;
  if (closes) (byId(closes) as HTMLDialogElement | null)?.close();
});

// A row that changes twice is tinted twice.
document.addEventListener("animationend", ({ target }) =>
  (target as Element).closest(".fresh")?.classList.remove("fresh"),
);

// ---- toasts: three at most, six seconds, errors stay ----

const timed = new WeakSet<Element>();
function toasts() {
  const area = byId("toasts");
  if (!area) return;
  while (area.children.length > 3) area.firstElementChild?.remove();
  for (const toast of all<HTMLElement>(":scope > .toast-note", area)) {
    if (timed.has(toast)) continue;
    timed.add(toast);
    if (toast.dataset.s === "run" || toast.dataset.s === "ok") dismiss(toast);
  }
}
// Not while somebody is about to press its button.
function dismiss(toast: HTMLElement) {
  setTimeout(() => (toast.matches(":hover, :focus-within") ? dismiss(toast) : toast.remove()), 6000);
}

// ---- rows: actions under the pointer or the cursor ----

let cursor: HTMLTableRowElement | null = null;

function equip(row: HTMLTableRowElement | null) {
  const place = row?.cells[9];
  const link = row?.querySelector<HTMLAnchorElement>("th a");
  const template = byId("rowacts") as HTMLTemplateElement | null;
  // What may be cut is whole in its title.
  for (const cell of [1, 3, 5, 6].map((at) => row?.cells[at]))
    if (cell && !cell.title) cell.title = cell.textContent ?? "";
  if (!row || !place || !link || !template || place.firstElementChild) return;
  if (["lost", "stale", "unknown"].includes(row.dataset.k ?? "lost")) return;
  for (const old of all("td > .rowacts"))
    if (old.closest("tr") !== cursor && !old.matches(":focus-within")) old.remove();
  const actions = template.content.cloneNode(true) as DocumentFragment;
  const path = link.getAttribute("href") ?? "";
  for (const to of all<HTMLAnchorElement>("a", actions)) {
    if (to.dataset.do === "scale" && path.includes("/daemonsets/")) to.remove();
    else to.href = path + to.getAttribute("href");
  }
  for (const named of all("[aria-label]", actions)) {
    named.setAttribute("aria-label", `${named.getAttribute("aria-label")}: ${link.textContent}`);
  }
  place.append(actions);
}
for (const name of ["pointerover", "focusin"]) {
  document.addEventListener(name, ({ target }) => equip((target as Element).closest?.("#rows > tr") ?? null));
}

function mark(row: HTMLTableRowElement | null) {
  for (const old of all("tr.cur")) if (old !== row) old.classList.remove("cur");
  cursor = row?.isConnected ? row : null;
  cursor?.classList.add("cur");
  equip(cursor);
}
function move(step: 1 | -1) {
  const rows = [...all<HTMLTableRowElement>("#rows > tr[data-k]")];
  if (rows.length === 0) return;
  const at = cursor ? rows.indexOf(cursor) : -1;
  mark(rows[Math.min(rows.length - 1, Math.max(0, at + step))] ?? null);
  cursor?.scrollIntoView({ block: "nearest" });
}

// ---- keys ----

const places: { [key: string]: string } = { f: "/fleet", w: "/workloads", a: "/agents", u: "/audit" };
let leader = 0;

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const target = event.target as HTMLElement;
  if (target.matches("input:not([type=radio]), textarea, select, [contenteditable]")) {
    if (event.key === "Escape") target.blur();
    return;
  }
  if (document.querySelector("dialog[open]")) return;
  const { key } = event;
  const go = Date.now() - leader < 1500 ? places[key] : undefined;
  leader = key === "g" ? Date.now() : 0;
  if (go) location.assign(go);
  else if (key === "/") (byId("q") ?? byId("find"))?.focus();
  else if (key === "?") show("keys");
  else if (key === "j") move(1);
  else if (key === "k") move(-1);
  else if (key === "Escape") closeMenus() || mark(null);
  else if (key === "Enter" && cursor && target === document.body) cursor.querySelector<HTMLElement>("th a")?.click();
  else if (!press(key)) return;
  event.preventDefault();
});

const deeds: { [key: string]: string } = { r: "restart", s: "scale", i: "image" };
function press(key: string): boolean {
  const deed = deeds[key];
  if (!deed) return false;
  const button = cursor
    ? cursor.querySelector<HTMLElement>(`.rowacts a[data-do=${deed}]`)
    : document.querySelector<HTMLElement>(`[data-key=${key}]`);
  button?.click();
  return button !== null;
}

// ---- dialogs and menus ----

function show(id: string): boolean {
  const dialog = byId(id);
  if (!(dialog instanceof HTMLDialogElement) || dialog.open) return false;
  dialog.showModal();
  dialog.querySelector<HTMLInputElement>("input:not([type=hidden], [type=radio])")?.select();
  return true;
}
// Back closes a dialog and Forward opens it again, so an open one is a step of the history. htmx restores nothing there.
const stepOf = (state: unknown) => (state as { dialog?: string } | null)?.dialog;
let step = stepOf(history.state);
let ours = false;
new MutationObserver((changes) => {
  for (const { target } of changes) {
    if (!(target instanceof HTMLDialogElement) || target.open === (step === target.id)) continue;
    if (target.open) {
      step = target.id;
      history.pushState({ dialog: step }, "");
    } else history.back();
  }
}).observe(document, { subtree: true, attributeFilter: ["open"] });
addEventListener("popstate", (event) => {
  const before = step;
  step = stepOf((event as PopStateEvent).state);
  ours = before !== step;
  if (before && before !== step) (byId(before) as HTMLDialogElement | null)?.close();
  if (step) show(step);
});
document.addEventListener("htmx:before:history:restore", (event) => {
  if (ours) event.preventDefault();
});

function closeMenus(but?: Element | null): boolean {
  let closed = false;
  for (const menu of all<HTMLDetailsElement>("details.menu[open]")) {
    if (menu === but) continue;
    menu.open = false;
    closed = true;
  }
  return closed;
}

const knowsCommand = "commandForElement" in HTMLButtonElement.prototype;

document.addEventListener("click", (event) => {
  const target = event.target as Element;
  closeMenus(target.closest("details.menu"));
  if (target instanceof HTMLDialogElement) target.close();
  const open = target.closest("a[data-cancel]")?.closest("dialog");
  if (open) {
    event.preventDefault();
    open.close();
  }
  const revoke = target.closest<HTMLElement>("[data-revoke]");
  if (revoke && askForName(revoke.dataset.revoke!)) event.preventDefault();
  const button = target.closest<HTMLElement>("button");
  if (!button) return;
  const dialog = button.getAttribute("commandfor");
  if (dialog && !knowsCommand) {
    if (button.getAttribute("command") === "close") (byId(dialog) as HTMLDialogElement | null)?.close();
    else show(dialog);
  }
  if (button.dataset.dismiss !== undefined) button.closest(".toast-note")?.remove();
  const text = button.dataset.copyLink === undefined ? button.dataset.copy : location.href;
  if (text !== undefined) void copy(button, text);
});

// The browser itself refuses any other name than the one that is asked for.
function askForName(cluster: string): boolean {
  const dialog = byId("revoke");
  const input = dialog?.querySelector<HTMLInputElement>("input[name=cluster]");
  const said = dialog?.querySelector("h2 code");
  if (!input || !said) return false;
  said.textContent = cluster;
  input.value = "";
  input.placeholder = cluster;
  input.pattern = cluster.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
  return show("revoke");
}

async function copy(button: HTMLElement, text: string) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Only secure origins have a clipboard: then the text is selected, to be copied by hand.
    const code = button.parentElement?.querySelector("code");
    if (code) getSelection()?.selectAllChildren(code);
    return;
  }
  const use = button.querySelector("use");
  use?.setAttribute("href", "#i-check");
  setTimeout(() => use?.setAttribute("href", "#i-copy"), 1500);
}

// The last field of a list that is filled makes another one.
document.addEventListener("input", ({ target }) => {
  const list = (target as Element).closest("[data-grows]");
  const last = list?.lastElementChild as HTMLInputElement | null | undefined;
  if (!list || !last || last !== target || last.value === "") return;
  const next = last.cloneNode() as HTMLInputElement;
  next.value = "";
  next.ariaLabel = (last.ariaLabel ?? "").replace(/\d+/, (n) => String(Number(n) + 1));
  list.append(next);
});

// Another container has another image.
document.addEventListener("input", ({ target }) => {
  if (!(target instanceof HTMLInputElement) || target.name !== "container") return;
  const image = target.form?.querySelector<HTMLInputElement>("input[name=image]");
  if (image && target.dataset.image) image.value = target.dataset.image;
});

// "…/web#scale" opens the dialog of that name, "…/fleet#add-cluster" what is folded.
addEventListener("hashchange", arrive);
addEventListener("DOMContentLoaded", arrive);
function arrive() {
  const id = location.hash.slice(1);
  const fold = id && byId(id);
  if (fold instanceof HTMLDetailsElement) {
    fold.open = true;
    fold.scrollIntoView({ block: "nearest" });
  }
  if (step) show(step);
  else if (id && show(id)) history.replaceState(history.state, "", location.pathname + location.search);
  tick();
}
