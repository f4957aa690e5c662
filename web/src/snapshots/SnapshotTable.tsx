// The table: one tab stop; arrows move over rows and, left and right, over what a row offers.
import { Fragment, type JSX } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Snapshot } from "../api/types";
import { preferences } from "../state/preferences";
import { go, routeStore } from "../state/route";
import { useStore } from "../state/store";
import { SnapshotDrawer } from "./SnapshotDrawer";
import { Actions, SnapshotRow } from "./SnapshotRow";
import type { Overlay } from "./SnapshotsView";
import { fittingColumns } from "./columns";
import type { SortKey } from "./status";

interface Props {
  list: Snapshot[] | null;
  sort: { key: SortKey; descending: boolean };
  setSort: (sort: { key: SortKey; descending: boolean }) => void;
  selected: ReadonlySet<string>;
  setSelected: (ids: ReadonlySet<string>) => void;
  setOverlay: (overlay: Overlay) => void;
  setHovered: (hovered: boolean) => void;
}

export function SnapshotTable({ list, sort, setSort, selected, setSelected, setOverlay, setHovered }: Props): JSX.Element {
  const open = useStore(routeStore, (r) => r.open);
  const hidden = useStore(preferences, (p) => p.hiddenSnapshotColumns);
  const grid = useRef<HTMLDivElement>(null);
  const [room, setRoom] = useState(1280);
  useLayoutEffect(() => {
    const box = grid.current;
    if (!box) return;
    const observer = new ResizeObserver(() => setRoom(box.clientWidth));
    observer.observe(box);
    return () => observer.disconnect();
  }, []);
  const columns = fittingColumns(room, hidden);
  const template = { gridTemplateColumns: columns.map((c) => (c.id === "name" ? "minmax(0, 1fr)" : c.id === "status" ? `minmax(${c.width}px, 0.7fr)` : `${c.width}px`)).join(" ") };
  const noActions = !columns.some((c) => c.id === "actions");

  const rows = (): HTMLElement[] => [...(grid.current?.querySelectorAll<HTMLElement>(".snapshot-row") ?? [])];
  const onKeyDown = (event: KeyboardEvent): void => {
    const target = event.target as HTMLElement;
    if (target.tagName === "INPUT" && (target as HTMLInputElement).type !== "checkbox") return;
    const all = rows();
    const at = all.findIndex((row) => row.contains(target));
    if (at < 0) return;
    const row = all[at];
    const stops = [row, ...(row?.querySelectorAll<HTMLElement>("input, button, a") ?? [])].filter((x): x is HTMLElement => x !== undefined);
    const stop = stops.indexOf(target);
    const move: Record<string, HTMLElement | undefined> = {
      ArrowDown: all[at + 1], j: all[at + 1], ArrowUp: all[at - 1], k: all[at - 1], Home: all[0], End: all.at(-1), PageDown: all[Math.min(all.length - 1, at + 10)], PageUp: all[Math.max(0, at - 10)],
      ArrowRight: stops[stop + 1], ArrowLeft: stops[stop - 1],
    };
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const to = move[event.key];
    const id = row?.dataset["id"] ?? "";
    if (to) to.focus();
    else if (event.key === "Enter" && target === row) go({ open: open === id ? "" : id });
    else if (event.key === " " && target === row) toggle(id);
    else return;
    event.preventDefault();
  };
  const toggle = (id: string): void => {
    const next = new Set(selected);
    if (!next.delete(id)) next.add(id);
    setSelected(next);
  };
  const everything = list !== null && list.length > 0 && list.every((s) => selected.has(s.id));

  return (
    <div class="table-scroll" onPointerEnter={() => setHovered(true)} onPointerLeave={() => setHovered(false)}>
      <div ref={grid} class="snapshot-table" role="grid" aria-label="Snapshots" aria-rowcount={list === null ? -1 : list.length + 1} aria-multiselectable="true" aria-busy={list === null} data-region="table" onKeyDown={onKeyDown}>
        <div class="table-head" role="row" style={template}>
          {columns.map((column) => (
            <div key={column.id} role="columnheader" class={`head-cell ${column.right ? "right" : ""}`} aria-sort={column.sort === sort.key ? (sort.descending ? "descending" : "ascending") : undefined}>
              {column.id === "name" && (
                <label class="row-check" data-tip="Select all shown">
                  <input type="checkbox" aria-label="Select all shown" checked={everything} tabIndex={-1} onChange={() => setSelected(everything || !list ? new Set() : new Set(list.map((s) => s.id)))} />
                </label>
              )}
              {column.sort ? (
                <button type="button" class="head-button" tabIndex={-1} onClick={() => column.sort && setSort({ key: column.sort, descending: sort.key === column.sort ? !sort.descending : column.sort !== "name" })}>
                  {column.word}
                  {column.sort === sort.key && <span aria-hidden="true">{sort.descending ? " ↓" : " ↑"}</span>}
                </button>
              ) : column.word}
            </div>
          ))}
        </div>
        {list === null
          ? Array.from({ length: 6 }, (_, i) => (
            <div class="snapshot-row waiting" style={template} key={i} role="row" aria-hidden="true">
              {columns.map((c) => <div class="cell" key={c.id}><div class="skeleton" /></div>)}
            </div>
          ))
          : list.map((snapshot, i) => (
            <Fragment key={snapshot.id}>
              <SnapshotRow
                snapshot={snapshot} index={i} columns={columns.map((c) => c.id)} template={template} first={i === 0} open={open === snapshot.id}
                selected={selected.has(snapshot.id)} onSelect={() => toggle(snapshot.id)} setOverlay={setOverlay}
              />
              {open === snapshot.id && <SnapshotDrawer snapshot={snapshot} {...(noActions && { tools: <Actions snapshot={snapshot} setOverlay={setOverlay} /> })} />}
            </Fragment>
          ))}
      </div>
    </div>
  );
}
