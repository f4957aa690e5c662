// One lane a node: what its ring holds, gaps hatched, the chosen window as a frame with two handles.
import type { JSX } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { formatSpan } from "../format/quantity";
import { formatFull, formatMinute, fromMs, type Zone } from "../format/time";
import { CutMiddle } from "../ui/Captured";
import { shortNodeName } from "./status";
import { axisTicks, heldSeconds, merged, type Lane } from "./window";

interface Props {
  lanes: Lane[];
  window: { from: number; to: number };
  now: number;
  zone: Zone;
  onChange: (window: { from: number; to: number }) => void;
}

const laneHeight = 14;
const laneStep = 18;
const axisHeight = 18;
const mostLanes = 8;

function laneRows(lanes: Lane[], window: { from: number; to: number }): Lane[] {
  if (lanes.length <= mostLanes) return lanes;
  const worstFirst = [...lanes].sort((a, b) => heldSeconds(a, window.from, window.to) - heldSeconds(b, window.from, window.to));
  const sum: Lane = { name: `all ${lanes.length} nodes`, held: merged(lanes.flatMap((l) => l.held)), gaps: lanes.flatMap((l) => l.gaps), bytes: 0 };
  return [sum, ...worstFirst.slice(0, mostLanes - 1)];
}

export function AvailabilityStrip({ lanes, window, now, zone, onChange }: Props): JSX.Element {
  const chart = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(500);
  const [drag, setDrag] = useState<{ anchor: number } | null>(null);
  useLayoutEffect(() => {
    const box = chart.current;
    if (!box) return;
    const observer = new ResizeObserver(() => setWidth(Math.max(100, box.clientWidth)));
    observer.observe(box);
    return () => observer.disconnect();
  }, []);

  const rows = laneRows(lanes, window);
  const oldest = Math.min(...lanes.flatMap((l) => l.held.map((h) => h.from)), now - 600_000);
  const reach = Math.max(now, window.to);
  const start = Math.max(Math.min(oldest, Math.max(window.from, oldest - (reach - oldest))), reach - 7 * 864e5);
  const pad = (reach - start) * 0.02;
  const [left, right] = [start - pad, reach + pad];
  const x = (ms: number): number => Math.max(0, Math.min(width, ((ms - left) / (right - left)) * width));
  const timeAt = (clientX: number): number => {
    const box = chart.current?.getBoundingClientRect();
    return box ? Math.round((left + ((clientX - box.left) / box.width) * (right - left)) / 1000) * 1000 : now;
  };
  const height = axisHeight + rows.length * laneStep;
  const set = (edge: "from" | "to", ms: number): void => {
    if (edge === "from") onChange({ from: Math.min(ms, window.to - 1000), to: window.to });
    else onChange({ from: window.from, to: Math.max(ms, window.from + 1000) });
  };
  const handle = (edge: "from" | "to"): JSX.Element => (
    <div
      class="strip-handle" role="slider" tabIndex={0} aria-label={edge === "from" ? "Start of the window" : "End of the window"} aria-valuemin={Math.round(left)} aria-valuemax={Math.round(right)} aria-valuenow={Math.round(window[edge])}
      aria-valuetext={formatFull(fromMs(window[edge]), zone)} style={{ left: `${x(window[edge]) - 4}px`, top: `${axisHeight - 2}px`, height: `${height - axisHeight}px` }}
      onKeyDown={(event) => {
        const step = { ArrowLeft: -1000, ArrowDown: -1000, ArrowRight: 1000, ArrowUp: 1000 }[event.key];
        if (step === undefined) return;
        event.preventDefault();
        set(edge, window[edge] + step * (event.shiftKey ? 60 : 1));
      }}
      onPointerDown={(event) => {
        event.stopPropagation();
        event.currentTarget.setPointerCapture(event.pointerId);
      }}
      onPointerMove={(event) => {
        if (event.currentTarget.hasPointerCapture(event.pointerId)) set(edge, timeAt(event.clientX));
      }}
    />
  );

  return (
    <div class="strip">
      <div class="strip-names" aria-hidden="true">
        {rows.map((lane) => <div key={lane.name} class="strip-name"><CutMiddle text={shortNodeName(lane.name, lanes.map((l) => l.name))} tail={8} tip={lane.name} /></div>)}
      </div>
      <div
        ref={chart} class="strip-chart" style={{ height: `${height}px` }} role="group" aria-label="What the nodes hold"
        onPointerDown={(event) => {
          const at = timeAt(event.clientX);
          setDrag({ anchor: at });
          event.currentTarget.setPointerCapture(event.pointerId);
        }}
        onPointerMove={(event) => {
          if (!drag) return;
          const at = timeAt(event.clientX);
          if (Math.abs(at - drag.anchor) >= 1000) onChange({ from: Math.min(at, drag.anchor), to: Math.max(at, drag.anchor) });
        }}
        onPointerUp={() => setDrag(null)}
        onPointerCancel={() => setDrag(null)}
      >
        <svg width={width} height={height} aria-hidden="true">
          <defs>
            <pattern id="strip-hatch" width="4" height="4" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
              <rect width="4" height="4" class="hatch-back" />
              <rect width="1" height="4" class="hatch-line" />
            </pattern>
          </defs>
          {axisTicks(left, right, Math.max(2, Math.floor(width / 80))).map((at) => (
            <g key={at}>
              <line class="axis-line" x1={x(at)} x2={x(at)} y1={axisHeight - 4} y2={height} />
              <text class="axis-text" x={Math.min(width - 17, Math.max(17, x(at)))} y="11" text-anchor="middle">{formatMinute(fromMs(at), zone)}</text>
            </g>
          ))}
          {rows.map((lane, row) => (
            <g key={lane.name} transform={`translate(0 ${axisHeight + row * laneStep})`}>
              <rect class="lane-back" width={width} height={laneHeight} />
              {lane.held.map((held, i) => <rect class="lane-held" key={i} x={x(held.from)} width={Math.max(1, x(held.to) - x(held.from))} height={laneHeight} />)}
              {lane.gaps.map((gap, i) => <rect fill="url(#strip-hatch)" key={`g${i}`} x={x(gap.from)} width={Math.max(2, x(gap.to) - x(gap.from))} height={laneHeight} />)}
            </g>
          ))}
          <line class="now-line" x1={x(now)} x2={x(now)} y1={axisHeight - 4} y2={height} />
          <rect class="strip-window" x={x(window.from)} y={axisHeight - 2} width={Math.max(2, x(window.to) - x(window.from))} height={height - axisHeight} />
        </svg>
        {handle("from")}
        {handle("to")}
      </div>
      <p class="hint strip-legend"><span class="legend held" /> held <span class="legend gap" /> gap <span class="legend chosen" /> chosen: {formatSpan((window.to - window.from) / 1000)}</p>
    </div>
  );
}
