import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { Entry, FieldInfo } from "../src/api/types";
import { fieldGroups, isBlock, languageOf, sideOf, valueAt } from "../src/entry/fields";
import { tabReason } from "../src/entry/tabs";
import { askedOf, methodOf, statusOf, summaryOf } from "../src/format/entry";
import { knownProtocols, protocolTag } from "../src/format/protocol";
import { makeTable, noTable } from "../src/state/fields";
import { clauseOfCell, clauseOfField, clauseOfKey, clauseOfMember } from "../src/stream/valueClauses";
// @ts-expect-error -- plain JavaScript of the mock server
import { fields as mockFields } from "../dev/mock-data.mjs";
// @ts-expect-error -- plain JavaScript of the mock server
import { others } from "../dev/mock-protocols.mjs";

const fields = mockFields as FieldInfo[];
const table = makeTable({ fields, functions: [] });
const base: Entry = { id: "1", index: 1, protocol: "http", timestamp: "2026-11-23T14:00:00Z", elapsed_time: 12, src: { ip: "10.0.0.1", port: 4 }, dst: { ip: "10.0.0.2", port: 80 }, conn_id: "c", summary: "", status: "ok" };
const call = (protocol: string, patch: Record<string, unknown> = {}): Entry => ({ ...base, protocol, ...(others as Record<string, { entry: (i: number) => object }>)[protocol]?.entry(1), ...patch }) as Entry;

describe("the table", () => {
  it("knows which names stand alone", () => {
    for (const flag of ["http", "dns", "grpc", "postgresql", "icmp", "conn"]) expect(table.flags.has(flag), flag).toBe(true);
    for (const other of ["incomplete", "tcp", "status_code", "dns_authoritative", "request.truncated"]) expect(table.flags.has(other), other).toBe(false);
  });
});

describe("the fields of an entry", () => {
  it("stand in groups, the protocol's own first, identity last, none twice and none left out", () => {
    for (const protocol of Object.keys(others as object)) {
      const entry = call(protocol);
      const groups = fieldGroups(entry, table);
      const names = groups.flatMap((g) => g.fields.map((f) => f.name));
      expect(new Set(names).size, protocol).toBe(names.length);
      if (Object.keys(entry).some((name) => name.startsWith(`${protocol}_`))) expect(groups[0]?.id).toBe(protocol);
      expect(groups.at(-1)?.id).toBe("identity");
      expect(groups.at(-1)?.fields.map((f) => f.name)).toContain("conn_id");
      for (const [name, value] of Object.entries(entry)) if (name.startsWith(`${protocol}_`) && value !== undefined) expect(names, name).toContain(name);
      for (const group of groups) for (const field of group.fields) if (group.id === protocol) expect(field.info?.doc, field.name).toBeTruthy();
    }
  });
  it("that are in no table are shown as others", () => {
    const groups = fieldGroups({ ...base, zebra_stripes: 7 }, table);
    expect(groups.find((g) => g.id === "other")?.fields).toEqual([{ name: "zebra_stripes", value: 7, info: null }]);
    expect(fieldGroups(call("kafka"), noTable).find((g) => g.id === "other")?.fields.map((f) => f.name)).toContain("kafka_topics");
  });
  it("are found by their dotted names, never on the prototype", () => {
    expect(valueAt(base, "src.ip")).toBe("10.0.0.1");
    expect(valueAt(base, "src.pod.name")).toBeUndefined();
    expect(valueAt(base, "src.constructor")).toBeUndefined();
    expect(valueAt(base, "toString")).toBeUndefined();
  });
  it("belong to the half that they tell about", () => {
    for (const name of ["dns_questions", "postgresql_query", "kafka_topics", "grpc_service", "nats_subject", "redis_key"]) expect(sideOf(name), name).toBe("request");
    for (const name of ["dns_rcode", "postgresql_error_code", "postgresql_rows", "kafka_error_name", "grpc_status", "grpc_message", "amqp_reply_code", "ldap_result_code", "smtp_code", "memcached_status"]) expect(sideOf(name), name).toBe("response");
    expect(sideOf("tcp_retransmissions")).toBe("transport");
  });
  it("open the tabs that have something to show", () => {
    expect(tabReason("request", call("postgresql", { request: undefined }))).toBe("");
    expect(tabReason("response", call("postgresql", { response: undefined }))).toBe("");
    expect(tabReason("messages", call("ws"))).toBe("");
    expect(tabReason("messages", call("postgresql"))).not.toBe("");
  });
  it("get a box when they are long or a query", () => {
    const field = (name: string, value: unknown) => ({ name, value, info: null });
    expect(isBlock(field("postgresql_query", `select ${"a, ".repeat(30)}b`))).toBe(true);
    expect(isBlock(field("redis_value", "a\nb"))).toBe(true);
    expect(isBlock(field("redis_value", { base64: "AAEC" }))).toBe(true);
    expect(isBlock(field("redis_key", "cart:1"))).toBe(false);
    expect(languageOf("cql_query")).toBe("sql");
  });
});

describe("the row", () => {
  it.each([
    ["grpc", "Charge", "14 UNAVAILABLE", "/pay.v1.Payments/Charge"], ["gql", "mutation", "error", "AddToCart"], ["ws", "text", "ok", 'text {"type":"tick","n":1}'],
    ["postgresql", "Execute", "40P01", "select o.id"], ["mysql", "COM_QUERY", "1213", "select o.id"], ["mongodb", "find", "ok", "shop.carts"], ["kafka", "Produce", "NOT_LEADER_OR_FOLLOWER", "orders audit"],
    ["amqp", "basic.publish", "ok", "order.paid"], ["mqtt", "PUBLISH", "ok", "plant/7/temperature"], ["nats", "PUB", "ok", "orders.eu.paid"], ["memcached", "get", "END", "session:57a9"], ["cql", "QUERY", "4352", "select * from carts"],
    ["ldap", "searchRequest", "32", "ou=people"], ["radius", "Access-Request", "ok", "alice"], ["diameter", "CCR", "5003", "gw;1;2"], ["smtp", "RCPT", "550", "b@example.com"], ["icmp", "8", "ok", "echo 10.0.0.2"], ["quic", "", "ok", "cdn.example.com h3"],
  ])("of %s says method, status and subject", (protocol, method, status, summary) => {
    const entry = call(protocol, protocol === "gql" ? { status_code: undefined } : {});
    expect(methodOf(entry)).toBe(method);
    expect(statusOf(entry).word).toBe(status);
    expect(summaryOf(entry).startsWith(summary), summaryOf(entry)).toBe(true);
  });
  it("says that GraphQL's 200 has errors", () => {
    expect(statusOf(call("gql"))).toEqual({ word: "200 errors", tone: "error" });
    expect(statusOf(call("gql", { status: "ok" })).word).toBe("200");
  });
  it("folds the lines of a statement, and says its verb once", () => {
    const entry = call("postgresql", { postgresql_command: "SELECT", postgresql_query: "SELECT a\n  FROM t\t;" });
    expect([summaryOf(entry), askedOf(entry)]).toEqual(["SELECT a FROM t ;", "SELECT a FROM t ;"]);
    expect(askedOf(call("kafka"))).toBe("Produce orders audit");
  });
  it("of a protocol that nobody knew shows its summary", () => {
    const entry: Entry = { ...base, protocol: "stomp", stomp_command: "SEND", summary: "SEND /queue/a → RECEIPT" };
    expect([methodOf(entry), summaryOf(entry), protocolTag("stomp").word]).toEqual(["SEND", "/queue/a", "STOMP"]);
    expect(protocolTag("constructor").hue).toBe("flow");
  });
  it("has the colour of its family, and there is one for every name of the filter", () => {
    const css = readFileSync(new URL("../src/style/base.css", import.meta.url), "utf8");
    const families = { http: "http", grpc: "grpc", ws: "ws", quic: "ws", gql: "gql", dns: "dns", tlsx: "tls", redis: "cache", memcached: "cache", kafka: "log", nats: "log", mqtt: "log", amqp: "amqp", smtp: "amqp", mongodb: "doc", cql: "doc", postgresql: "sql", mysql: "sql", ldap: "dir", radius: "dir", diameter: "dir", icmp: "flow", sctp: "flow" };
    for (const [protocol, hue] of Object.entries(families)) expect(protocolTag(protocol).hue, protocol).toBe(hue);
    for (const protocol of [...knownProtocols, ...table.flags]) expect(css, protocol).toContain(`.hue-${protocolTag(protocol).hue} {`);
  });
});

describe("clauses of values", () => {
  const of = (protocol: string, name: string, value: unknown) => clauseOfField(call(protocol), name, value, table)?.clause;
  it("carry the flag of the field's protocol", () => {
    expect(of("postgresql", "postgresql_error_code", "40P01")).toBe('postgresql && postgresql_error_code == "40P01"');
    expect(of("postgresql", "postgresql_success", false)).toBe("postgresql && !postgresql_success");
    expect(of("grpc", "grpc_status", 0)).toBe("grpc && grpc_status == 0"); // though the table's owner is the dissector of HTTP/2
    expect(of("mysql", "query_template", "select ?")).toBe('mysql && query_template == "select ?"');
    expect(of("grpc", "status_code", 200)).toBe("grpc && status_code == 200");
    expect(of("dns", "dns_rcode", 3)).toBe("dns && dns_rcode == 3");
    expect(of("http", "src.ip", "10.0.0.1")).toBe('src.ip == "10.0.0.1"');
    expect(of("http", "tcp_retransmissions", 2)).toBe("tcp_retransmissions == 2");
    expect(of("tcp_conn", "conn_state", "refused")).toBe('conn && conn_state == "refused"');
    expect(of("tlsx", "tlsx_not_after", "2026-11-23T14:00:00Z")).toBe('tlsx && tlsx_not_after == timestamp("2026-11-23T14:00:00Z")');
    expect(of("kafka", "kafka_topics", ["orders"])).toBe('kafka && "orders" in kafka_topics');
    expect(clauseOfMember(call("kafka"), "kafka_topics", 'a"b', table)?.not).toBe('kafka && !("a\\"b" in kafka_topics)');
    expect(clauseOfKey(base, "request.headers", 'x"y', "1\u202e", table)?.clause).toBe('http && request.headers["x\\"y"] == "1\\u202e"');
  });
  it("are refused where none would be exact", () => {
    expect(of("postgresql", "postgresql_query", "x".repeat(5000))).toBeUndefined();
    expect(of("http", "request.headers", { a: "b" })).toBeUndefined();
  });
  it("of cells are those of their fields", () => {
    expect(clauseOfCell(call("grpc"), "status", table)?.clause).toBe("grpc && grpc_status == 14");
    expect(clauseOfCell(call("mysql"), "status", table)?.clause).toBe("mysql && mysql_error_code == 1213");
    expect(clauseOfCell(call("kafka"), "method", table)?.clause).toBe('kafka && kafka_api_key_name == "Produce"');
    expect(clauseOfCell(call("mqtt"), "summary", table)?.clause).toBe('mqtt && mqtt_topic == "plant/7/temperature"');
  });
});
