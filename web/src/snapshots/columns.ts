// The columns of the snapshots: widths, and which falls away first when there is less room.
import type { SortKey } from "./status";

export interface Column {
  id: string;
  word: string;
  width: number;
  /** 1 goes first when there is no room; 0 never. */
  falls: number;
  sort?: SortKey;
  canHide?: boolean;
  right?: boolean;
}

export const snapshotColumns: Column[] = [
  { id: "name", word: "Name", width: 232, falls: 0, sort: "name" },
  { id: "size", word: "Size", width: 80, falls: 4, sort: "size", canHide: true, right: true },
  { id: "start", word: "Start time", width: 96, falls: 6, sort: "start", canHide: true },
  { id: "end", word: "End time", width: 96, falls: 5, sort: "end", canHide: true },
  { id: "status", word: "Status", width: 184, falls: 0, sort: "status" },
  { id: "created", word: "Created at", width: 96, falls: 2, sort: "created", canHide: true },
  { id: "nodes", word: "Nodes", width: 136, falls: 1, sort: "nodes", canHide: true },
  { id: "coverage", word: "Coverage", width: 96, falls: 3, sort: "coverage", canHide: true },
  { id: "actions", word: "Actions", width: 192, falls: 7 },
];

const narrowestName = 132;

/** The columns that fit; what falls away stands in the drawer. */
export function fittingColumns(room: number, hidden: readonly string[]): Column[] {
  let shown = snapshotColumns.filter((c) => !hidden.includes(c.id));
  const sum = (): number => shown.reduce((all, c) => all + (c.id === "name" && shown.length <= 3 ? narrowestName : c.width), 0);
  for (let priority = 1; priority <= 7 && sum() > room; priority++) shown = shown.filter((c) => c.falls !== priority);
  return shown;
}
