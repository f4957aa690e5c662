// The request or the response: start line, headers, cookies, query, body; for other protocols their own fields.
import type { JSX } from "preact";
import { apiUrl } from "../api/client";
import type { Entry } from "../api/types";
import { statusOf } from "../format/entry";
import { formatBytes } from "../format/quantity";
import { Captured } from "../ui/Captured";
import { BodyViewer } from "./BodyViewer";
import { CapturedMap, KeyValue } from "./KeyValues";
import { protocolFields } from "./tabs";
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

export function HalfTab({ entry, half, source }: { entry: Entry; half: "request" | "response"; source: string }): JSX.Element {
  const part = entry[half];
  const fields = protocolFields(entry);
  const query = entry["query_string"];
  const version = entry.http_version ? ` HTTP/${entry.http_version}` : "";
  const startLine = entry.protocol !== "http" ? "" : half === "request" ? `${entry.method ?? ""} ${entry.url?.replace(/^https?:\/\/[^/]*/, "") || entry.path || ""}${version}` : `${version.trim()} ${entry.status_code ?? statusOf(entry).word}`;
  const contentType = part?.headers?.["content-type"] ?? "";
  const empty = part?.body === undefined || part.body === "";
  return (
    <>
      {startLine && <p class="start-line mono"><Captured text={startLine} /></p>}
      <FieldList fields={half === "request" ? fields.asked : fields.answered} title={half === "request" ? "Asked" : "Answered"} />
      {half === "request" && typeof query === "object" && query !== null && <CapturedMap map={query as Record<string, string>} title="Query" />}
      {part?.headers && <CapturedMap map={part.headers} title="Headers" />}
      {part?.cookies && <CapturedMap map={part.cookies} title="Cookies" />}
      {entry.protocol === "http" && (
        <section class="entry-section">
          <h3>Body</h3>
          {empty || part?.body === undefined
            ? <p class="hint">{(part?.body_size ?? 0) > 0 ? `${formatBytes(part?.body_size ?? 0)}, not kept in this dissection. The packets have it.` : "No body."}</p>
            : <BodyViewer key={`${entry.id}${half}`} body={part.body} contentType={contentType} wireBytes={part.body_size} truncated={part.truncated === true} downloadUrl={apiUrl(`${entryPath(source, entry.id)}/body/${half}`)} />}
        </section>
      )}
    </>
  );
}
