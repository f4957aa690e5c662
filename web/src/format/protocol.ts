// What protocols are called, their hue, and which of their fields a row shows as method, status and subject. A protocol that stands nowhere here
// is shown all the same: the names of its fields follow one habit (`<protocol>_command`, `<protocol>_error_code` …), and its summary says the rest.
import type { Entry } from "../api/types";

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
  gqlv1: { word: "GraphQL", hue: "gql" },
  gqlv2: { word: "GraphQL", hue: "gql" },
  dns: { word: "DNS", hue: "dns" },
  tls: { word: "TLS", hue: "tls" },
  tlsx: { word: "TLS", hue: "tls" },
  redis: { word: "REDIS", hue: "cache" },
  memcached: { word: "MEMC", hue: "cache" },
  kafka: { word: "KAFKA", hue: "log" },
  nats: { word: "NATS", hue: "log" },
  stomp: { word: "STOMP", hue: "amqp" },
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
  icmp: { word: "ICMP", hue: "flow" },
  sctp: { word: "SCTP", hue: "flow" },
  conn: { word: "CONN", hue: "flow" },
  flow: { word: "FLOW", hue: "flow" },
  tcp_conn: { word: "TCP", hue: "flow" },
  udp_conn: { word: "UDP", hue: "flow" },
  tcp_flow: { word: "TCP flow", hue: "flow" },
  udp_flow: { word: "UDP flow", hue: "flow" },
};

export const knownProtocols = Object.keys(tags);

export function protocolTag(protocol: string): Tag {
  return (Object.hasOwn(tags, protocol) && tags[protocol]) || { word: protocol.replace(/_/g, " ").toUpperCase(), hue: "flow" };
}

/** Connections and flows are entries too, but no calls. */
export function isCall(entry: Entry): boolean {
  return !/_(conn|flow)$/.test(entry.protocol);
}

/** A field of an entry by its name and value. */
export type Named = [name: string, value: unknown];

const there = (value: unknown): boolean => value !== undefined && value !== null && value !== "" && !(Array.isArray(value) && value.length === 0);

function firstOf(entry: Entry, names: string[]): Named | null {
  const name = names.find((n) => there(entry[n]));
  return name === undefined ? null : [name, entry[name]];
}

const own = (entry: Entry, ends: string[]): string[] => ends.map((end) => `${entry.protocol}_${end}`);

/** The field in the column Method: method, command, type of query. */
export function methodField(entry: Entry): Named | null {
  if (entry.protocol === "http") return firstOf(entry, ["method"]);
  return firstOf(entry, [...own(entry, ["method", "operation", "command", "api_key_name", "question_types", "opcode", "op", "code_name", "type"]), "method", ...(isCall(entry) ? ["tcp_method"] : [])]);
}

/** The field behind the word in the column Status, when the protocol has one of its own. */
export function statusField(entry: Entry): Named | null {
  const answered = entry.status === "ok" || entry.status === "error";
  if (!answered) return null;
  const failed = entry.status === "error";
  const codes = own(entry, failed ? ["rcode_name", "error_code_name", "error_name", "error_code", "result_code", "reply_code", "status", "code", "error", "alert"] : ["rcode_name", "status", "code", "result_code"]);
  // A code that only says what the packet is (radius_code, icmp_code) is no status.
  return firstOf(entry, entry.protocol === "radius" || entry.protocol === "icmp" ? [] : codes.filter((name) => failed || typeof entry[name] !== "boolean"));
}

const subjects = ["questions", "query", "key", "topics", "topic", "subject", "dn", "sni", "username", "routing_key", "collection", "session_id", "request_summary"];

/** The field in the column Summary: path, query, key, topic. */
export function subjectField(entry: Entry): Named | null {
  if (entry.protocol === "http") return firstOf(entry, ["path"]);
  return firstOf(entry, [...(entry.protocol === "gql" ? ["gql_operation_name"] : []), ...own(entry, subjects), "path"]);
}
