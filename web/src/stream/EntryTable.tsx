// The table of calls: virtual rows, one tab stop, arrows for rows and columns.
import { elementScroll, observeElementOffset, observeElementRect, Virtualizer } from "@tanstack/virtual-core";
import type { JSX } from "preact";
import { useCallback, useEffect, useLayoutEffect, useMemo, useReducer, useRef, useState } from "preact/hooks";
import type { Entry, Gap } from "../api/types";
import { useAction } from "../frame/keys";
import { zoneWord } from "../format/time";
import { preferences } from "../state/preferences";
import { go, routeStore } from "../state/route";
import { useStore } from "../state/store";
import { EntryRow } from "./EntryRow";
import { ValueMenu, type MenuAt } from "./ValueMenu";
import { fieldsStore } from "../state/fields";
import { addClause } from "./clauses";
import { missingBetween } from "./gaps";
import { clauseOfCell } from "./valueClauses";
import { latencyScale, template, visibleColumns, type Column } from "./columns";
import { mostRows, type EntryRows } from "./useEntries";

function useVirtual(count: number, rowHeight: number, scroll: { current: HTMLDivElement | null }): Virtualizer<HTMLDivElement, HTMLDivElement> {
  const [, redraw] = useReducer((n: number) => n + 1, 0);
  const virtual = useRef<Virtualizer<HTMLDivElement, HTMLDivElement> | null>(null);
  const options = { count, getScrollElement: () => scroll.current, estimateSize: () => rowHeight, overscan: 8, scrollToFn: elementScroll, observeElementRect, observeElementOffset, onChange: () => redraw(0 as never) };
  virtual.current ??= new Virtualizer<HTMLDivElement, HTMLDivElement>(options);
  virtual.current.setOptions(options);
  const mine = virtual.current;
  useLayoutEffect(() => mine._didMount(), []);
  useLayoutEffect(() => mine._willUpdate());
  useLayoutEffect(() => mine.measure(), [rowHeight]);
  return mine;
}

function Waiting({ shown, top, height, grid }: { shown: Column[]; top: number; height: number; grid: string }): JSX.Element {
  return (
    <div class="entry-row waiting" aria-hidden="true" style={{ transform: `translateY(${top}px)`, height: `${height}px`, gridTemplateColumns: grid }}>
      {shown.map((c) => <div class="entry-cell" key={c.id}>{c.id !== "gutter" && <div class="skeleton" />}</div>)}
    </div>
  );
}

interface Props {
  entries: EntryRows;
  gaps: readonly Gap[];
  more: () => void;
}

const nearEnd = 60;

export function EntryTable({ entries, gaps, more }: Props): JSX.Element {
  const route = useStore(routeStore);
  const zone = useStore(preferences, (p) => p.zone);
  const comfortable = useStore(preferences, (p) => p.comfortable);
  const toggled = useStore(preferences, (p) => p.hiddenStreamColumns);
  const scroll = useRef<HTMLDivElement>(null);
  const [room, setRoom] = useState(1268);
  const [at, setAt] = useState(0);
  const [column, setColumn] = useState("time");
  const [mark, setMark] = useState<Entry | null>(null);
  const [menu, setMenu] = useState<MenuAt | null>(null);
  const { rows } = entries;
  const rowHeight = comfortable ? 36 : 28;
  // The scroll bar tells how many there are, loaded or not; what is not there yet is drawn as waiting.
  const count = entries.complete ? rows.length : Math.max(rows.length, Math.min(entries.total, mostRows));
  const virtual = useVirtual(count, rowHeight, scroll);
  const shown = useMemo(() => visibleColumns(room, toggled), [room, toggled]);
  const grid = template(shown, room);
  const scale = useMemo(() => latencyScale(rows), [rows]);
  const order = route.order || "-time";
  const byTime = order.slice(1) === "time";

  useLayoutEffect(() => {
    const box = scroll.current;
    if (!box) return;
    const observer = new ResizeObserver(() => setRoom(box.clientWidth));
    observer.observe(box);
    return () => observer.disconnect();
  }, []);

  const items = virtual.getVirtualItems();
  const last = items.at(-1)?.index ?? 0;
  useEffect(() => {
    if (!entries.complete && !entries.problem && rows.length > 0 && last > rows.length - nearEnd) more();
  }, [last, rows.length, entries.complete, entries.loading, entries.problem]);

  // A new answer starts at the top; a link to an entry keeps its row in sight.
  useEffect(() => {
    const linked = rows.findIndex((r) => r.id === route.entry);
    setAt(Math.max(0, linked));
    if (linked > 0) virtual.scrollToIndex(linked, { align: "center" });
    else virtual.scrollToOffset(0);
    setMark((m) => (m && rows.includes(m) ? m : null));
  }, [entries.generation]);

  const open = (index: number): void => {
    const entry = rows[index];
    if (!entry) return;
    setAt(index);
    go({ entry: entry.id }, route.entry !== "");
  };
  const moveTo = (index: number): void => {
    const next = Math.max(0, Math.min(count - 1, index));
    setAt(next);
    virtual.scrollToIndex(next);
    const entry = rows[next];
    if (route.entry && entry) go({ entry: entry.id }, true);
  };
  const openMenu = (index: number, columnId: string, x: number, y: number): void => {
    const entry = rows[index];
    if (entry) setMenu({ entry, column: columnId, x, y });
  };
  const step = (direction: 1 | -1): void => {
    for (let i = at + direction; i >= 0 && i < rows.length; i += direction)
      if (rows[i]?.status === "error" || rows[i]?.status === "no_response") return moveTo(i);
  };
  const current = rows[at];
  const value = current ? clauseOfCell(current, column, fieldsStore.get()) : null;

  useAction("error.next", rows.length ? () => step(1) : null);
  useAction("error.previous", rows.length ? () => step(-1) : null);
  useAction("row.mark", current ? () => setMark(mark === current ? null : current) : null);
  useAction("value.include", value ? () => go({ filter: addClause(route.filter, value.clause), entry: "" }) : null);
  useAction("value.exclude", value ? () => go({ filter: addClause(route.filter, value.not), entry: "" }) : null);
  useAction("value.menu", current ? () => {
    const box = document.querySelector(`#row-${at} [data-column="${column}"]`)?.getBoundingClientRect();
    openMenu(at, column, box?.left ?? 100, box?.bottom ?? 100);
  } : null);

  // The same two functions for the rows' whole life, so that rows need not be drawn anew for them.
  const latest = useRef({ open, openMenu });
  latest.current = { open, openMenu };
  const onOpen = useCallback((index: number) => latest.current.open(index), []);
  const onMenu = useCallback((event: MouseEvent, index: number, columnId: string) => {
    event.preventDefault();
    setAt(index);
    setColumn(columnId);
    latest.current.openMenu(index, columnId, event.clientX, event.clientY);
  }, []);

  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target !== scroll.current) return;
    const page = Math.max(1, Math.floor((scroll.current?.clientHeight ?? 400) / rowHeight) - 2);
    const ids = shown.map((c) => c.id).filter((id) => id !== "gutter");
    const place = ids.indexOf(column);
    switch (event.key) {
      case "ArrowDown": case "j": moveTo(at + 1); break;
      case "ArrowUp": case "k": moveTo(at - 1); break;
      case "PageDown": moveTo(at + page); break;
      case "PageUp": moveTo(at - page); break;
      case "Home": moveTo(0); break;
      case "End": moveTo(count - 1); break;
      case "ArrowRight": setColumn(ids[Math.min(ids.length - 1, place + 1)] ?? "time"); break;
      case "ArrowLeft": setColumn(ids[Math.max(0, place - 1)] ?? "time"); break;
      case "Enter": open(at); break;
      default: return;
    }
    event.preventDefault();
  };

  return (
    <div
      ref={scroll} class={`entry-scroll ${entries.loading === "first" && Date.now() - entries.since >= 0 && rows.length ? "stale" : ""}`} role="grid" tabIndex={0} aria-label="Calls" aria-rowcount={entries.lowerBound ? -1 : entries.total + 1} aria-colcount={shown.length}
      aria-activedescendant={rows.length ? `row-${at}` : undefined} aria-busy={entries.loading !== ""} data-region="table" data-region-focus onKeyDown={onKeyDown}
    >
      <div class="table-head entry-head" role="row" style={{ gridTemplateColumns: grid }} aria-rowindex={1}>
        {shown.map((c) => {
          const sorted = c.order && order.slice(1) === c.order ? (order.startsWith("-") ? "descending" : "ascending") : undefined;
          return (
            <div key={c.id} role="columnheader" class={`head-cell ${c.right ? "right" : ""}`} aria-sort={sorted}>
              {c.order ? (
                <button type="button" class="head-button" tabIndex={-1} onClick={() => go({ order: sorted === "descending" ? `+${c.order}` : `-${c.order}` })}>
                  {c.word}{c.id === "time" ? ` (${mark ? "Δ mark" : zoneWord(zone)})` : ""}{sorted && order !== "-time" ? (sorted === "descending" ? " ↓" : " ↑") : ""}
                </button>
              ) : c.id === "gutter" ? <span class="off-screen">State</span> : c.word}
            </div>
          );
        })}
      </div>
      <div class="entry-rows" role="rowgroup" style={{ height: `${virtual.getTotalSize()}px` }}>
        {items.map((item) => {
          const entry = rows[item.index];
          if (!entry) return <Waiting key={item.index} shown={shown} top={item.start} height={rowHeight} grid={grid} />;
          return (
            <EntryRow key={entry.id} entry={entry} index={item.index} shown={shown} zone={zone} mark={mark} selected={entry.id === route.entry} focused={item.index === at} focusColumn={column} scale={scale} top={item.start} height={rowHeight} gridTemplate={grid} missing={byTime ? missingBetween(entry, rows[item.index + 1], gaps, zone) : ""}
              onOpen={onOpen} onMenu={onMenu} />
          );
        })}
        {rows.length === 0 && entries.loading === "first" && Array.from({ length: 12 }, (_, i) => (
          <Waiting key={i} shown={shown} top={i * rowHeight} height={rowHeight} grid={grid} />
        ))}
      </div>
      {menu && <ValueMenu at={menu} onClose={() => setMenu(null)} />}
    </div>
  );
}
