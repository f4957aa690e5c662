// An entry's fields in groups, by the hub's table: the protocol's own first, then those it stands on, the connection's, and who it is. Pure.
import type { Entry, FieldInfo } from "../api/types";
import { ownerOf } from "../state/fields";

export interface ShownField {
  name: string;
  value: unknown;
  info: FieldInfo | null;
}

export interface FieldGroup {
  /** A protocol, "call" for what calls of many protocols have, "identity", or "other" for names that are not in the table. */
  id: string;
  fields: ShownField[];
}

/** `src.pod.name` of an entry; undefined when there is none. */
export function valueAt(entry: Entry, name: string): unknown {
  if (Object.hasOwn(entry, name)) return entry[name];
  let at: unknown = entry;
  for (const key of name.split(".")) {
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, key)) return undefined;
    at = (at as Record<string, unknown>)[key];
  }
  return at;
}

const identity = /^(id|index|protocol|timestamp|stream|conn_id|flow_id|capture_source|capture_backend|node\.\w+|hop|ips|ports|tls|tcp|udp|sctp)$/;
/** Said in words by the head, the summary and the other tabs; bodies, headers and cookies have their own place. */
const elsewhere = /^(elapsed_time|latency|time_to_response_us|summary|status|status_reason|incomplete|truncated|gap_bytes|seen_at|has_pcap)$|^(src|dst|request|response|local|remote)[._]/;

const empty = (value: unknown): boolean => value === undefined || value === null || (typeof value === "object" && !Array.isArray(value) && Object.keys(value as object).length === 0);

function groupOf(info: FieldInfo, flags: ReadonlySet<string>): string {
  return identity.test(info.name) ? "identity" : ownerOf(info.name, info, flags) || "call";
}

export function fieldGroups(entry: Entry, { fields: table, flags }: { fields: readonly FieldInfo[]; flags: ReadonlySet<string> }): FieldGroup[] {
  const groups = new Map<string, ShownField[]>();
  const add = (id: string, field: ShownField): void => {
    const list = groups.get(id);
    if (list) list.push(field);
    else groups.set(id, [field]);
  };
  const known = new Set<string>();
  for (const info of table) {
    known.add(info.name.split(".")[0] ?? info.name);
    if (elsewhere.test(info.name)) continue;
    const value = valueAt(entry, info.name);
    if (!empty(value)) add(groupOf(info, flags), { name: info.name, value, info });
  }
  for (const [name, value] of Object.entries(entry)) if (!known.has(name) && !elsewhere.test(name) && !empty(value)) add("other", { name, value, info: null });
  const rank = (id: string): number => (id === entry.protocol ? 0 : id === "call" ? 1 : id === "conn" || id === "flow" ? 3 : id === "other" ? 4 : id === "identity" ? 5 : 2);
  return [...groups].map(([id, fields]) => ({ id, fields })).sort((a, b) => rank(a.id) - rank(b.id));
}

const answered = /_(response\w*|rcode\w*|answers?|authorities|additionals|ttl_min|authoritative|malformed|error\w*|success|rows\w*|status\w*|result\w*|reply\w*|code|message|tx_state|alert|ja3s|issuer|subject|not_after|resumed|cipher_suite|value)$/;
const transport = /^(tcp|udp|sctp|conn|flow|h2)_/;
const requests = /^(nats_subject|amqp_message\w*|kafka_message\w*|redis_value)$/;

/** Which half of a call a field tells about. */
export function sideOf(name: string): "request" | "response" | "transport" {
  if (transport.test(name)) return "transport";
  if (requests.test(name)) return "request";
  return answered.test(name) ? "response" : "request";
}

export type Language = "sql" | "graphql" | "json" | "";

/** What a field's text is written in. */
export function languageOf(name: string): Language {
  if (/^(postgresql|mysql|cql)_query$|^query_template$/.test(name)) return "sql";
  if (name === "gql_query") return "graphql";
  if (/^(gql_errors|mongodb_(request|response|command_json|query))$/.test(name)) return "json";
  return "";
}

const longText = 200;

/** Text that wants room of its own: queries, several lines, or simply long. */
export function isBlock(field: ShownField): boolean {
  if (typeof field.value === "object" && field.value !== null && "base64" in field.value) return true;
  return typeof field.value === "string" && (field.value.length > longText || field.value.includes("\n") || (languageOf(field.name) !== "" && field.value.length > 60));
}
