// Every action of the dashboard by name: the same table binds the keys, fills `?` and the palette (Ctrl+K). Views give an action its doing while
// they are on screen; the one that came last wins.
import { useEffect, useRef } from "preact/hooks";
import { preferences } from "../state/preferences";
import { createStore } from "../state/store";

export interface Action {
  id: string;
  /** As shown: "g s" is two presses, "Shift+e", "Ctrl+k". Empty: palette only. */
  keys: string[];
  words: string;
  group: "Go to" | "Rows" | "Filter" | "Entry" | "Snapshots" | "View";
  /** Bound by the grid or the editor itself, listed here for `?`. */
  local?: boolean;
}

export const actions: Action[] = [
  { id: "go.stream", keys: ["g s"], words: "API stream", group: "Go to" },
  { id: "go.snapshots", keys: ["g k"], words: "Snapshots", group: "Go to" },
  { id: "go.nodes", keys: ["g n"], words: "Nodes", group: "Go to" },
  { id: "go.settings", keys: ["g t"], words: "Settings", group: "Go to" },
  { id: "region.next", keys: ["F6"], words: "Next part of the page", group: "Go to" },
  { id: "row.move", keys: ["↑", "↓", "j", "k"], words: "Row up, row down", group: "Rows", local: true },
  { id: "row.page", keys: ["PgUp", "PgDn", "Home", "End"], words: "A page, first row, last row", group: "Rows", local: true },
  { id: "row.open", keys: ["Enter"], words: "Open the row", group: "Rows", local: true },
  { id: "row.select", keys: ["Space"], words: "Select the snapshot", group: "Rows", local: true },
  { id: "row.mark", keys: ["m"], words: "Mark the row: times count from it", group: "Rows" },
  { id: "error.next", keys: ["e"], words: "Next error", group: "Rows" },
  { id: "error.previous", keys: ["Shift+e"], words: "Previous error", group: "Rows" },
  { id: "filter.focus", keys: ["/"], words: "Write a filter, or search snapshots", group: "Filter" },
  { id: "filter.apply", keys: ["Ctrl+Enter"], words: "Apply the filter", group: "Filter", local: true },
  { id: "filter.clear", keys: [], words: "Clear the filter", group: "Filter" },
  { id: "value.menu", keys: ["."], words: "What can be done with this value", group: "Filter" },
  { id: "value.include", keys: ["+"], words: "Only rows with this value", group: "Filter" },
  { id: "value.exclude", keys: ["-"], words: "Only rows without this value", group: "Filter" },
  { id: "entry.close", keys: ["Esc"], words: "Close the entry, back to the table", group: "Entry" },
  { id: "entry.tab.previous", keys: ["["], words: "Previous tab of the entry", group: "Entry" },
  { id: "entry.tab.next", keys: ["]"], words: "Next tab of the entry", group: "Entry" },
  { id: "entry.follow", keys: ["f"], words: "Follow the connection", group: "Entry" },
  { id: "entry.packets", keys: ["i"], words: "Packets of the entry", group: "Entry" },
  { id: "entry.curl", keys: [], words: "Copy the request as cURL", group: "Entry" },
  { id: "snapshot.create", keys: ["c"], words: "Create a snapshot", group: "Snapshots" },
  { id: "snapshot.import", keys: [], words: "Import a file as a snapshot", group: "Snapshots" },
  { id: "export", keys: ["o"], words: "Export what is filtered", group: "View" },
  { id: "link.copy", keys: ["y"], words: "Copy a link to this place", group: "View" },
  { id: "zone.next", keys: ["u"], words: "Times: UTC, local, relative", group: "View" },
  { id: "timeline.fold", keys: [], words: "Fold or unfold the timeline", group: "View" },
  { id: "rows.height", keys: [], words: "Rows: dense or comfortable", group: "View" },
  { id: "theme.light", keys: [], words: "Light colours", group: "View" },
  { id: "theme.dark", keys: [], words: "Dark colours", group: "View" },
  { id: "theme.system", keys: [], words: "Colours of the system", group: "View" },
  { id: "keys.single", keys: [], words: "Single keys on or off", group: "View" },
  { id: "palette", keys: ["Ctrl+k"], words: "Every action by name", group: "View" },
  { id: "help", keys: ["?"], words: "Keys", group: "View" },
];

const doings = new Map<string, (() => void)[]>();
export const available = createStore<ReadonlySet<string>>(new Set());

function refresh(): void {
  available.set(new Set([...doings].filter(([, list]) => list.length > 0).map(([id]) => id)));
}

export function run(id: string): boolean {
  const doing = doings.get(id)?.at(-1);
  doing?.();
  return doing !== undefined;
}

/** While the component is on screen, the action does this. */
export function useAction(id: string, doing: (() => void) | null): void {
  const latest = useRef(doing);
  latest.current = doing;
  const active = doing !== null;
  useEffect(() => {
    if (!active) return;
    const call = (): void => latest.current?.();
    doings.set(id, [...(doings.get(id) ?? []), call]);
    refresh();
    return () => {
      doings.set(id, (doings.get(id) ?? []).filter((other) => other !== call));
      refresh();
    };
  }, [id, active]);
}

const bound = new Map(actions.filter((a) => !a.local).flatMap((a) => a.keys.map((key) => [key, a.id] as const)));

/** The name a key event has in the table. */
export function keyName(event: Pick<KeyboardEvent, "key" | "ctrlKey" | "metaKey" | "altKey" | "shiftKey">): string {
  const letter = /^[a-z]$/i.test(event.key);
  const key = event.key === "Escape" ? "Esc" : letter ? event.key.toLowerCase() : event.key;
  return `${event.ctrlKey || event.metaKey ? "Ctrl+" : ""}${event.altKey ? "Alt+" : ""}${event.shiftKey && letter ? "Shift+" : ""}${key}`;
}

function inInput(event: KeyboardEvent): boolean {
  const target = event.composedPath()[0];
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

let prefix = "";
let prefixTimer: ReturnType<typeof setTimeout> | undefined;

export function startKeys(): void {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing) return;
    const name = keyName(event);
    const modified = event.ctrlKey || event.metaKey;
    const inDialog = document.querySelector("dialog[open]") !== null;
    if (inDialog || (inInput(event) && !modified && name !== "F6")) return;
    if (!modified && name !== "Esc" && name !== "F6" && !preferences.get().singleKeys) return;
    const id = bound.get(prefix ? `${prefix} ${name}` : name);
    clearTimeout(prefixTimer);
    prefix = "";
    if (id !== undefined) {
      if (run(id)) event.preventDefault();
    } else if ([...bound.keys()].some((key) => key.startsWith(`${name} `))) {
      prefix = name;
      prefixTimer = setTimeout(() => (prefix = ""), 1200);
    }
  });
}
