// The request or the response: start line, the protocol's fields of that half, headers, cookies, query, body.
import type { JSX } from "preact";
import { apiUrl } from "../api/client";
import type { Entry } from "../api/types";
import { statusOf, targetOf } from "../format/entry";
import { formatBytes } from "../format/quantity";
import { fieldsStore, noTable } from "../state/fields";
import { useStore } from "../state/store";
import { Captured } from "../ui/Captured";
import { BodyViewer } from "./BodyViewer";
import { FieldSection } from "./FieldRows";
import { CapturedMap, KeyValue } from "./KeyValues";
import { fieldGroups, sideOf } from "./fields";
import { entryPath } from "./useEntry";

const show = (value: unknown): string => (Array.isArray(value) ? value.map((v) => (typeof v === "object" ? JSON.stringify(v) : String(v))).join("\n") : typeof value === "object" ? JSON.stringify(value) : String(value));

export function FieldList({ fields, title }: { fields: [string, unknown][]; title: string }): JSX.Element | null {
  if (fields.length === 0) return null;
  return (
    <section class="entry-section">
      <h3>{title}</h3>
      <dl>{fields.map(([name, value]) => <KeyValue key={name} name={name}>{show(value).split("\n").map((line, i) => <div key={i}><Captured text={line} /></div>)}</KeyValue>)}</dl>
    </section>
  );
}

/** HTTP has headers and always a word about its body; others speak of one when there is one. */
const isHttp = (entry: Entry): boolean => entry.protocol === "http" || entry.method !== undefined;

export function HalfTab({ entry, half, source }: { entry: Entry; half: "request" | "response"; source: string }): JSX.Element {
  const table = useStore(fieldsStore);
  const part = entry[half];
  const groups = fieldGroups(entry, table ?? noTable).filter((g) => g.id !== "identity" && g.id !== "call")
    .map((g) => ({ ...g, fields: g.fields.filter((f) => sideOf(f.name) === half) })).filter((g) => g.fields.length > 0);
  const query = entry["query_string"];
  const version = entry.http_version ? ` HTTP/${entry.http_version}` : "";
  const startLine = !isHttp(entry) ? "" : half === "request" ? `${entry.method ?? ""} ${targetOf(entry)}${version}` : `${version.trim()} ${entry.status_code ?? statusOf(entry).word}`;
  const contentType = part?.headers?.["content-type"] ?? "";
  const empty = part?.body === undefined || part.body === "";
  return (
    <>
      {startLine && <p class="start-line mono"><Captured text={startLine} /></p>}
      {groups.map((group) => <FieldSection key={group.id} entry={entry} group={group} />)}
      {half === "request" && typeof query === "object" && query !== null && <CapturedMap entry={entry} field="query_string" map={query as Record<string, string>} title="Query" />}
      {part?.headers && <CapturedMap entry={entry} field={`${half}.headers`} map={part.headers} title="Headers" />}
      {part?.cookies && <CapturedMap entry={entry} field={`${half}.cookies`} map={part.cookies} title="Cookies" />}
      {(isHttp(entry) || !empty) && (
        <section class="entry-section">
          <h3>{isHttp(entry) ? "Body" : "As read"}</h3>
          {empty || part?.body === undefined
            ? <p class="hint">{(part?.body_size ?? 0) > 0 ? `${formatBytes(part?.body_size ?? 0)}, not kept in this dissection. The packets have it.` : "No body."}</p>
            : <BodyViewer key={`${entry.id}${half}`} body={part.body} contentType={contentType} wireBytes={isHttp(entry) ? part.body_size : undefined} truncated={part.truncated === true} downloadUrl={apiUrl(`${entryPath(source, entry.id)}/body/${half}`)} />}
        </section>
      )}
    </>
  );
}
