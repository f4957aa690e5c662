import { Component, type JSX } from "preact";
import type { Endpoint, Entry } from "../api/types";
import { endName, flagsOf, gutterOf, methodOf, protocolTag, requestSize, responseSize, rowSentence, shortNamespace, statusOf, summaryOf } from "../format/entry";
import { formatBytes, formatExactCount, formatLatency } from "../format/quantity";
import { deltaMicros, formatBoth, formatTime, type Zone } from "../format/time";
import { Captured, CutMiddle } from "../ui/Captured";
import { Icon } from "../ui/Icon";
import type { Column } from "./columns";

interface Props {
  entry: Entry;
  index: number;
  shown: Column[];
  zone: Zone;
  mark: Entry | null;
  selected: boolean;
  focused: boolean;
  focusColumn: string;
  scale: (micros: number) => number;
  top: number;
  height: number;
  gridTemplate: string;
  /** What was not recorded between this row and the next, in words; "" when nothing is known to be missing. */
  missing: string;
  onOpen: (index: number) => void;
  onMenu: (event: MouseEvent, index: number, column: string) => void;
}

function EndCell({ end, service }: { end: Endpoint; service: boolean }): JSX.Element {
  const name = endName(end, service);
  if (name.address) return <span class="mono ellipsis" data-tip={name.whole}><Captured text={name.name} /></span>;
  const text = `${name.namespace ? `${shortNamespace(name.namespace)}/` : ""}${name.name}`;
  return <CutMiddle text={text} tail={8} tip={name.whole} />;
}

const gutterShapes = {
  error: <circle cx="5" cy="5" r="4.500" fill="currentColor" stroke="none" />,
  half: <><circle cx="5" cy="5" r="4" /><path d="M5 1a4 4 0 0 0 0 8z" fill="currentColor" stroke="none" /></>,
  cut: <circle cx="5" cy="5" r="4" stroke-dasharray="2.500 1.700" />,
};
const gutterWords = { error: "error", half: "no response", cut: "cut off" };

function Gutter({ entry }: { entry: Entry }): JSX.Element | null {
  const kind = gutterOf(entry);
  if (!kind) return null;
  return (
    <svg class={`gutter-mark ${kind === "error" ? "tone-error" : "tone-warn"}`} width="10" height="10" viewBox="0 0 10 10" fill="none" stroke="currentColor" stroke-width="1.300" role="img" aria-label={gutterWords[kind]} data-tip={[gutterWords[kind], entry.status_reason?.replace(/_/g, " ")].filter(Boolean).join(": ")}>
      {gutterShapes[kind]}
    </svg>
  );
}

function Latency({ entry, scale }: { entry: Entry; scale: (micros: number) => number }): JSX.Element | null {
  const all = entry.elapsed_time;
  if (all === undefined) return null;
  const waiting = typeof entry["time_to_response_us"] === "number" ? Math.min(all, entry["time_to_response_us"]) : null;
  const width = 48 * scale(all);
  const share = waiting === null || all === 0 ? 0 : waiting / all;
  return (
    <span class="latency" data-tip={`${formatExactCount(all)} µs${waiting === null ? "" : `\n${formatLatency(waiting)} waiting · ${formatLatency(all - waiting)} transfer`}`}>
      <span class="latency-number mono">{formatLatency(all)}</span>
      <svg width="48" height="10" aria-hidden="true">
        <rect class="latency-all" width={Math.max(2, width)} height="10" />
        {waiting !== null && <rect class="latency-waiting" width={Math.max(0, width * share)} height="10" />}
      </svg>
    </span>
  );
}

function Flags({ entry }: { entry: Entry }): JSX.Element {
  const flags = flagsOf(entry);
  return (
    <span class="flags">
      {flags.decrypted && <span data-tip="Decrypted" role="img" aria-label="decrypted"><Icon name="unlock" /></span>}
      {flags.truncated && <span data-tip="A body or header was kept in part" role="img" aria-label="truncated"><Icon name="cut" /></span>}
      {flags.gap && <span data-tip={`${formatExactCount(entry.gap_bytes ?? 0)} bytes were not recorded`} role="img" aria-label="gap"><Icon name="gap" /></span>}
      {flags.places > 1 && <span data-tip={`Seen at ${flags.places} places`} role="img" aria-label={`seen at ${flags.places} places`}><Icon name="places" /></span>}
    </span>
  );
}

function cell(column: Column, p: Props): JSX.Element | string | null {
  const { entry } = p;
  switch (column.id) {
    case "gutter": return <Gutter entry={entry} />;
    case "time": {
      if (p.mark && p.mark !== entry) {
        const delta = deltaMicros(p.mark.timestamp, entry.timestamp);
        return <span class="mono" data-tip={formatBoth(entry.timestamp)}>{delta < 0 ? "−" : "+"}{formatLatency(Math.abs(delta))}</span>;
      }
      return <span class={`mono ${p.mark === entry ? "marked" : ""}`} data-tip={formatBoth(entry.timestamp)}>{formatTime(entry.timestamp, p.zone)}</span>;
    }
    case "protocol": {
      const tag = protocolTag(entry.protocol);
      return <span class={`tag hue-${tag.hue}`}>{tag.word}</span>;
    }
    case "method": return <span class="mono ellipsis" data-tip={methodOf(entry).length > 9 ? methodOf(entry) : undefined}><Captured text={methodOf(entry)} /></span>;
    case "status": {
      const status = statusOf(entry);
      return <span class={`mono ellipsis tone-${status.tone}`} data-tip={entry.status_reason ? entry.status_reason.replace(/_/g, " ") : undefined}><Captured text={status.word} /></span>;
    }
    case "source": return <EndCell end={entry.src} service={false} />;
    case "destination": return <EndCell end={entry.dst} service />;
    case "summary": return <span class="mono summary"><CutMiddle text={summaryOf(entry)} tail={14} /></span>;
    case "latency": return <Latency entry={entry} scale={p.scale} />;
    case "size": {
      const [response, request] = [responseSize(entry), requestSize(entry)];
      return <span class="mono" data-tip={`request ${request === null ? "unknown" : formatBytes(request)} · response ${response === null ? "none" : formatBytes(response)}`}>{response === null ? "" : formatBytes(response)}</span>;
    }
    case "flags": return <Flags entry={entry} />;
    case "node": return <span class="mono"><CutMiddle text={entry.node?.name ?? ""} tail={6} /></span>;
    case "process": return <span class="mono ellipsis"><Captured text={entry.src.process?.name ?? entry.dst.process?.name ?? ""} /></span>;
    case "request_size": return <span class="mono">{requestSize(entry) === null ? "" : formatBytes(requestSize(entry) ?? 0)}</span>;
    case "connection": return <span class="mono ellipsis">{entry.conn_id}</span>;
    case "version": return <span class="mono">{entry.http_version ?? ""}</span>;
    default: return null;
  }
}

/** Drawn anew only when something it shows has changed: while scrolling, the rows that stay cost nothing. */
export class EntryRow extends Component<Props> {
  override shouldComponentUpdate(next: Props): boolean {
    return (Object.keys(next) as (keyof Props)[]).some((key) => next[key] !== this.props[key]);
  }

  override render(): JSX.Element {
    return <Row {...this.props} />;
  }
}

function Row(p: Props): JSX.Element {
  const { entry, index } = p;
  return (
    <div
      id={`row-${index}`} class={`entry-row ${p.selected ? "selected" : ""} ${p.focused ? "focused" : ""} ${p.mark === entry ? "is-mark" : ""}`} role="row" aria-rowindex={index + 2} aria-selected={p.selected}
      aria-label={`${rowSentence(entry, formatTime(entry.timestamp, p.zone), entry.elapsed_time === undefined ? "" : formatLatency(entry.elapsed_time))}${p.missing && `, then ${p.missing}`}`}
      style={{ transform: `translateY(${p.top}px)`, height: `${p.height}px`, gridTemplateColumns: p.gridTemplate }}
      onClick={() => {
        if (!getSelection()?.toString()) p.onOpen(index);
      }}
    >
      {p.shown.map((column) => (
        <div key={column.id} role="gridcell" class={`entry-cell ${column.right ? "right" : ""} ${p.focused && p.focusColumn === column.id ? "cell-focus" : ""}`} data-column={column.id}
          onContextMenu={(event) => p.onMenu(event, index, column.id)}>
          {cell(column, p)}
        </div>
      ))}
      {p.missing && <span class="row-gap" aria-hidden="true" data-tip={p.missing} />}
    </div>
  );
}
