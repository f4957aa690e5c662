// The columns of the stream: widths, and which falls away first when there is less room.
import type { Entry } from "../api/types";

export interface Column {
  id: string;
  word: string;
  width: number;
  /** 1 goes first; 0 never. */
  falls: number;
  right?: boolean;
  /** The server's order this head asks for. */
  order?: "time" | "elapsed_time" | "size";
  hidden?: boolean;
}

export const columns: Column[] = [
  { id: "gutter", word: "", width: 20, falls: 0 },
  { id: "time", word: "Time", width: 112, falls: 0, order: "time" },
  { id: "protocol", word: "Protocol", width: 76, falls: 6 },
  { id: "method", word: "Method", width: 84, falls: 4 },
  { id: "status", word: "Status", width: 120, falls: 0 },
  { id: "source", word: "Source", width: 168, falls: 3 },
  { id: "destination", word: "Destination", width: 168, falls: 0 },
  { id: "summary", word: "Summary", width: 240, falls: 0 },
  { id: "latency", word: "Latency", width: 132, falls: 5, order: "elapsed_time" },
  { id: "size", word: "Size", width: 84, falls: 2, right: true, order: "size" },
  { id: "flags", word: "Flags", width: 56, falls: 1 },
  { id: "node", word: "Node", width: 120, falls: 1, hidden: true },
  { id: "process", word: "Process", width: 120, falls: 1, hidden: true },
  { id: "request_size", word: "Request size", width: 96, falls: 1, right: true, hidden: true },
  { id: "connection", word: "Connection", width: 120, falls: 1, hidden: true },
  { id: "version", word: "Version", width: 64, falls: 1, hidden: true },
];

/** `toggled` holds the ids whose default visibility was switched. */
export function visibleColumns(room: number, toggled: readonly string[]): Column[] {
  let shown = columns.filter((c) => (c.hidden === true) === toggled.includes(c.id));
  const sum = (): number => shown.reduce((total, c) => total + c.width, 0);
  for (let priority = 1; priority <= 6 && sum() > room; priority++)
    for (const column of [...shown].reverse().filter((c) => c.falls === priority)) {
      if (sum() <= room) break;
      shown = shown.filter((c) => c !== column);
    }
  return shown;
}

export function template(shown: Column[], room: number): string {
  // Where even the columns that never fall away do not fit, the summary gives way before the table scrolls sideways.
  const others = shown.reduce((sum, c) => sum + (c.id === "summary" ? 0 : c.width), 0);
  return shown.map((c) => (c.id === "summary" ? `minmax(${Math.max(120, Math.min(c.width, room - others))}px, 1fr)` : `${c.width}px`)).join(" ");
}

/** Length of the latency bar on a log scale of what the page shows, 0..1. */
export function latencyScale(rows: Entry[]): (micros: number) => number {
  let low = Number.POSITIVE_INFINITY;
  let high = 0;
  for (const row of rows) {
    if (row.elapsed_time === undefined) continue;
    low = Math.min(low, row.elapsed_time);
    high = Math.max(high, row.elapsed_time);
  }
  // At least two decades, so that equal calls look equal.
  const b = Math.log1p(high);
  const a = Math.min(Math.log1p(Math.min(low, high)), b - Math.log(100));
  return (micros) => Math.max(0.06, Math.min(1, (Math.log1p(micros) - a) / (b - a)));
}
