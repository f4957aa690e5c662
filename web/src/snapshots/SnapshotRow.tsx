import type { ComponentChildren, JSX } from "preact";
import { useState } from "preact/hooks";
import type { Snapshot } from "../api/types";
import { formatBytes, formatExactCount, formatPercent, plural } from "../format/quantity";
import { formatAgo, formatBoth, formatClock, formatDate, toMs } from "../format/time";
import { preferences } from "../state/preferences";
import { go } from "../state/route";
import { useStore } from "../state/store";
import { Button } from "../ui/Button";
import { Captured, CutMiddle } from "../ui/Captured";
import { Icon } from "../ui/Icon";
import { MenuButton, type MenuItem } from "../ui/Menu";
import { copyText } from "../ui/clipboard";
import { StatusMark } from "./StatusMark";
import type { Overlay } from "./SnapshotsView";
import { cancel, cliLines, dissect, downloadArchive, openInStream, patch, retry, verify } from "./actions";
import { coverageOf, displayStatus, done, failedDissection, running, shortNodeName, worstNode } from "./status";

interface Props {
  snapshot: Snapshot;
  index: number;
  columns: string[];
  template: { gridTemplateColumns: string };
  first: boolean;
  open: boolean;
  selected: boolean;
  onSelect: () => void;
  setOverlay: (overlay: Overlay) => void;
}

function TimeCell({ at }: { at: string | null }): JSX.Element {
  const zone = useStore(preferences, (p) => p.zone);
  if (at === null) return <div class="cell" role="gridcell" />;
  const [one, two] = zone === "relative" ? [formatAgo(toMs(at), Date.now()), formatClock(at, "local")] : [formatClock(at, zone), formatDate(at, zone)];
  return (
    <div class="cell mono" role="gridcell" data-tip={formatBoth(at)}>
      <div>{one}</div>
      <div class="line-2">{two}</div>
    </div>
  );
}

function NameCell({ snapshot, selected, onSelect, renaming, setRenaming }: { snapshot: Snapshot; selected: boolean; onSelect: () => void; renaming: boolean; setRenaming: (on: boolean) => void }): JSX.Element {
  const save = (value: string): void => {
    setRenaming(false);
    const name = value.trim();
    if (name && name !== snapshot.name) void patch(snapshot, { name });
  };
  return (
    <div class="cell name-cell" role="gridcell">
      <label class="row-check">
        <input type="checkbox" tabIndex={-1} checked={selected} aria-label={`Select ${snapshot.name}`} onChange={onSelect} onClick={(event) => event.stopPropagation()} />
      </label>
      <div class="name-text">
        {renaming ? (
          <input
            class="input rename" aria-label="New name" value={snapshot.name} autofocus maxLength={200}
            ref={(input) => {
              if (input && document.activeElement !== input) {
                input.focus();
                input.select();
              }
            }}
            onClick={(event) => event.stopPropagation()}
            onBlur={(event) => save(event.currentTarget.value)}
            onKeyDown={(event) => {
              if (event.key === "Enter") save(event.currentTarget.value);
              else if (event.key === "Escape") setRenaming(false);
              else return;
              event.preventDefault();
              event.stopPropagation();
            }}
          />
        ) : (
          <div class="name" onDblClick={() => setRenaming(true)}>
            <CutMiddle text={snapshot.name} tail={8} tip={`${snapshot.name}\n${snapshot.id}\nDouble click: rename`} />
          </div>
        )}
        <div class="line-2 ellipsis">
          {snapshot.locked && <span class="drawn-lock" data-tip="Locked: it cannot be deleted"><Icon name="lock" /><span class="off-screen">locked</span></span>}
          <Captured text={[snapshot.note, ...snapshot.tags.map((t) => `#${t}`), snapshot.origin === "import" ? "imported" : ""].filter(Boolean).join(" · ")} />
        </div>
      </div>
    </div>
  );
}

function StatusCell({ snapshot }: { snapshot: Snapshot }): JSX.Element {
  const zone = useStore(preferences, (p) => (p.zone === "relative" ? "local" : p.zone));
  const status = displayStatus(snapshot, zone);
  return (
    <div class="cell" role="gridcell" data-tip={status.tip}>
      <div class={`status tone-${status.tone}`}>
        <StatusMark shape={status.shape} share={status.share} />
        {status.word}
      </div>
      <div class="line-2 ellipsis"><Captured text={status.detail} /></div>
    </div>
  );
}

function NodesCell({ snapshot }: { snapshot: Snapshot }): JSX.Element {
  const names = snapshot.nodes.map((n) => n.name);
  const [one, two] = names;
  return (
    <div class="cell" role="gridcell" data-tip={names.length > 1 ? names.join("\n") : undefined}>
      {one && <div class="chip"><CutMiddle text={shortNodeName(one, names)} tail={4} tip={names.join("\n")} /></div>}
      {two && (
        <div class="chip-line">
          <div class="chip"><CutMiddle text={shortNodeName(two, names)} tail={4} tip={names.join("\n")} /></div>
          {names.length > 2 && <span class="hint">+{names.length - 2} more</span>}
        </div>
      )}
    </div>
  );
}

function Bar({ share, tone }: { share: number; tone: "ok" | "warn" }): JSX.Element {
  return (
    <svg class="coverage-bar" width="80" height="6" aria-hidden="true">
      <rect width="80" height="6" class="bar-back" />
      <rect width={80 * share} height="6" class={`bar-part fill-${tone}`} />
    </svg>
  );
}

function CoverageCell({ snapshot }: { snapshot: Snapshot }): JSX.Element {
  const worst = worstNode(snapshot);
  if (!worst || snapshot.status === "Pending" || snapshot.status === "Failed") return <div class="cell" role="gridcell" />;
  const lost = snapshot.drops.kernel + snapshot.drops.ring + snapshot.drops.disk;
  const lines = [
    `all: ${formatPercent(snapshot.coverage)}`,
    ...[...snapshot.nodes].sort((a, b) => coverageOf(a, snapshot) - coverageOf(b, snapshot)).slice(0, 12).map((n) => `${n.name}: ${formatPercent(coverageOf(n, snapshot))}${n.gaps.length ? ` · ${plural(n.gaps.length, "gap")}` : ""}`),
    lost ? `${formatExactCount(lost)} packets lost` : "0 packets lost",
  ];
  return (
    <div class="cell coverage" role="gridcell" data-tip={lines.join("\n")} aria-label={`Coverage ${formatPercent(snapshot.coverage)}`}>
      <Bar share={snapshot.coverage} tone={snapshot.coverage >= 1 ? "ok" : "warn"} />
      {snapshot.nodes.length > 1 && worst.share < snapshot.coverage - 0.001 && <Bar share={worst.share} tone="warn" />}
      <div class="line-2">{formatPercent(snapshot.coverage)}{lost > 0 ? ` · ${formatExactCount(lost)} lost` : ""}</div>
    </div>
  );
}

export function Actions({ snapshot, setOverlay, onRename }: { snapshot: Snapshot; setOverlay: (overlay: Overlay) => void; onRename?: () => void }): JSX.Element {
  const ready = snapshot.status === "Completed" || snapshot.status === "Dissected";
  const job = running(snapshot);
  const finished = done(snapshot);
  const wait = ready ? "" : snapshot.status === "Failed" ? "It failed: there is nothing to read" : "It is still being created";
  const more: MenuItem[] = [
    ...(job || snapshot.status === "Pending" || snapshot.status === "In Progress" ? [{ label: job ? "Cancel dissection" : "Cancel", run: () => void cancel(snapshot) }] : []),
    ...(finished ? [{ label: "Dissect again", run: () => void dissect(snapshot) }] : []),
    { label: "Verify checksums", icon: "check", disabled: wait, run: () => void verify(snapshot) },
    ...(onRename ? [{ label: "Rename", icon: "edit" as const, run: onRename }] : []),
    { label: "Note and tags", run: () => setOverlay({ kind: "note", snapshot }) },
    { label: snapshot.locked ? "Unlock" : "Lock", icon: snapshot.locked ? "unlock" : "lock", run: () => void patch(snapshot, { locked: !snapshot.locked }) },
    { label: "Copy CLI", icon: "copy", separated: true, run: () => void copyText(cliLines(snapshot).cli, "the commands") },
  ];
  return (
    <div class="actions" onClick={(event) => event.stopPropagation()}>
      {finished ? <Button class="row-action" onClick={() => openInStream(snapshot)}>Open</Button>
        : snapshot.status === "Failed" ? <Button class="row-action" tip="Create it again from what the rings still hold" onClick={() => void retry(snapshot)}>Retry</Button>
        : failedDissection(snapshot) ? <Button class="row-action" tip="Dissect it again" onClick={() => void dissect(snapshot)}>Retry</Button>
        : <Button class="row-action" disabled={job ? "Dissection is running" : wait} onClick={() => void dissect(snapshot)}>Dissect</Button>}
      <Button kind="ghost" icon="download" label={`Download ${snapshot.name}`} tip="Download the archive" disabled={wait} onClick={() => void downloadArchive(snapshot)} />
      <Button kind="ghost" icon="pcap" label={`PCAP of ${snapshot.name}`} tip="Export as PCAP for Wireshark" disabled={wait} onClick={() => setOverlay({ kind: "pcap", snapshot })} />
      <Button kind="ghost" icon="trash" label={`Delete ${snapshot.name}`} tip="Delete" disabled={snapshot.locked ? `"${snapshot.name}" is locked. Unlock it first.` : ""} onClick={() => setOverlay({ kind: "delete", list: [snapshot] })} />
      <MenuButton label={`More for ${snapshot.name}`} icon="dots" alignRight items={more} />
    </div>
  );
}

export function SnapshotRow(props: Props): JSX.Element {
  const { snapshot, columns, open, selected } = props;
  const [renaming, setRenaming] = useState(false);
  const size = (
    <div class="cell right mono" role="gridcell" data-tip={`${formatExactCount(snapshot.size_bytes)} bytes on disk\n${formatBytes(snapshot.captured_bytes)} captured · ${plural(snapshot.packets, "packet")}`}>
      {snapshot.size_bytes > 0 ? formatBytes(snapshot.size_bytes) : ""}
    </div>
  );
  const cells: Record<string, ComponentChildren> = {
    name: <NameCell snapshot={snapshot} selected={selected} onSelect={props.onSelect} renaming={renaming} setRenaming={setRenaming} />,
    size,
    start: <TimeCell at={snapshot.from} />,
    end: <TimeCell at={snapshot.to} />,
    status: <StatusCell snapshot={snapshot} />,
    created: <TimeCell at={snapshot.created_at} />,
    nodes: <NodesCell snapshot={snapshot} />,
    coverage: <CoverageCell snapshot={snapshot} />,
    actions: <div class="cell" role="gridcell"><Actions snapshot={snapshot} setOverlay={props.setOverlay} onRename={() => setRenaming(true)} /></div>,
  };
  return (
    <div
      class={`snapshot-row ${open ? "open" : ""}`} role="row" tabIndex={props.first || open ? 0 : -1} aria-rowindex={props.index + 2} aria-selected={selected} style={props.template} data-id={snapshot.id}
      onClick={(event) => {
        const target = event.target as HTMLElement;
        if (target.closest("button, input, label, a") || getSelection()?.toString()) return;
        go({ open: open ? "" : snapshot.id });
      }}
    >
      {columns.map((id) => cells[id])}
    </div>
  );
}
