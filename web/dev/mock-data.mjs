// Made-up nodes, snapshots and calls for the mock server: every state the dashboard has words for.
import { readFileSync } from "node:fs";
import { others } from "./mock-protocols.mjs";

const iso = (ms, nanos = 0) => new Date(ms).toISOString().replace("Z", String(nanos).padStart(6, "0") + "Z");
export { iso };

let seed = 7;
export const random = () => {
  seed = (seed * 1103515245 + 12345) & 0x7fffffff;
  return seed / 0x7fffffff;
};
const pick = (list) => list[Math.floor(random() * list.length)];

export const GiB = 1024 ** 3;
const noDrops = { kernel: 0, ring: 0, disk: 0 };

export function makeNodes(now, count = Number(process.env.MOCK_NODES ?? 12)) {
  return Array.from({ length: count }, (_, i) => {
    const silent = process.env.MOCK_SILENT && i === 6;
    return {
      name: `ip-10-0-${32 + i}-11${i}.eu-west-1.compute.internal`, state: silent ? "silent" : "recording", state_detail: silent ? "silent for 40 s" : "", version: "0.1.0",
      heartbeat_at: iso(now - (silent ? 40_000 : 700)), address: `10.0.${32 + i}.11${i}:8898`,
      interfaces: [
        { name: "eth0", link_type: 1, packets: 120_394_112 + i, dropped: 0, up: true },
        { name: "cni0", link_type: 1, packets: 83_220_124, dropped: 0, up: true },
        { name: "lo", link_type: 1, packets: 20_394, dropped: null, up: i !== 2 },
      ],
      ring: { oldest: iso(now - (i === 2 ? 540_000 : 3_150_000 + i * 60_000)), newest: iso(now - 300), bytes: i === 2 ? 1.0 * GiB : (3.1 + i / 10) * GiB, budget_bytes: i === 2 ? GiB : 4 * GiB, segments: 61, retention_s: i === 2 ? 540 : 3150 + i * 60, hour_budget_bytes: i === 2 ? 6.7 * GiB : 4.4 * GiB },
      packets: 203_614_112, packets_per_s: 1204 + Math.round(Math.sin(now / 5000 + i) * 300), bytes_per_s: 1_512_000 + i * 1000, excluded_packets: 1312,
      drops: i === 3 ? { kernel: 1204, ring: 0, disk: 0 } : noDrops, drops_5min: i === 3 && process.env.MOCK_LOST ? { kernel: 1204, ring: 0, disk: 0 } : noDrops,
      gaps: i === 6 ? [{ from: iso(now - 1_200_000), to: iso(now - 1_020_000), reason: "not_recording" }] : [], clock_offset_ns: i * 1200 - 4000, hold_until: null,
    };
  });
}

const node = (name, from, to, { gap } = {}) => ({
  name, window: { from, to }, covered: gap ? [{ from: gap.to, to }] : [{ from, to }], gaps: gap ? [gap] : [], packets: 184_220, captured_bytes: 288_000_112, drops: noDrops, clock_offset_ns: 1200, clock_source: "hub",
  files: [{ name: `nodes/${name}/000012.pcapng`, size_bytes: 67_108_864, sha256: "9f2c6f0d1b2a4c55e1aa90c2d7b3f0112233445566778899aabbccddeeff0011" }],
});

const hostileNode = `</td><img src=x onerror=window.__xss=1>\u202e${"long-".repeat(20)}`;

export function makeSnapshots(now) {
  const from = iso(now - 751_000), to = iso(now - 271_000);
  const names = makeNodes(now).map((n) => n.name);
  const base = (i, extra) => ({
    id: `06F2Q0000${i}`, name: "disk-cat", status: "Completed", status_detail: "", partial: false, empty: false, missing: [], size_bytes: 3.1 * GiB, captured_bytes: 3.1 * GiB, packets: 2_212_880,
    from, to, start: from, end: to, created_at: iso(now - 120_000 - i * 60_000), created_by: "admin", origin: "ring", nodes: names.map((n) => node(n, from, to)), drops: noDrops, gaps_total_ns: 0, coverage: 1,
    progress: { nodes_done: 12, nodes_total: 12, bytes: 3.1 * GiB, bytes_total: 3.1 * GiB, eta_s: null }, dissections: [], history: [{ at: iso(now - 120_000), status: "Pending", text: "asked for by admin" }, { at: iso(now - 100_000), status: "Completed", text: "12 nodes, 3.10 GiB" }], note: "INC-4711", tags: [], locked: false,
    verified: null, warnings: [], manifest_sha256: "1fa4d5c0aa93bb44", ...extra,
  });
  const dissection = (state, percent, extra = {}) => ({
    name: "default", state, progress: { percent, packets: 1_000_200, bytes: 1.2 * GiB, entries: Math.round(412_880 * (percent / 100)), eta_s: state === "running" ? 8 : null, per_protocol: { http: 212_344, dns: 150_236, redis: 40_300, tlsx: 10_000 } },
    started_at: iso(now - 60_000), finished_at: state === "running" ? null : iso(now - 30_000), damage: 0, ...extra,
  });
  const gap = { from, to: iso(now - 571_000), reason: "recycled" };
  const years = { from: "2019-03-03T14:02:03.000000001Z", to: iso(now - 571_000, 5), reason: "not_recording" };
  return [
    base(1, { name: "wary-heron", status: "Pending", status_detail: "waits for node-3", size_bytes: 0, start: null, end: null, coverage: 0, nodes: [], progress: { nodes_done: 0, nodes_total: 12, bytes: 0, bytes_total: 0, eta_s: null }, note: "" }),
    base(2, { status: "In Progress", status_detail: "7/12 nodes · 20 s left", progress: { nodes_done: 7, nodes_total: 12, bytes: 1.8 * GiB, bytes_total: 3.1 * GiB, eta_s: 20 } }),
    base(3, { name: "incident-2026-11-23-checkout-failure-eu", partial: true, status_detail: "missing node-7 14:02–14:05", coverage: 0.96, gaps_total_ns: 180e9, missing: [{ node: names[Math.min(6, names.length - 1)], from, to: gap.to, reason: "recycled" }], nodes: names.map((n, i) => node(n, from, to, i === 6 ? { gap } : {})), tags: ["checkout", "sev1"] }),
    base(4, { name: "audit-q1", status: "Dissected", dissections: [dissection("done", 100)], locked: true, tags: ["audit 26-014"] }),
    base(5, { name: "slow-payments", status: "Failed", status_detail: "disk full on the hub", size_bytes: 0, start: null, end: null, coverage: 0, note: "" }),
    base(6, { name: "ring-test", status: "Completed", dissections: [dissection("running", 43, { progress: { percent: 43, packets: 90_000, bytes: 1e8, entries: 16_215, eta_s: 8, per_protocol: { http: 10_000 } } })] }),
    base(7, { name: "idle-night", empty: true, packets: 0, size_bytes: 12_400, captured_bytes: 0, nodes: names.slice(0, 2).map((n) => ({ ...node(n, from, to), packets: 0, captured_bytes: 0 })) }),
    base(8, { name: "my-laptop.pcapng", origin: "import", nodes: [node("import", from, to)], size_bytes: 48_220_112, note: "" }),
    base(11, { id: "06F2Q0000B", name: "evidence", status: "Dissected", dissections: [dissection("done", 100)], warnings: [`Damaged: nodes/${names[0]}/000012.pcapng at byte 1310720 and 2 more`], verified: { at: iso(now - 30_000), ok: false, files: 61, bytes: 3.1 * GiB, problems: 3, errors: [{ file: `nodes/${names[0]}/000012.pcapng`, offset: 1_310_720, text: "its bytes are not those of the manifest" }, { file: "manifest.json", offset: null, text: "it is longer than when it was written" }] }, note: "" }),
    base(9, { name: "night-shift", dissections: [dissection("failed", 61, { reason: "its memory limit of 512 MiB was reached" })], note: "" }),
    base(10, { id: "06F2Q0000A", name: "\u202e<b onmouseover=window.__xss=1>שלום evil.exe</b> ".repeat(6), partial: true, coverage: 0.12, missing: [{ node: names[0], ...years }, { node: hostileNode, from, to, reason: "node_unreachable" }], nodes: [node(names[0], from, to, { gap: years }), { ...node(hostileNode, from, to), covered: [], gaps: [{ from: iso(now - 400_000, 123_456), to: iso(now - 397_000, 123_789), reason: "capture_stopped" }] }], note: "\u200f<script>window.__xss=1</script>", tags: ["x".repeat(80)] }),
  ];
}

const xss = "</title><script>window.__xss=1</script><img src=x onerror=window.__xss=1>";
const places = [
  ["shop", "front-end-54cd7b9c8d-x2x7k", "shop", "checkout"], ["shop", "checkout-7f9c4d5b8-qq1", "kube-system", "kube-dns"], ["shop", "checkout-7f9c4d5b8-qq1", "shop", "payments"],
  ["observability", "payments-0", "shop", "postgres"], ["shop", "carts-5", "shop", "redis"], ["shop", "payments-0", "", "bank.example.com"],
];

export function makeEntries(from, to, count = 12_345) {
  const span = to - from;
  const entries = [];
  for (let i = 0; i < count; i++) {
    const at = from + Math.floor((i / count) * span);
    const k = Math.floor(random() * 6);
    const [sn, sp, dn, dp] = places[k];
    const bad = at > from + span * 0.58 && at < from + span * 0.7 && random() < 0.4;
    const e = {
      id: `06F2${i.toString(32).toUpperCase().padStart(9, "0")}`, index: i, protocol: "http", timestamp: iso(at, Math.floor(random() * 1e6)), elapsed_time: Math.floor(300 + random() ** 6 * 3_000_000),
      src: { ip: `10.0.12.${7 + k}`, port: 40000 + (i % 20000), ...(i % 17 ? { name: sp, namespace: sn, pod: { name: sp, namespace: sn } } : {}) },
      dst: { ip: `10.0.6.16${k}`, port: 80, ...(dn || k === 5 ? { name: dp, ...(dn ? { namespace: dn, service: { name: dp, namespace: dn } } : {}) } : {}) },
      node: { name: `worker-${1 + (i % 12)}` }, conn_id: `C${i % 400}`, summary: "", status: bad ? "error" : "ok", capture_source: "af_packet", tcp: true,
      request: { size: 240, body_size: 0, headers_size: 240 }, response: { size: 395, body_size: 215, headers_size: 180 },
    };
    if (k === 0) Object.assign(e, { method: pick(["GET", "POST", "POST", "DELETE"]), path: i % 97 === 5 ? `/${xss}\u202etxt.exe` : `/checkout/57a98d98e4b/confirm/${i}/items`, status_code: bad ? 500 : pick([200, 200, 200, 201, 404]), http_version: "1.1", host: "checkout", query_string: { x: "1" } });
    if (k === 1) Object.assign(e, { protocol: "dns", udp: true, dns_question_types: ["A"], dns_questions: ["payments.shop.svc.cluster.local"], dns_rcode: bad ? 3 : 0, dns_rcode_name: bad ? "NXDOMAIN" : "NOERROR", status_code: bad ? 3 : 0, elapsed_time: 750, response: { size: 121 } });
    if (k === 2) Object.assign(e, { protocol: "http", method: "POST", path: "/pay.v1.Payments/Charge", status_code: bad ? 503 : 200, host: "payments", tls: true });
    if (k === 3) Object.assign(e, { protocol: "http", method: "GET", path: "/ledger/where/account", host: "postgres", status: bad ? "no_response" : "ok", status_code: bad ? undefined : 200, status_reason: bad ? "timeout" : undefined, gap_bytes: bad ? 1448 : 0, ...(bad ? { response: undefined, elapsed_time: undefined, incomplete: true } : {}) });
    if (k === 4) Object.assign(e, { protocol: "redis", redis_command: "GET", redis_key: "cart:57a98d98e4b", redis_type: "bulk", elapsed_time: 310, response: { size: 2150 } });
    if (k === 5) Object.assign(e, { protocol: "tlsx", tlsx_sni: "bank.example.com", tlsx_version: "1.3", tlsx_alpn: "h2", elapsed_time: 38_200 });
    const other = i % 23 === 11 ? Object.values(others)[Math.floor(i / 23) % Object.keys(others).length] : null;
    if (other) Object.assign(e, { method: undefined, path: undefined, host: undefined, query_string: undefined, status_code: undefined, http_version: undefined, tls: undefined, ...other.entry(i) }, { protocol: other.protocol });
    if (e.status_code === 404) e.status = "error";
    if (e.path) e.url = `http://${e.host}${e.path}?x=1&y=2`;
    e.summary ||= `${e.method ?? e.redis_command ?? "query"} ${e.path ?? e.redis_key ?? e.tlsx_sni ?? e.dns_questions} → ${e.status_code ?? e.status}`;
    if (i % 40 === 0) e.seen_at = ["worker-1:eth0", "worker-2:cni0"];
    if (i % 55 === 0) e.response = { ...e.response, truncated: true };
    entries.push(JSON.parse(JSON.stringify(e)));
  }
  return entries;
}

export function wholeEntry(entry) {
  const whole = structuredClone(entry);
  if (others[entry.protocol]) return { ...whole, ...others[entry.protocol].whole?.(entry.index) };
  if (entry.protocol !== "http") return whole;
  whole.request = { ...whole.request, headers: { host: entry.host, "user-agent": `curl/7.88 ${xss}`, accept: "*/*", authorization: "redacted", "x-request-id": "42", "x-long": "ten kilobytes of ".repeat(640), "x-rtl": "\u202eשלום <script>window.__xss=1</script>" }, cookies: { sid: "redacted" }, packets: [{ node: "worker-1", seq: 7, offset: 4096 }] };
  if (entry.method === "POST") Object.assign(whole.request, { body: JSON.stringify({ cart: entry.index, items: [{ sku: "A1", n: 2 }], html: xss }), body_size: 148 });
  if (whole.response)
    whole.response = {
      ...whole.response, headers: { "content-type": "application/json", server: "nginx/1.22.1", date: "Mon, 23 Nov 2026 14:02:07 GMT", "content-length": "215" }, packets: [{ node: "worker-1", seq: 7, offset: 5096 }],
      body: entry.index % 3 === 1 ? { base64: Buffer.from([0x89, 0x50, 0x4e, 0x47, 0, 1, 2, 3, 255, 254, 10, 65, 66, 67]).toString("base64") }
        : JSON.stringify({ error: entry.status === "error" ? "payment refused" : null, order: { id: entry.index, total: 12.5, currency: "EUR", lines: Array.from({ length: 30 }, (_, i) => ({ sku: `A${i}`, n: i })) }, note: xss + "\u202e" }).replace('"total"', '"big":12345678901234567890,"total"'),
    };
  return { ...whole, tcp_initial_rtt_us: 210, tcp_handshake_us: 330, time_to_response_us: Math.floor((entry.elapsed_time ?? 0) * 0.8), tcp_retransmissions: entry.index % 5 ? 0 : 2, tcp_zero_windows: 0, tcp_resets: 0, tcp_goodput_bytes: 635 };
}

// The committed table of the real fields, and those of protocols that have no dissector yet.
const committed = readFileSync(new URL("../../docs/fields.md", import.meta.url), "utf8").split("\n").map((line) => /^\| `(.+?)` \| (.*?) \| (.*?) \| (.*) \| `(.*)` \|$/.exec(line)).filter(Boolean).map(([, name, type, protocol, doc, example]) => ({ name, type, protocol, doc, example }));
const kinds = { s: "string", i: "int", b: "bool", l: "list(string)" };
const extra = Object.values(others).flatMap(({ protocol, fields: list }) => list.map(([name, kind, doc]) => ({ name, type: kinds[kind], protocol, doc, example: name })));
export const fields = [...committed, ...extra.filter((f, i) => !committed.some((c) => c.name === f.name) && extra.findIndex((e) => e.name === f.name) === i)];
export const functions = [["contains", "true when the text has the part", 'path.contains("cart")'], ["startsWith", "true when the text begins with it", 'path.startsWith("/cart")'], ["matches", "regular expression, linear time", 'path.matches("^/cart")'], ["size", "length", "size(path) > 40"], ["has", "the field is there", "has(method)"], ["glob", "pattern with * and ?", 'glob(path, "/carts/*")']].map(([name, doc, example]) => ({ name, doc, example }));
