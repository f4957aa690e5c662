import type { JSX } from "preact";
import type { Entry } from "../api/types";
import { formatExactCount, formatLatency } from "../format/quantity";
import { KeyValue } from "./KeyValues";
import { transportFields } from "./tabs";
import { phases } from "./TimeBar";

const words: Record<string, string> = {
  tcp_handshake_us: "TCP handshake", tcp_initial_rtt_us: "Round trip at the start", tcp_rtt_avg_us: "Round trip, average", tcp_time_to_first_byte_us: "Time to the first byte", tcp_retransmissions: "Retransmissions", tcp_fast_retransmissions: "Fast retransmissions",
  tcp_out_of_order: "Out of order", tcp_duplicate_acks: "Duplicate ACKs", tcp_zero_windows: "Zero windows", tcp_resets: "Resets", tcp_missing_segments: "Missing segments", tcp_goodput_bytes: "Bytes carried",
};

export function TimingTab({ entry }: { entry: Entry }): JSX.Element {
  const connect = typeof entry["tcp_handshake_us"] === "number" ? entry["tcp_handshake_us"] : 0;
  const bars = [...(connect > 0 ? [{ word: "connect (before the call)", micros: connect, kind: "connect" }] : []), ...(entry.elapsed_time === undefined ? [] : phases(entry))];
  const all = Math.max(1, bars.reduce((sum, bar) => sum + bar.micros, 0));
  const transport = transportFields(entry);
  let at = 0;
  return (
    <>
      <section class="entry-section">
        <h3>Where the time went</h3>
        {bars.length === 0 && <p class="hint">Without a response there is no time to show.</p>}
        <div class="phases" role="img" aria-label={bars.map((b) => `${b.word} ${formatLatency(b.micros)}`).join(", ")}>
          {bars.map((bar) => {
            const left = (at / all) * 100;
            at += bar.micros;
            return (
              <div class="phase" key={bar.kind}>
                <span class="phase-word">{bar.word}</span>
                <svg class="phase-bar" width="100%" height="12"><rect class={`phase-${bar.kind}`} x={`${left}%`} width={`${Math.max(0.4, (bar.micros / all) * 100)}%`} height="12" /></svg>
                <span class="phase-number mono">{formatLatency(bar.micros)}</span>
              </div>
            );
          })}
        </div>
      </section>
      <dl class="entry-section">
        {entry.elapsed_time !== undefined && <KeyValue name="Whole call">{formatLatency(entry.elapsed_time)} <span class="hint">{formatExactCount(entry.elapsed_time)} µs</span></KeyValue>}
        {transport.filter(([name]) => name.startsWith("tcp_")).map(([name, value]) => (
          <KeyValue key={name} name={words[name] ?? name} tip={name}>
            {typeof value === "number" ? (name.endsWith("_us") ? formatLatency(value) : formatExactCount(value)) : String(value)}
            {typeof value === "number" && value > 0 && /retrans|zero_w|resets|missing/.test(name) && <span class="tone-warn"> ▲</span>}
          </KeyValue>
        ))}
      </dl>
    </>
  );
}
