// What can be done with one value: the text of every entry is the exact clause that will be added.
import type { JSX } from "preact";
import type { Entry } from "../api/types";
import { fromNs, toNs } from "../format/time";
import { plainCaptured } from "../format/captured";
import { go, routeStore } from "../state/route";
import { MenuList, type MenuItem } from "../ui/Menu";
import { copyText } from "../ui/clipboard";
import { fieldsStore } from "../state/fields";
import { addClause, orClause } from "./clauses";
import { clauseOfCell, type ValueClause } from "./valueClauses";

export interface MenuAt {
  entry: Entry;
  /** A cell of the table, or the clause of a value elsewhere (null: it has none, but can be copied). */
  column: string;
  value?: { clause: ValueClause | null; text: string; name: string };
  x: number;
  y: number;
}

const shorten = (text: string): string => (text.length > 80 ? `${text.slice(0, 76)}…` : text);

function items({ entry, column, value: given }: MenuAt): MenuItem[] {
  const { filter } = routeStore.get();
  // From the pane of an entry the entry stays: one value after the other can be added.
  const apply = (next: string): void => go({ filter: next, ...(given ? {} : { entry: "" }) });
  if (column === "time") {
    const ns = toNs(entry.timestamp) ?? 0n;
    return [
      { label: "From here on", run: () => go({ from: entry.timestamp }) },
      { label: "Until here", run: () => go({ to: fromNs(ns + 1n) }) },
      { label: "1 s around it", run: () => go({ from: fromNs(ns - 500_000_000n), to: fromNs(ns + 500_000_000n) }) },
      { label: "Copy", icon: "copy", separated: true, run: () => void copyText(entry.timestamp, "the time") },
    ];
  }
  const value = given ? given.clause : clauseOfCell(entry, column, fieldsStore.get());
  const connection: MenuItem = { label: "Only this connection", run: () => apply(`conn_id == "${entry.conn_id}"`) };
  if (!value && given) return [{ label: "Copy", icon: "copy", run: () => void copyText(given.text, "the value") }, { label: "Copy with name", run: () => void copyText(`${given.name} = ${given.text}`, "the value with its name") }];
  if (!value) return [connection];
  return [
    { label: `+ ${shorten(plainCaptured(value.clause))}`, run: () => apply(addClause(filter, value.clause)) },
    { label: `− ${shorten(plainCaptured(value.not))}`, run: () => apply(addClause(filter, value.not)) },
    ...(filter ? [{ label: `or ${shorten(plainCaptured(value.clause))}`, run: () => apply(orClause(filter, value.clause)) }, { label: "Only this", run: () => apply(value.clause) }] : []),
    connection,
    { label: "Copy", icon: "copy", separated: true, run: () => void copyText(value.value, "the value") },
    { label: "Copy with name", run: () => void copyText(`${value.name} = ${value.value}`, "the value with its name") },
  ];
}

export function ValueMenu({ at, onClose }: { at: MenuAt; onClose: () => void }): JSX.Element {
  return <MenuList items={items(at)} anchor={{ left: at.x, right: at.x, top: at.y, bottom: at.y }} label="Value" onClose={onClose} />;
}
