// A stand-in for the hub while developing the dashboard: the built files of web/dist under the hub's own content security policy, and made-up
// answers in the shapes of src/api/types.ts. Not shipped. MOCK_EMPTY=1 starts without snapshots. Port 8900 or PORT. The token is "mock".
import { createServer } from "node:http";
import { existsSync, readFileSync } from "node:fs";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { fields, functions, GiB, iso, makeEntries, makeNodes, makeSnapshots, wholeEntry } from "./mock-data.mjs";
import { check, compile } from "./mock-filter.mjs";

const dist = fileURLToPath(new URL("../dist", import.meta.url));
const csp = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";
const start = Date.now();
const from = start - 751_000, to = start - 271_000;
let snapshots = process.env.MOCK_EMPTY ? [] : makeSnapshots(start);
const entries = makeEntries(from, to, Number(process.env.MOCK_ENTRIES ?? 12_345));
const streams = new Set();
const quota = () => { const used = snapshots.reduce((sum, s) => sum + s.size_bytes, 0) + Number(process.env.MOCK_USED_GIB ?? 42) * GiB; return { limit_bytes: 100 * GiB, used_bytes: used, reserved_bytes: 0, free_bytes: 100 * GiB - used }; };
const send = (name, data) => { for (const s of streams) s.write(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`); };
setInterval(() => send("nodes", { nodes: makeNodes(Date.now()), now: iso(Date.now()) }), 1000).unref();

const problem = (status, title, detail, extra = {}) => ({ status, body: { type: "about:blank", title, status, detail, ...extra } });
const ok = (body, status = 200) => ({ status, body });

function sources() {
  const of = (s) => s.dissections.map((d) => ({ id: d.name === "default" ? s.id : `${s.id}:${d.name}`, name: s.name, kind: "snapshot", dissection: d.name, from: s.from, to: s.to, size_bytes: s.size_bytes, state: d.state === "done" ? "ready" : "dissecting", entries: d.progress.entries, partial: s.partial }));
  return [{ id: "live", name: "Live", kind: "live", from: null, to: null, size_bytes: 0, state: "live", entries: 0, partial: false },
    ...snapshots.filter((s) => s.start).flatMap((s) => (s.dissections.length ? of(s) : [{ id: s.id, name: s.name, kind: "snapshot", from: s.from, to: s.to, size_bytes: s.size_bytes, state: "not_dissected", entries: 0, partial: s.partial }]))];
}

function matching(q) {
  const test = compile(q.get("filter") ?? "");
  const a = q.get("from"), b = q.get("to");
  return entries.filter((e) => (!a || e.timestamp >= a) && (!b || e.timestamp < b) && test(e));
}

let lastFound = { key: "", found: [] };
function listEntries(q) {
  const question = ["filter", "from", "to", "order"].map((name) => q.get(name) ?? "").join(" ");
  if (lastFound.key !== question) lastFound = { key: question, found: sorted(q) };
  const { found } = lastFound;
  const at = Number(q.get("cursor") ?? 0), limit = Number(q.get("limit") ?? 100);
  return { entries: found.slice(at, at + limit), next_cursor: at + limit < found.length ? String(at + limit) : null, total: found.length, total_is_lower_bound: false, matched_of: entries.length, source: q.get("source"), warnings: [], took_ms: 3 };
}
function sorted(q) {
  const found = matching(q);
  const order = q.get("order") || "-time";
  const key = { time: (e) => e.timestamp, elapsed_time: (e) => e.elapsed_time ?? -1, size: (e) => e.response?.size ?? -1 }[order.slice(1)];
  found.sort((x, y) => (key(x) < key(y) ? -1 : key(x) > key(y) ? 1 : 0) * (order[0] === "-" ? -1 : 1));
  return found;
}

function timeline(q) {
  const count = Number(q.get("buckets") ?? 100);
  const a = Date.parse(q.get("from") || iso(from)), b = Date.parse(q.get("to") || iso(to));
  const width = (b - a) / count;
  const buckets = Array.from({ length: count }, (_, i) => ({ at: iso(Math.round(a + i * width)), ok: 0, client_error: 0, error: 0, no_response: 0, p50_us: 1200 + ((i * 37) % 11) * 90, p95_us: 41_000 + ((i * 53) % 17) * 2500, p99_us: 96_000 }));
  for (const e of matching(q)) {
    const bucket = buckets[Math.floor((Date.parse(e.timestamp) - a) / width)];
    if (bucket) bucket[e.status === "no_response" ? "no_response" : e.status !== "error" ? "ok" : e.status_code >= 400 && e.status_code < 500 ? "client_error" : "error"]++;
  }
  return { from: iso(a), to: iso(b), bucket_ns: Math.round(width * 1e6), by: "status", buckets, calls: matching(q).length, warnings: [] };
}

function packets(entry) {
  const t = Date.parse(entry.timestamp);
  return Array.from({ length: 7 }, (_, i) => ({
    no: 1042 + i, timestamp: iso(t + i, 1000 * i), node: entry.node.name, interface: "eth0", direction: i % 2 ? "server" : "client", captured_bytes: 96 + i * 60, original_bytes: 96 + i * 60, info: ["SYN", "SYN ACK", "ACK", "PSH ACK seq 1 len 240", "ACK", "PSH ACK seq 1 len 395", "FIN ACK"][i],
    hex: Buffer.from(Array.from({ length: 96 + i * 60 }, (_, j) => (j * 7 + i * 31) & 255)).toString("hex"),
  }));
}

const change = (s) => send("snapshot", s);
function run(s, auto) {
  const steps = [[400, { status: "In Progress", status_detail: "1/12 nodes · 2 s left", progress: { ...s.progress, nodes_done: 1, bytes: 1e8, eta_s: 2 } }], [1200, { status: "Completed", status_detail: "", start: s.from, end: s.to, size_bytes: 1.1e8, captured_bytes: 1.1e8, packets: 90_211, coverage: 1, nodes: makeSnapshots(start)[3].nodes }]];
  for (const [wait, patch] of steps) setTimeout(() => { Object.assign(s, patch); s.history.push({ at: iso(Date.now()), status: s.status, text: "" }); change(s); }, wait);
  if (auto) setTimeout(() => dissect(s, "default"), 1500);
}
function dissect(s, name) {
  const d = { name, state: "running", progress: { percent: 0, packets: 0, bytes: 0, entries: 0, eta_s: 3, per_protocol: {} }, started_at: iso(Date.now()), finished_at: null, damage: 0 };
  s.dissections.push(d);
  for (let i = 1; i <= 5; i++) setTimeout(() => { d.progress = { ...d.progress, percent: i * 20, entries: i * 2469, eta_s: 5 - i, per_protocol: { http: i * 2000, dns: i * 469 } }; if (i === 5) { d.state = "done"; d.finished_at = iso(Date.now()); s.status = "Dissected"; } change(s); }, i * 350);
  change(s);
  return d;
}

function route(method, path, q, body) {
  const [root, id, what, name] = path;
  if (root === "whoami") return ok({ name: "admin", role: "admin", capabilities: ["*"] });
  if (root === "settings") return ok({ version: "0.1.0", data_dir: "/var/lib/trawl", ring_budget_bytes: 4 * GiB, quota_bytes: 100 * GiB, auth: "token" });
  if (root === "nodes") return ok({ nodes: makeNodes(Date.now()), now: iso(Date.now()) });
  if (root === "hold") return ok({ until: iso(Date.now() + 3600_000) });
  if (root === "availability") {
    const now = Date.now();
    const nodes = makeNodes(now).map((n) => ({ name: n.name, held: [{ from: n.ring.oldest, to: n.ring.newest }], gaps: n.gaps, bytes_in_window: 160e6 }));
    return ok({ nodes, oldest: iso(now - 3_800_000), newest: iso(now), estimate_bytes: 1.84 * GiB, quota: quota() });
  }
  if (root === "sources") return ok({ sources: sources() });
  if (root === "snapshots" && !id && method === "GET") return ok({ snapshots, total: snapshots.length, quota: quota() });
  if (root === "snapshots" && !id) {
    if (/too-big/.test(body.name)) return problem(507, "Not enough room", "Needs ≈ 18.4 GiB, 12.0 GiB are free. Delete snapshots, narrow the window, or raise the quota.");
    const now = Date.now();
    const s = { ...makeSnapshots(now)[0], id: `06F3${now}`, name: body.name, status: "Pending", status_detail: "", created_at: iso(now), from: body.from ?? iso(now - (body.last_s ?? 300) * 1000), to: body.to ?? iso(now), dissections: [], history: [{ at: iso(now), status: "Pending", text: "asked for by admin" }] };
    snapshots = [s, ...snapshots];
    change(s);
    run(s, body.auto_dissect);
    return ok(s, 201);
  }
  if (root === "snapshots" && id === "import") { const s = { ...makeSnapshots(Date.now()).find((x) => x.origin === "import"), id: `06F4${Date.now()}`, name: q.get("name") }; snapshots = [s, ...snapshots]; change(s); return ok(s, 201); }
  if (root === "snapshots") {
    const s = snapshots.find((x) => x.id === id);
    if (!s) return problem(404, "No such snapshot", "This link names a snapshot that was deleted, or that you may not see.");
    if (!what && method === "GET") return ok(s);
    if (!what && method === "PATCH") { Object.assign(s, body); change(s); return ok(s); }
    if (!what && method === "DELETE") {
      if (s.locked) return problem(409, "Locked", `"${s.name}" is locked. Unlock it first.`);
      snapshots = snapshots.filter((x) => x !== s); send("snapshot_deleted", { id }); return ok({ freed_bytes: s.size_bytes });
    }
    if (what === "dissections" && method === "POST" && !name) return ok(dissect(s, body.name ?? "default"), 201);
    if (what === "dissections") return ok({ dissections: s.dissections });
    if (what === "verify") return ok({ ok: true, files: 61, bytes: s.size_bytes, errors: [] });
    if (what === "retry") { run(s, false); return ok(s); }
    if (what === "cancel") { Object.assign(s, { status: "Failed", status_detail: "cancelled by admin" }); change(s); return ok(s); }
    if (what === "pcap" && name === "estimate") return ok({ packets: 2_212_880, bytes: 3.1 * GiB, connections: q.get("filter") ? 14 : 9120, exact: false });
    if (what === "pcap" || what === "archive") return { status: 200, raw: Buffer.alloc(100_000), type: "application/octet-stream", name: `${s.name}.${what === "pcap" ? "pcapng" : "tar"}` };
  }
  if (root === "aggregate") return ok(timeline(q));
  if (root === "entries" && !id) return ok(listEntries(q));
  if (root === "entries") {
    const names = ["packets", "pcap", "body", "stream"];
    let rest = path.slice(1);
    const at = rest.findIndex((p) => names.includes(p));
    const tail = at < 0 ? [] : rest.splice(at);
    const entry = entries.find((e) => e.id === rest.at(-1));
    if (!entry) return problem(404, "No such entry", "This call is not in the dissection any more.");
    if (!tail[0]) return ok(wholeEntry(entry));
    if (tail[0] === "packets") return ok({ packets: packets(entry), truncated: false });
    if (tail[0] === "stream") return ok({ chunks: [{ direction: "client", timestamp: entry.timestamp, base64: Buffer.from(`${entry.method} ${entry.path} HTTP/1.1\r\nhost: ${entry.host}\r\n\r\n`).toString("base64") }, { direction: "server", timestamp: entry.timestamp, base64: Buffer.from("HTTP/1.1 500 Internal Server Error\r\ncontent-type: application/json\r\n\r\n{\"error\":true}").toString("base64") }], truncated: false });
    return { status: 200, raw: Buffer.from("body"), type: "application/octet-stream", name: "body.bin" };
  }
  if (root === "filter" && id === "check") return ok(check(body.filter));
  if (root === "filter") return ok({ fields, functions });
  return problem(404, "No such route", "The mock server has no such route.");
}

const types = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };

createServer(async (req, res) => {
  const url = new URL(req.url, "http://mock");
  res.setHeader("Content-Security-Policy", csp);
  res.setHeader("X-Content-Type-Options", "nosniff");
  const signedIn = /trawl_session=mock/.test(req.headers.cookie ?? "");
  const json = (status, body) => { res.writeHead(status, { "Content-Type": status >= 400 ? "application/problem+json" : "application/json" }); res.end(JSON.stringify(body)); };
  const chunks = [];
  for await (const chunk of req) chunks.push(chunk);
  const raw = Buffer.concat(chunks);
  if (url.pathname === "/session") {
    if (req.method === "DELETE") { res.setHeader("Set-Cookie", "trawl_session=; Max-Age=0; Path=/"); return json(200, {}); }
    if (JSON.parse(raw).token !== "mock") return json(401, { type: "", title: "Not valid", status: 401, detail: "This token is not valid." });
    res.setHeader("Set-Cookie", "trawl_session=mock; HttpOnly; SameSite=Strict; Path=/");
    return json(200, {});
  }
  if (url.pathname.startsWith("/api/v1/")) {
    if (!signedIn) return json(401, { type: "", title: "Sign in", status: 401, detail: "A token is needed." });
    const path = url.pathname.slice(8).split("/").map(decodeURIComponent);
    if (path[0] === "events") {
      res.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
      res.write(": hello\n\n");
      streams.add(res);
      res.on("close", () => streams.delete(res));
      return;
    }
    try {
      const body = raw.length && /json/.test(req.headers["content-type"] ?? "") ? JSON.parse(raw) : {};
      const answer = route(req.method, path, url.searchParams, body);
      if (answer.raw) { res.writeHead(200, { "Content-Type": answer.type, "Content-Disposition": `attachment; filename="${answer.name}"`, "Content-Length": answer.raw.length }); return res.end(answer.raw); }
      return json(answer.status, answer.body);
    } catch (error) {
      return json(400, { type: "", title: "Bad filter", status: 400, detail: error.message, offset: 0 });
    }
  }
  const file = normalize(join(dist, url.pathname === "/" ? "index.html" : url.pathname));
  if (!file.startsWith(dist) || !existsSync(file)) { res.writeHead(404); return res.end(); }
  res.writeHead(200, { "Content-Type": types[extname(file)] ?? "application/octet-stream" });
  res.end(readFileSync(file));
}).listen(Number(process.env.PORT ?? 8900), "127.0.0.1", () => console.log(`mock hub on http://127.0.0.1:${process.env.PORT ?? 8900}/#token=mock`));
