// What a row of the stream says about an entry: protocol tag, method, status words, names of both ends, flags.
import type { Endpoint, Entry } from "../api/types";
import { isCall, methodField, protocolTag, statusField, subjectField } from "./protocol";

export { isCall, protocolTag } from "./protocol";

export type Tone = "ok" | "warn" | "error" | "none";

const words = (value: unknown): string => (typeof value === "string" ? value : typeof value === "number" ? String(value) : Array.isArray(value) ? value.map(String).join(" ") : "");
const text = (entry: Entry, field: string): string => words(entry[field]);

export function methodOf(entry: Entry): string {
  const field = methodField(entry);
  if (field) return words(field[1]);
  if (entry.protocol === "tlsx" || entry.protocol === "tls") return "hello";
  if (!isCall(entry)) return entry.protocol.endsWith("_conn") ? "connection" : "flow";
  return "";
}

const rcodes = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH", "NOTZONE"];

export function statusOf(entry: Entry): { word: string; tone: Tone } {
  if (entry.status === "no_response") return { word: entry.status_reason === "refused" ? "refused" : "no answer", tone: "warn" };
  if (entry.status === "open") return { word: "open", tone: "none" };
  if (entry.status === "incomplete") return { word: "cut off", tone: "warn" };
  const failed = entry.status === "error";
  const tone: Tone = failed ? "error" : "none";
  switch (entry.protocol) {
    case "dns": return { word: text(entry, "dns_rcode_name") || rcodes[Number(entry["dns_rcode"] ?? entry.status_code ?? -1)] || (failed ? "error" : "ok"), tone };
    case "redis": return { word: failed ? text(entry, "redis_error").split(" ")[0] || "error" : "OK", tone };
    case "grpc": return { word: [text(entry, "grpc_status"), text(entry, "grpc_status_name")].join(" ").trim() || (failed ? "error" : "ok"), tone };
    case "tls":
    case "tlsx": return { word: failed ? text(entry, "tlsx_alert") || "error" : "not read", tone };
    default:
  }
  const field = statusField(entry);
  if (field && entry.protocol !== "http") return { word: words(field[1]) || (failed ? "error" : "ok"), tone };
  if (entry.status_code !== undefined) {
    const of: Tone = entry.status_code >= 500 ? "error" : entry.status_code >= 400 ? "warn" : "none";
    // GraphQL's 200 with errors: the code alone would look like a mistake of ours.
    return { word: `${entry.status_code}${failed && entry.protocol === "gql" && of === "none" ? " errors" : ""}`, tone: failed && of === "none" ? "error" : of };
  }
  if (failed) return { word: entry.status_reason || "error", tone };
  return { word: text(entry, "conn_state") || "ok", tone };
}

/** What the gutter draws before the row; blank when all is well. */
export function gutterOf(entry: Entry): "error" | "half" | "cut" | "" {
  if (entry.status === "error") return "error";
  if (entry.status === "no_response") return "half";
  if (entry.status === "incomplete" || entry.incomplete) return "cut";
  return "";
}

export interface EndName {
  namespace: string;
  name: string;
  address: boolean;
  whole: string;
}

export function addressOf(end: Endpoint): string {
  if (!end.port) return end.ip;
  return end.ip.includes(":") ? `[${end.ip}]:${end.port}` : `${end.ip}:${end.port}`;
}

export function endName(end: Endpoint, preferService: boolean): EndName {
  const object = (preferService ? end.service ?? end.pod : end.pod ?? end.service) ?? null;
  const name = object?.name ?? end.name ?? "";
  const namespace = object?.namespace ?? end.namespace ?? "";
  const address = addressOf(end);
  if (!name) return { namespace: "", name: address, address: true, whole: address };
  return { namespace, name, address: false, whole: `${namespace ? `${namespace}/` : ""}${name}\n${address}` };
}

/** The namespace goes first to eight characters. */
export function shortNamespace(namespace: string): string {
  return namespace.length > 9 ? `${namespace.slice(0, 8)}…` : namespace;
}

/** The dissector's one line without what other columns say: the method in front, the answer behind the arrow. */
function asked(entry: Entry): string {
  const [front = ""] = entry.summary.split(" → ");
  const method = methodOf(entry);
  return method && front.startsWith(`${method} `) ? front.slice(method.length + 1) : front;
}

/** What was asked in one line: SQL begins with its verb, so the method is not said twice. */
export function askedOf(entry: Entry): string {
  const [method, subject] = [methodOf(entry), entry.protocol === "http" ? (entry.url ?? summaryOf(entry)) : summaryOf(entry)];
  if (entry.protocol === "ws") return subject;
  return subject.toLowerCase().startsWith(method.toLowerCase()) ? subject : `${method} ${subject}`.trim();
}

/** The target as the request line has it: the url without scheme and host. The host is captured, slashes and question marks may stand in it. */
export function targetOf(entry: Entry): string {
  const { url = "", host = "" } = entry;
  const scheme = /^https?:\/\//.exec(url)?.[0] ?? "";
  if (!scheme) return url || entry.path || "";
  const rest = url.slice(scheme.length);
  return (host && rest.startsWith(host) ? rest.slice(host.length) : rest.replace(/^[^/?]*/, "")) || entry.path || "";
}

export function summaryOf(entry: Entry): string {
  if (entry.protocol === "http" && entry.path) {
    const target = targetOf(entry), query = target.indexOf("?");
    return query >= 0 ? `${entry.path}${target.slice(query)}` : entry.path;
  }
  if (!isCall(entry) || entry.protocol === "ws") return entry.summary; // a message: which way it went and what it says
  if (entry.protocol === "mongodb" && text(entry, "mongodb_collection")) return [text(entry, "mongodb_database"), text(entry, "mongodb_collection")].filter(Boolean).join(".");
  const field = subjectField(entry);
  return (field && words(field[1]).replace(/\s+/g, " ").trim()) || asked(entry) || entry.path || "";
}

export interface Flags {
  decrypted: boolean;
  truncated: boolean;
  gap: boolean;
  places: number;
}

export function flagsOf(entry: Entry): Flags {
  const seen = entry["seen_at"];
  return {
    decrypted: entry["tls"] === true,
    truncated: entry.truncated === true || entry.request?.truncated === true || entry.response?.truncated === true,
    gap: (entry.gap_bytes ?? 0) > 0,
    places: Array.isArray(seen) ? seen.length : 0,
  };
}

export function responseSize(entry: Entry): number | null {
  return entry.response?.size ?? entry.response?.body_size ?? null;
}

export function requestSize(entry: Entry): number | null {
  return entry.request?.size ?? entry.request?.body_size ?? null;
}

/** What a screen reader hears for a row. */
export function rowSentence(entry: Entry, time: string, latency: string): string {
  const from = endName(entry.src, false);
  const to = endName(entry.dst, true);
  const words = [time, `${protocolTag(entry.protocol).word} ${methodOf(entry)} ${summaryOf(entry)}`.trim(), statusOf(entry).word, latency, `from ${from.name} to ${to.name}`];
  return words.filter(Boolean).join(", ");
}
