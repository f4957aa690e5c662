// What is filtered as a file: CSV and JSONL page by page as the list has it, without headers and bodies; HAR with both.
import { get, post } from "../api/client";
import type { EntriesResponse, Entry } from "../api/types";
import { addressOf, endName, methodOf, requestSize, responseSize, statusOf, summaryOf } from "../format/entry";
import { formatCount } from "../format/quantity";
import { say, sayError } from "../ui/Toasts";
import { saveText } from "../ui/clipboard";
import type { EntryQuery } from "./useEntries";

const mostRows = 50_000;
const page = 1000;
const mostArchived = 2000;

/** Quotes doubled; a leading = + - @ is kept from being a formula in a spreadsheet, control characters are written as \xNN. */
export function csvCell(value: string | number | undefined | null): string {
  if (value === undefined || value === null) return "";
  if (typeof value === "number") return String(value);
  const shown = value.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, (c) => (c < "\u0100" ? `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}` : `\\u{${c.charCodeAt(0).toString(16)}}`));
  const text = /^[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/.test(value) ? `'${shown}` : shown;
  return /[",\n\r]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
}

const csvColumns: [string, (e: Entry) => string | number | undefined | null][] = [
  ["id", (e) => e.id], ["timestamp", (e) => e.timestamp], ["protocol", (e) => e.protocol], ["method", methodOf], ["status", (e) => e.status], ["status_code", (e) => e.status_code], ["status_word", (e) => statusOf(e).word],
  ["src", (e) => endName(e.src, false).name], ["src.address", (e) => addressOf(e.src)], ["dst", (e) => endName(e.dst, true).name], ["dst.address", (e) => addressOf(e.dst)], ["summary", summaryOf],
  ["elapsed_time", (e) => e.elapsed_time], ["request.size", requestSize], ["response.size", responseSize], ["node", (e) => e.node?.name], ["conn_id", (e) => e.conn_id], ["incomplete", (e) => String(e.incomplete === true)], ["gap_bytes", (e) => e.gap_bytes ?? 0],
];

export function toCsv(rows: Entry[]): string {
  return [csvColumns.map(([name]) => name).join(","), ...rows.map((row) => csvColumns.map(([, read]) => csvCell(read(row))).join(","))].join("\r\n") + "\r\n";
}

const fileName = (name: string, format: string): string => `${name.replace(/[^A-Za-z0-9._-]+/g, "-") || "calls"}.${format}`;

interface HttpArchive {
  log: { entries: unknown[]; comment?: string };
}

/** The HTTP calls as an HTTP Archive, oldest first; the hub makes it, a browser can hold only so many bodies. */
export async function exportArchive(query: EntryQuery, name: string): Promise<void> {
  try {
    const { source, filter, from, to } = query;
    const asked = { source, ...(filter && { filter }), ...(from && { from }), ...(to && { to }), order: "+time", limit: mostArchived };
    const archive = await post<HttpArchive>("entries/har", asked);
    const file = fileName(name, "har");
    saveText(JSON.stringify(archive), file, "application/json");
    const { entries, comment } = archive.log;
    const leftOut = comment ? ` ${comment}.` : "";
    const looked = entries.length + (Number.parseInt(comment ?? "", 10) || 0);
    if (looked < mostArchived) say("ok", `${formatCount(entries.length)} HTTP calls are in ${file}.${leftOut}`);
    else say("warn", `The first ${formatCount(entries.length)} HTTP calls are in ${file}; the rest is more than a browser should hold. trawl entries --har writes all of them.`);
  } catch (error) {
    sayError(error);
  }
}

export async function exportRows(query: EntryQuery, format: "csv" | "jsonl", name: string): Promise<void> {
  try {
    const rows: Entry[] = [];
    let cursor: string | null = null;
    do {
      const answer: EntriesResponse = await get<EntriesResponse>("entries", { ...query, order: query.order || "-time", limit: page, cursor: cursor ?? undefined });
      rows.push(...answer.entries);
      cursor = answer.next_cursor;
    } while (cursor !== null && rows.length < mostRows);
    const file = fileName(name, format);
    if (format === "csv") saveText(toCsv(rows), file, "text/csv");
    else saveText(rows.map((r) => JSON.stringify(r)).join("\n") + "\n", file, "application/x-ndjson");
    if (cursor === null) say("ok", `${formatCount(rows.length)} calls are in ${file}, without headers and bodies.`);
    else say("warn", `The first ${formatCount(rows.length)} calls are in ${file}; the rest is more than a browser should hold. trawl entries --${format} writes all of them.`);
  } catch (error) {
    sayError(error);
  }
}
