// The exact clause that a value on the screen stands for. What belongs to a protocol carries its flag, so that the zero of absent fields matches nothing.
import type { Entry, FieldInfo } from "../api/types";
import { addressOf } from "../format/entry";
import { isCall, methodField, statusField, subjectField, type Named } from "../format/protocol";
import { ownerOf, type FieldTable } from "../state/fields";
import { quote } from "./clauses";

export interface ValueClause {
  /** The value as it is copied. */
  value: string;
  name: string;
  clause: string;
  not: string;
}

type Table = Pick<FieldTable, "byName" | "flags"> | null;

const compared = (guard: string, field: string, literal: string, value: string): ValueClause => {
  const front = guard ? `${guard} && ` : "";
  return { value, name: field, clause: `${front}${field} == ${literal}`, not: `${front}${field} != ${literal}` };
};

const contained = (guard: string, field: string, literal: string, value: string): ValueClause => {
  const front = guard ? `${guard} && ` : "";
  return { value, name: field, clause: `${front}${literal} in ${field}`, not: `${front}!(${literal} in ${field})` };
};

/** Common fields that say nothing about a protocol: a guard would only make the filter longer. */
const common = /^(id|index|protocol|timestamp|elapsed_time|latency|summary|status|status_reason|incomplete|truncated|gap_bytes|seen_at|has_pcap|stream|conn_id|flow_id|capture_source|capture_backend|hop|tls|tcp|udp|trace_id|request_id|time_to_response_us)$|^(src|dst|node|local|remote)[._]/;

/** The flag that a clause of this field has to carry, or "". */
export function guardOf(entry: Entry, name: string, table: Table): string {
  if (common.test(name)) return "";
  const owner = ownerOf(name, table?.byName.get(name), table?.flags ?? new Set([entry.protocol]));
  // A connection's counters stand on calls too: there its flag would match none of them.
  if (owner === "conn" || owner === "flow") return isCall(entry) ? "" : owner;
  // A name without a flag in front (status_code, query_template) may belong to several protocols: here it is this entry's.
  const guard = name.startsWith(`${owner}_`) ? owner : entry.protocol;
  return table && !table.flags.has(guard) ? "" : guard;
}

const longestLiteral = 1024;

/** A clause for the value of a field, or null when none would say it exactly (bodies, maps, very long texts). */
export function clauseOfField(entry: Entry, name: string, value: unknown, table: Table): ValueClause | null {
  const info: FieldInfo | undefined = table?.byName.get(name);
  const guard = guardOf(entry, name, table);
  const front = guard ? `${guard} && ` : "";
  if (typeof value === "boolean") return { value: String(value), name, clause: `${front}${value ? "" : "!"}${name}`, not: `${front}${value ? "!" : ""}${name}` };
  if (typeof value === "number") return info?.type.startsWith("list") ? contained(guard, name, String(value), String(value)) : compared(guard, name, String(value), String(value));
  if (Array.isArray(value)) return value.length > 0 ? clauseOfMember(entry, name, value[0], table) : null;
  if (typeof value !== "string" || value.length > longestLiteral) return null;
  if (info?.type === "timestamp") return compared(guard, name, `timestamp(${quote(value)})`, value);
  if (info?.type.startsWith("list")) return contained(guard, name, quote(value), value);
  return compared(guard, name, quote(value), value);
}

/** One member of a list. */
export function clauseOfMember(entry: Entry, name: string, member: unknown, table: Table): ValueClause | null {
  if (typeof member !== "string" && typeof member !== "number") return null;
  if (String(member).length > longestLiteral) return null;
  return contained(guardOf(entry, name, table), name, typeof member === "number" ? String(member) : quote(member), String(member));
}

/** One key of a map: headers, cookies, query. */
export function clauseOfKey(entry: Entry, name: string, key: string, value: string, table: Table): ValueClause | null {
  return value.length > longestLiteral ? null : compared(guardOf(entry, name, table), `${name}[${quote(key)}]`, quote(value), value);
}

function end(entry: Entry, side: "src" | "dst"): ValueClause {
  const at = entry[side];
  if (side === "dst" && at.service) return compared("", "dst.service.name", quote(at.service.name), at.service.name);
  if (at.pod) return compared("", `${side}.pod.name`, quote(at.pod.name), at.pod.name);
  if (at.name) return compared("", `${side}.name`, quote(at.name), at.name);
  return { ...compared("", `${side}.ip`, quote(at.ip), at.ip), value: addressOf(at) };
}

/** The clause that a cell of the table stands for, or null when there is none. */
export function clauseOfCell(entry: Entry, column: string, table: Table = null): ValueClause | null {
  const { protocol } = entry;
  const of = (field: Named | null): ValueClause | null => field && clauseOfField(entry, field[0], field[1], table);
  switch (column) {
    case "protocol": return { value: protocol, name: "protocol", clause: `protocol == ${quote(protocol)}`, not: `protocol != ${quote(protocol)}` };
    case "method": return of(methodField(entry));
    case "status":
      if (entry.status === "no_response" || entry.status === "open" || entry.status === "incomplete") return compared("", "status", quote(entry.status), entry.status);
      if (protocol === "dns" && entry["dns_rcode"] !== undefined) return clauseOfField(entry, "dns_rcode", entry["dns_rcode"], table);
      if (protocol === "grpc" && entry["grpc_status"] !== undefined) return clauseOfField(entry, "grpc_status", entry["grpc_status"], table);
      if (protocol !== "http" && statusField(entry)) return of(statusField(entry));
      if (entry.status_code !== undefined) return clauseOfField(entry, "status_code", entry.status_code, table);
      return compared("", "status", quote(entry.status), entry.status);
    case "source": return end(entry, "src");
    case "destination": return end(entry, "dst");
    case "summary": return of(subjectField(entry));
    case "latency":
      return entry.elapsed_time === undefined ? null : { value: String(entry.elapsed_time), name: "elapsed_time", clause: `elapsed_time >= ${entry.elapsed_time}`, not: `elapsed_time < ${entry.elapsed_time}` };
    case "size":
      return entry.response?.size === undefined ? null : { value: String(entry.response.size), name: "response.size", clause: `response.size >= ${entry.response.size}`, not: `response.size < ${entry.response.size}` };
    case "node": return entry.node ? compared("", "node.name", quote(entry.node.name), entry.node.name) : null;
    default: return null;
  }
}
