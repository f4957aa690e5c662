// What a row of the stream says about an entry: protocol tag, method, status words, names of both ends, flags.
import type { Endpoint, Entry } from "../api/types";

export type Tone = "ok" | "warn" | "error" | "none";

interface Tag {
  word: string;
  hue: string;
}

const tags: Record<string, Tag> = {
  http: { word: "HTTP", hue: "http" },
  http2: { word: "HTTP/2", hue: "http" },
  grpc: { word: "gRPC", hue: "grpc" },
  ws: { word: "WS", hue: "ws" },
  quic: { word: "QUIC", hue: "ws" },
  gql: { word: "GraphQL", hue: "gql" },
  dns: { word: "DNS", hue: "dns" },
  tls: { word: "TLS", hue: "tls" },
  tlsx: { word: "TLS", hue: "tls" },
  redis: { word: "REDIS", hue: "cache" },
  memcached: { word: "MEMC", hue: "cache" },
  kafka: { word: "KAFKA", hue: "log" },
  nats: { word: "NATS", hue: "log" },
  mqtt: { word: "MQTT", hue: "log" },
  amqp: { word: "AMQP", hue: "amqp" },
  smtp: { word: "SMTP", hue: "amqp" },
  mongodb: { word: "MONGO", hue: "doc" },
  cql: { word: "CQL", hue: "doc" },
  postgresql: { word: "PGSQL", hue: "sql" },
  mysql: { word: "MYSQL", hue: "sql" },
  ldap: { word: "LDAP", hue: "dir" },
  radius: { word: "RADIUS", hue: "dir" },
  diameter: { word: "DIAM", hue: "dir" },
  tcp_conn: { word: "TCP", hue: "flow" },
  udp_conn: { word: "UDP", hue: "flow" },
  tcp_flow: { word: "TCP flow", hue: "flow" },
  udp_flow: { word: "UDP flow", hue: "flow" },
};

/** Connections and flows are entries too, but no calls. */
export function isCall(entry: Entry): boolean {
  return !/_(conn|flow)$/.test(entry.protocol);
}

export function protocolTag(protocol: string): Tag {
  return tags[protocol] ?? { word: protocol.replace(/_/g, " ").toUpperCase(), hue: "flow" };
}

const text = (entry: Entry, field: string): string => {
  const value = entry[field];
  return typeof value === "string" ? value : typeof value === "number" ? String(value) : Array.isArray(value) ? value.map(String).join(" ") : "";
};

export function methodOf(entry: Entry): string {
  if (entry.method) return entry.method;
  switch (entry.protocol) {
    case "dns": return text(entry, "dns_question_types");
    case "redis": return text(entry, "redis_command");
    case "tlsx":
    case "tls": return "hello";
    case "kafka": return text(entry, "kafka_api_key_name");
    case "mysql": return text(entry, "mysql_command");
    case "postgresql": return text(entry, "postgresql_command");
    case "mongodb": return text(entry, "mongodb_command");
    case "tcp_conn":
    case "udp_conn": return "connection";
    case "tcp_flow":
    case "udp_flow": return "flow";
    default: return text(entry, "tcp_method");
  }
}

const rcodes = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH", "NOTZONE"];

export function statusOf(entry: Entry): { word: string; tone: Tone } {
  if (entry.status === "no_response") return { word: entry.status_reason === "refused" ? "refused" : "no answer", tone: "warn" };
  if (entry.status === "open") return { word: "open", tone: "none" };
  if (entry.status === "incomplete") return { word: "cut off", tone: "warn" };
  const failed = entry.status === "error";
  if (entry.protocol === "dns") {
    const name = text(entry, "dns_rcode_name") || rcodes[Number(entry["dns_rcode"] ?? entry.status_code ?? -1)] || "";
    return { word: name || (failed ? "error" : "ok"), tone: failed ? "error" : "none" };
  }
  if (entry.protocol === "redis") return { word: failed ? text(entry, "redis_error").split(" ")[0] || "error" : "OK", tone: failed ? "error" : "none" };
  if (entry.protocol === "grpc") return { word: [text(entry, "grpc_status"), text(entry, "grpc_status_name")].join(" ").trim(), tone: failed ? "error" : "none" };
  if (entry.protocol === "tls" || entry.protocol === "tlsx") return { word: failed ? text(entry, "tlsx_alert") || "error" : "not read", tone: failed ? "error" : "none" };
  const sql = text(entry, "postgresql_error_code") || text(entry, "mysql_error_code");
  if (failed && sql) return { word: sql, tone: "error" };
  if (entry.status_code !== undefined) {
    const tone: Tone = entry.status_code >= 500 ? "error" : entry.status_code >= 400 ? "warn" : "none";
    return { word: String(entry.status_code), tone: failed && tone === "none" ? "error" : tone };
  }
  if (failed) return { word: entry.status_reason || "error", tone: "error" };
  return { word: conversational(entry), tone: "none" };
}

function conversational(entry: Entry): string {
  return text(entry, "conn_state") || "ok";
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

export function summaryOf(entry: Entry): string {
  if (entry.protocol === "http" && entry.path) {
    const query = entry.url ? entry.url.slice(entry.url.indexOf("?")) : "";
    return entry.url?.includes("?") ? `${entry.path}${query}` : entry.path;
  }
  const asked = text(entry, "dns_questions") || text(entry, "redis_key") || text(entry, "tlsx_sni") || text(entry, "kafka_topics") || text(entry, "postgresql_query") || text(entry, "mysql_query");
  return asked || entry.path || entry.summary || "";
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
