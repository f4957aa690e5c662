// Calls of one connection or one trace in time order, each with its place in the whole.
import type { JSX } from "preact";
import type { EntriesResponse, Entry } from "../api/types";
import { isCall, methodOf, protocolTag, statusOf, summaryOf } from "../format/entry";
import { formatCount, formatLatency } from "../format/quantity";
import { formatTime, toMs } from "../format/time";
import { preferences } from "../state/preferences";
import { go } from "../state/route";
import { useStore } from "../state/store";
import { Captured } from "../ui/Captured";
import type { Loaded } from "./useEntry";

export function CallList({ calls, entry, label }: { calls: Loaded<EntriesResponse>; entry: Entry; label: string }): JSX.Element {
  const zone = useStore(preferences, (p) => p.zone);
  if (calls.error) return <p class="field-error" role="alert">{calls.error}</p>;
  if (!calls.data) return <p class="hint">Reading…</p>;
  const list = calls.data.entries.filter(isCall);
  if (list.length === 0) return <p class="hint">None was read.</p>;
  const from = Math.min(...list.map((e) => toMs(e.timestamp)));
  const to = Math.max(...list.map((e) => toMs(e.timestamp) + (e.elapsed_time ?? 0) / 1000), from + 0.001);
  const share = (ms: number): number => ((ms - from) / (to - from)) * 100;
  return (
    <>
      <ul class="calls" aria-label={label}>
        {list.map((call) => (
          <li key={call.id}>
            <button type="button" class={`call ${call.id === entry.id ? "selected" : ""}`} aria-current={call.id === entry.id ? "true" : undefined} onClick={() => go({ entry: call.id }, true)}>
              <span class="mono">{formatTime(call.timestamp, zone)}</span>
              <span class={`tag hue-${protocolTag(call.protocol).hue}`}>{protocolTag(call.protocol).word}</span>
              <span class="mono ellipsis"><Captured text={`${methodOf(call)} ${summaryOf(call)}`} /></span>
              <span class={`mono tone-${statusOf(call).tone}`}>{statusOf(call).word}</span>
              <svg class="call-bar" width="100%" height="8" aria-hidden="true"><rect class="latency-all" x={`${share(toMs(call.timestamp))}%`} width={`${Math.max(1, share(toMs(call.timestamp) + (call.elapsed_time ?? 0) / 1000) - share(toMs(call.timestamp)))}%`} height="8" /></svg>
              <span class="mono right">{call.elapsed_time === undefined ? "" : formatLatency(call.elapsed_time)}</span>
            </button>
          </li>
        ))}
      </ul>
      {calls.data.total > calls.data.entries.length && <p class="hint">The first {list.length} of {formatCount(calls.data.total, calls.data.total_is_lower_bound)}.</p>}
    </>
  );
}
