// Calls over time, stacked by status, errors on top; gaps hatched over the full height; p50 and p95 below. Dragging sets the time range.
import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { get } from "../api/client";
import type { Interval, TimelineResponse } from "../api/types";
import { formatCount, formatLatency } from "../format/quantity";
import { formatClock, formatMinute, formatTime, fromMs, toMs } from "../format/time";
import { preferences } from "../state/preferences";
import { go } from "../state/route";
import { useStore } from "../state/store";
import { axisTicks } from "../snapshots/window";
import type { EntryQuery } from "./useEntries";

interface Props {
  query: EntryQuery;
  range: { from: string; to: string };
  gaps: Interval[];
  refresh: number;
  height: number;
}

const barStep = 12;
const gapWidth = 2;
const stripHeight = 16;
const axisHeight = 14;
const parts = ["ok", "client_error", "error", "no_response"] as const;
const words = { ok: "ok", client_error: "4xx", error: "errors", no_response: "no answer" };

export function Timeline({ query, range, gaps, refresh, height }: Props): JSX.Element {
  const zone = useStore(preferences, (p) => (p.zone === "relative" ? "local" : p.zone));
  const box = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  const [data, setData] = useState<TimelineResponse | null>(null);
  const [brush, setBrush] = useState<{ a: number; b: number } | null>(null);
  const buckets = Math.max(10, Math.floor((width - 16) / barStep));
  const { source, filter } = query;

  useLayoutEffect(() => {
    if (!box.current) return;
    const observer = new ResizeObserver(([entry]) => entry && setWidth(Math.floor(entry.contentRect.width)));
    observer.observe(box.current);
    return () => observer.disconnect();
  }, []);

  useEffect(() => {
    if (width === 0) return;
    const stop = new AbortController();
    get<TimelineResponse>("aggregate/timeline", { source, filter, from: range.from, to: range.to, buckets }, stop.signal).then(setData, () => undefined);
    return () => stop.abort();
  }, [source, filter, range.from, range.to, buckets, refresh, width === 0]);

  if (!data || width === 0) return <div ref={box} class="timeline" style={{ height: `${height}px` }} aria-busy={!data} />;

  const [from, to] = [toMs(data.from), toMs(data.to)];
  const inner = width - 16;
  const x = (ms: number): number => 8 + ((ms - from) / Math.max(1, to - from)) * inner;
  const timeAt = (clientX: number): number => {
    const left = box.current?.getBoundingClientRect().left ?? 0;
    return Math.min(to, Math.max(from, from + ((clientX - left - 8) / inner) * (to - from)));
  };
  const barsHeight = height - stripHeight - axisHeight - 8;
  const totals = data.buckets.map((b) => parts.reduce((sum, part) => sum + b[part], 0));
  const most = Math.max(1, ...totals);
  const slowest = Math.max(1, ...data.buckets.map((b) => b.p95_us));
  // The hub leaves empty buckets out: each stands where its time is.
  const step = Math.max(1, (data.bucket_ns / 1e6 / Math.max(1e-6, to - from)) * inner);
  const left = (i: number): number => x(toMs(data.buckets[i]?.at ?? data.from));
  const line = (key: "p50_us" | "p95_us"): string => data.buckets.map((b, i) => (totals[i] ? `${(left(i) + step / 2).toFixed(1)},${(height - 1 - (Math.log1p(b[key]) / Math.log1p(slowest)) * (stripHeight - 3)).toFixed(1)}` : "")).filter(Boolean).join(" ");
  const moveBrush = (a: number, b: number): void => go({ from: fromMs(Math.floor(a)), to: fromMs(Math.ceil(b)), entry: "" });
  const onKeyDown = (event: KeyboardEvent): void => {
    const span = to - from;
    if (event.key === "ArrowLeft") moveBrush(from - span / 4, to - span / 4);
    else if (event.key === "ArrowRight") moveBrush(from + span / 4, to + span / 4);
    else if (event.key === "+") moveBrush(from + span / 4, to - span / 4);
    else if (event.key === "-") moveBrush(from - span / 2, to + span / 2);
    else if (event.key === "Escape" || event.key === "Home") go({ from: "", to: "" });
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const errors = data.buckets.reduce((sum, b) => sum + b.error, 0);

  return (
    <div ref={box} class="timeline" style={{ height: `${height}px` }} tabIndex={0} role="group" data-region="timeline" data-region-focus
      aria-label={`Timeline ${formatClock(data.from, zone)} to ${formatClock(data.to, zone)}: ${formatCount(totals.reduce((a, b) => a + b, 0))} calls, ${formatCount(errors)} errors. Arrows move, plus and minus zoom, Escape shows all.`}
      onKeyDown={onKeyDown}
      onDblClick={() => go({ from: "", to: "" })}
      onPointerDown={(event) => {
        if (event.button !== 0) return;
        const at = timeAt(event.clientX);
        event.currentTarget.setPointerCapture(event.pointerId);
        setBrush({ a: at, b: at });
      }}
      onPointerMove={(event) => brush && setBrush({ ...brush, b: timeAt(event.clientX) })}
      onPointerUp={() => {
        if (brush && Math.abs(x(brush.a) - x(brush.b)) > 4) moveBrush(Math.min(brush.a, brush.b), Math.max(brush.a, brush.b));
        setBrush(null);
      }}
      onPointerCancel={() => setBrush(null)}
    >
      <svg width={width} height={height} aria-hidden="true">
        <defs>
          <pattern id="time-hatch" width="4" height="4" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect width="4" height="4" class="hatch-back" /><rect width="1" height="4" class="hatch-line" /></pattern>
          <pattern id="no-answer-hatch" width="4" height="4" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect width="4" height="4" class="t-none-back" /><rect width="1.500" height="4" class="t-none-line" /></pattern>
        </defs>
        {gaps.filter((g) => toMs(g.to) > from && toMs(g.from) < to).map((g) => {
          const a = Math.max(8, x(toMs(g.from)));
          return <rect key={g.from} fill="url(#time-hatch)" x={a} y="0" width={Math.max(2, Math.min(width - 8, x(toMs(g.to))) - a)} height={height} />;
        })}
        {data.buckets.map((bucket, i) => {
          let y = 4 + barsHeight;
          return (
            <g key={bucket.at}>
              {parts.map((part) => {
                if (bucket[part] === 0) return null;
                const h = Math.max(part === "ok" ? 1 : 2, (bucket[part] / most) * barsHeight);
                y -= h;
                return <rect key={part} class={`t-${part}`} x={left(i)} y={y} width={Math.max(1, step - gapWidth)} height={h} {...(part === "no_response" && { fill: "url(#no-answer-hatch)" })} />;
              })}
              {(totals[i] ?? 0) > 0 && (
                <rect class="t-hit" x={left(i)} y="0" width={step} height={height}
                  data-tip={brush ? undefined : `${formatTime(bucket.at, zone)}\n${parts.filter((p) => bucket[p] > 0).map((p) => `${formatCount(bucket[p])} ${words[p]}`).join(" · ")}\np50 ${formatLatency(bucket.p50_us)} · p95 ${formatLatency(bucket.p95_us)}`} />
              )}
            </g>
          );
        })}
        {axisTicks(from, to, Math.max(2, Math.floor(width / 120))).map((at) => (
          <text key={at} class="axis-text" x={Math.min(width - 30, Math.max(30, x(at)))} y={height - stripHeight - 2} text-anchor="middle">{(to - from) / 1000 > 600 ? formatMinute(fromMs(at), zone) : formatClock(fromMs(at), zone)}</text>
        ))}
        <line class="t-base" x1="0" x2={width} y1={4 + barsHeight + 0.5} y2={4 + barsHeight + 0.5} />
        <polyline class="t-p95" points={line("p95_us")} />
        <polyline class="t-p50" points={line("p50_us")} />
        {brush && <rect class="t-brush" x={Math.min(x(brush.a), x(brush.b))} y="0" width={Math.abs(x(brush.a) - x(brush.b))} height={height} />}
      </svg>
    </div>
  );
}
