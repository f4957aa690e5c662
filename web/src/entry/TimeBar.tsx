import type { JSX } from "preact";
import type { Entry } from "../api/types";
import { formatLatency } from "../format/quantity";

const number = (value: unknown): number | null => (typeof value === "number" ? value : null);

/** Where the time of a call went: waiting for the first byte, and the transfer around it. */
export function phases(entry: Entry): { word: string; micros: number; kind: string }[] {
  const all = entry.elapsed_time ?? 0;
  const waiting = number(entry["time_to_response_us"]);
  if (waiting === null || waiting > all) return [{ word: "request to last byte", micros: all, kind: "transfer" }];
  return [{ word: "waiting for the answer", micros: waiting, kind: "waiting" }, { word: "sending and receiving", micros: all - waiting, kind: "transfer" }];
}

export function TimeBar({ entry, width = 320 }: { entry: Entry; width?: number }): JSX.Element {
  const all = Math.max(1, entry.elapsed_time ?? 1);
  let x = 0;
  const parts = phases(entry);
  return (
    <div class="time-bar">
      <svg width={width} height="10" aria-hidden="true">
        {parts.map((part) => {
          const at = x;
          const w = (part.micros / all) * width;
          x += w;
          return <rect key={part.kind} class={`phase-${part.kind}`} x={at} width={Math.max(w > 0 ? 1 : 0, w)} height="10" />;
        })}
      </svg>
      <span class="hint">{parts.map((part) => `${formatLatency(part.micros)} ${part.word}`).join(" · ")}</span>
    </div>
  );
}
