// The page of the snapshots: toolbar, table, drawer, dialogs.
import type { JSX } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Snapshot } from "../api/types";
import { footerWords } from "../frame/Footer";
import { useAction } from "../frame/keys";
import { formatBytes, plural } from "../format/quantity";
import { formatMinute } from "../format/time";
import { loadSnapshots, nodesStore, snapshotsStore } from "../state/live";
import { preferences, setPreference } from "../state/preferences";
import { go, routeStore } from "../state/route";
import { useStore } from "../state/store";
import { Button } from "../ui/Button";
import { Icon } from "../ui/Icon";
import { MenuButton } from "../ui/Menu";
import { CreateDialog } from "./CreateDialog";
import { DeleteDialog } from "./DeleteDialog";
import { NoteDialog } from "./NoteDialog";
import { PcapDialog } from "./PcapDialog";
import { SnapshotTable } from "./SnapshotTable";
import { StorageMeter } from "./StorageMeter";
import { downloadArchive, importFile } from "./actions";
import { snapshotColumns } from "./columns";
import { matchesSearch, sortSnapshots, statusFilters, type SortKey } from "./status";

export type Overlay = { kind: "create" } | { kind: "delete"; list: Snapshot[] } | { kind: "pcap"; snapshot: Snapshot } | { kind: "note"; snapshot: Snapshot } | null;

/** Order is decided anew only while the pointer is away from the table: rows do not jump under it. */
function useCalmOrder(sorted: Snapshot[], hovered: boolean, sortedBy: string): Snapshot[] {
  const order = useRef<{ ids: string[]; by: string }>({ ids: [], by: "" });
  if (!hovered || order.current.by !== sortedBy) order.current = { ids: sorted.map((s) => s.id), by: sortedBy };
  const place = new Map(order.current.ids.map((id, i) => [id, i]));
  return [...sorted].sort((a, b) => (place.get(a.id) ?? -1) - (place.get(b.id) ?? -1));
}

export function SnapshotsView(): JSX.Element {
  const { list, quota, error } = useStore(snapshotsStore);
  const open = useStore(routeStore, (r) => r.open);
  const zone = useStore(preferences, (p) => (p.zone === "relative" ? "local" : p.zone));
  const hidden = useStore(preferences, (p) => p.hiddenSnapshotColumns);
  const oldest = useStore(nodesStore, (n) => n.data?.nodes.map((x) => x.ring.oldest).filter(Boolean).sort()[0] ?? null);
  const [search, setSearch] = useState("");
  const [statuses, setStatuses] = useState<string[]>([]);
  const [sort, setSort] = useState<{ key: SortKey; descending: boolean }>({ key: "created", descending: true });
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const [hovered, setHovered] = useState(false);
  const [overlay, setOverlay] = useState<Overlay>(null);
  const searchBox = useRef<HTMLInputElement>(null);
  const fileBox = useRef<HTMLInputElement>(null);

  useAction("snapshot.create", () => setOverlay({ kind: "create" }));
  useAction("snapshot.import", () => fileBox.current?.click());
  useAction("filter.focus", () => searchBox.current?.focus());
  useAction("filter.clear", search || statuses.length ? () => {
    setSearch("");
    setStatuses([]);
  } : null);

  const all = list ?? [];
  const matched = useMemo(() => all.filter((s) => matchesSearch(s, search, zone) && (statuses.length === 0 || statuses.includes(s.status))), [all, search, statuses, zone]);
  const sorted = useMemo(() => sortSnapshots(matched, sort.key, sort.descending), [matched, sort]);
  const shown = useCalmOrder(sorted, hovered, `${sort.key}${sort.descending}`);
  const chosen = shown.filter((s) => selected.has(s.id));

  useEffect(() => {
    if (list === null) return footerWords.set([]);
    const bytes = all.reduce((sum, s) => sum + s.size_bytes, 0);
    footerWords.set([shown.length === all.length ? plural(all.length, "snapshot") : `${shown.length} of ${plural(all.length, "snapshot")}`, formatBytes(bytes)]);
  }, [list, shown.length, all.length]);

  // A link to a snapshot that is not there says so instead of showing nothing.
  const gone = open !== "" && list !== null && !all.some((s) => s.id === open);

  return (
    <div class="snapshots">
      <div class="toolbar">
        <div class="search-box">
          <input ref={searchBox} class="input" type="text" role="searchbox" aria-label="Search snapshots" placeholder="Name, note, tag, “covers mar 3 14:00”" value={search} onInput={(event) => setSearch(event.currentTarget.value)}
            onKeyDown={(event) => {
              if (event.key === "Escape") {
                setSearch("");
                event.currentTarget.blur();
              }
            }}
          />
        </div>
        <MenuButton label="Status" items={() => statusFilters.map((status) => ({
          label: status, checked: statuses.includes(status), keep: true, hint: String(all.filter((s) => s.status === status).length),
          run: () => setStatuses(statuses.includes(status) ? statuses.filter((x) => x !== status) : [...statuses, status]),
        }))}>
          {statuses.length ? `Status: ${statuses.length === 1 ? statuses[0] : statuses.length}` : "Status"}
        </MenuButton>
        <MenuButton label="Columns" items={() => snapshotColumns.filter((c) => c.canHide).map((c) => ({
          label: c.word, checked: !hidden.includes(c.id), keep: true, run: () => setPreference("hiddenSnapshotColumns", hidden.includes(c.id) ? hidden.filter((x) => x !== c.id) : [...hidden, c.id]),
        }))}>
          Columns
        </MenuButton>
        {chosen.length > 0 && (
          <div class="selection">
            <span class="hint">{chosen.length} selected</span>
            <Button kind="ghost" icon="download" onClick={() => chosen.filter((s) => s.start !== null).forEach((s) => void downloadArchive(s))}>Download</Button>
            <Button kind="ghost" icon="trash" onClick={() => setOverlay({ kind: "delete", list: chosen })}>Delete</Button>
          </div>
        )}
        <span class="grow" />
        <StorageMeter quota={quota} />
        <Button kind="ghost" onClick={() => fileBox.current?.click()} tip="A pcap, pcapng (gz, zst, lz4 too) or a snapshot archive">Import</Button>
        <Button kind="primary" onClick={() => setOverlay({ kind: "create" })} tip="Create a snapshot (c)">Create snapshot</Button>
        <input ref={fileBox} class="off-screen" type="file" tabIndex={-1} aria-label="File to import" accept=".pcap,.pcapng,.tar,.gz,.zst,.lz4" onChange={(event) => {
          const [file] = event.currentTarget.files ?? [];
          if (file) void importFile(file);
          event.currentTarget.value = "";
        }} />
      </div>
      {gone && (
        <div class="notice warn gone" role="status">
          <Icon name="warning" />
          <span>This link names a snapshot that was deleted, or that you may not see. <Button kind="link" onClick={() => go({ open: "" })}>Show all snapshots</Button></span>
        </div>
      )}
      {list === null && error === "" ? <SnapshotTable list={null} {...{ sort, setSort, selected, setSelected, setOverlay, setHovered }} />
        : list === null ? (
          <div class="empty" role="alert">
            <p>{error}</p>
            <div class="empty-actions"><Button kind="primary" onClick={() => void loadSnapshots()}>Try again</Button></div>
          </div>
        ) : all.length === 0 ? (
          <div class="empty">
            <p>No snapshots yet. {oldest ? `The nodes hold traffic back to ${formatMinute(oldest, zone)}.` : "The nodes have recorded nothing yet."}</p>
            <div class="empty-actions">
              <Button onClick={() => setOverlay({ kind: "create" })}>Create snapshot</Button>
              <Button kind="link" onClick={() => fileBox.current?.click()}>Import a file</Button>
            </div>
          </div>
        ) : shown.length === 0 ? (
          <div class="empty">
            <p>None of {plural(all.length, "snapshot")} is like this.</p>
            <div class="empty-actions"><Button kind="link" onClick={() => {
              setSearch("");
              setStatuses([]);
            }}>Show all</Button></div>
          </div>
        ) : <SnapshotTable list={shown} {...{ sort, setSort, selected, setSelected, setOverlay, setHovered }} />}
      {overlay?.kind === "create" && <CreateDialog onClose={() => setOverlay(null)} />}
      {overlay?.kind === "delete" && <DeleteDialog list={overlay.list} onClose={() => {
        setOverlay(null);
        setSelected(new Set());
      }} />}
      {overlay?.kind === "pcap" && <PcapDialog snapshot={overlay.snapshot} onClose={() => setOverlay(null)} />}
      {overlay?.kind === "note" && <NoteDialog snapshot={overlay.snapshot} onClose={() => setOverlay(null)} />}
    </div>
  );
}
