// What was asked, what came back, how long, who, and what is not known about this call: in this order.
import type { JSX } from "preact";
import type { Endpoint, Entry } from "../api/types";
import { addressOf, askedOf, endName, requestSize, responseSize, statusOf } from "../format/entry";
import { formatBytes, formatExactCount, formatLatency } from "../format/quantity";
import { formatBoth } from "../format/time";
import { Captured } from "../ui/Captured";
import { KeyValue } from "./KeyValues";
import { fieldsStore, noTable } from "../state/fields";
import { useStore } from "../state/store";
import { clauseOfCell } from "../stream/valueClauses";
import { FieldSection } from "./FieldRows";
import { TimeBar } from "./TimeBar";
import { Value } from "./Value";
import { fieldGroups } from "./fields";

const reasons: Record<string, string> = {
  client_cancel: "the client gave up before the answer", server_reset: "the server reset the connection", closed: "the connection was closed without an answer", refused: "the connection was refused", timeout: "no answer came in time",
  window_start: "it began before the window of the snapshot", window_end: "it was still running when the window ended", capture_gap: "packets inside it were not recorded",
};

/** Each a sentence; empty when everything about the call is known. */
export function unknowns(entry: Entry): string[] {
  const list: string[] = [];
  const reason = entry.status_reason ? reasons[entry.status_reason] ?? entry.status_reason.replace(/_/g, " ") : "";
  if (entry.status === "no_response") list.push(`No response${reason ? `: ${reason}` : " was seen"}.`);
  else if (entry.incomplete || entry.status === "incomplete") list.push(`Only part of it was recorded${reason ? `: ${reason}` : ""}.`);
  else if (entry.status === "open") list.push("It was still running at the end of the data.");
  if ((entry.gap_bytes ?? 0) > 0) list.push(`${formatExactCount(entry.gap_bytes ?? 0)} bytes inside it were not recorded.`);
  if (entry.truncated || entry.request?.truncated || entry.response?.truncated) list.push("A body or header was over the cap and is kept in part.");
  if (entry.protocol === "tlsx") list.push("Encrypted: only the TLS hello could be read.");
  return list;
}

function End({ entry, word, end, service }: { entry: Entry; word: string; end: Endpoint; service: boolean }): JSX.Element {
  const name = endName(end, service);
  const clause = clauseOfCell(entry, service ? "destination" : "source");
  return (
    <KeyValue name={word}>
      <Value entry={entry} name={clause?.name ?? word} text={clause?.value ?? name.name} clause={clause}><Captured text={name.address ? name.name : `${name.namespace ? `${name.namespace}/` : ""}${name.name}`} /></Value>
      {!name.address && <span class="hint"> {addressOf(end)}</span>}
      {end.process && <span class="hint"> · <Captured text={end.process.name} /> ({end.process.pid})</span>}
    </KeyValue>
  );
}

export function SummaryTab({ entry }: { entry: Entry }): JSX.Element {
  const status = statusOf(entry);
  const [response, request] = [responseSize(entry), requestSize(entry)];
  const open = unknowns(entry);
  const table = useStore(fieldsStore);
  const came = clauseOfCell(entry, "status", table);
  const seen = entry["seen_at"];
  return (
    <>
    <dl class="entry-section">
      <KeyValue name="Asked"><Captured text={askedOf(entry)} />{request !== null && <span class="hint"> · {formatBytes(request)}</span>}</KeyValue>
      <KeyValue name="Came back">
        <Value entry={entry} name={came?.name ?? "status"} text={came?.value ?? status.word} clause={came}><span class={`tone-${status.tone}`}><Captured text={status.word} /></span></Value>
        {response !== null && <span class="hint"> · {formatBytes(response)}</span>}
        {typeof entry["content_type"] === "string" && <span class="hint"> · <Captured text={entry["content_type"]} /></span>}
      </KeyValue>
      <KeyValue name="Took">
        {entry.elapsed_time === undefined ? entry.status === "ok" && (entry.response === undefined || entry.request === undefined) ? <span class="hint">nothing: a message without an answer</span> : <span class="unknown">unknown</span> : <span data-tip={`${formatExactCount(entry.elapsed_time)} µs`}>{formatLatency(entry.elapsed_time)}</span>}
        {entry.elapsed_time !== undefined && <TimeBar entry={entry} />}
      </KeyValue>
      <KeyValue name="At" tip={formatBoth(entry.timestamp)}>{formatBoth(entry.timestamp).split("\n").map((line, i) => <div key={line} class={i ? "hint" : ""}>{line}</div>)}</KeyValue>
      <End entry={entry} word="From" end={entry.src} service={false} />
      <End entry={entry} word="To" end={entry.dst} service />
      {entry.node && <KeyValue name="Recorded by"><Captured text={entry.node.name} />{Array.isArray(seen) && seen.length > 0 && <span class="hint"> · seen at <Captured text={seen.map(String).join(", ")} /></span>}</KeyValue>}
      <KeyValue name="Not known">
        {open.length === 0 ? "nothing: the call was recorded whole" : <ul class="unknowns">{open.map((text) => <li key={text} class="tone-warn">{text}</li>)}</ul>}
      </KeyValue>
    </dl>
    {fieldGroups(entry, table ?? noTable).map((group) => <FieldSection key={group.id} entry={entry} group={group} />)}
    </>
  );
}
