// The main job in the browser against a real hub with real traffic: capture live, snapshot, dissect, browse, PCAP, archive, delete. What stands on
// the screen is compared with the CLI's --json. Run by run.sh, in the hub's network namespace.
import { execFileSync } from "node:child_process";
import { chmodSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startBrowser } from "./browser.mjs";
import { Checks, checkPage, outFolder, screenshot, theme } from "./checks.mjs";

const { HUB: hub, TRAWL_TOKEN: token, TRAWL: trawl, SERVER: server, DATA: data, STOPPED: stopped } = process.env;
const checks = new Checks();
const cli = (...args) => execFileSync(trawl, args, { env: { ...process.env, TRAWL_HUB: hub }, encoding: "utf8", maxBuffer: 1 << 28 });
const json = (...args) => JSON.parse(cli(...args, "--json"));
const lines = (...args) => cli(...args, "--jsonl").split("\n").filter(Boolean).map((line) => JSON.parse(line));

// Written once more and apart from the dashboard's own code: what a number has to look like.
const digits = (value) => (value >= 99.95 ? Math.round(value).toLocaleString("en-US") : value >= 9.995 ? value.toFixed(1) : value.toFixed(value >= 0.9995 ? 2 : 3));
function bytes(count) {
  if (count < 1000) return `${count} B`;
  let value = count;
  let unit = 0;
  for (; value >= 999.5; unit++) value /= 1024;
  return `${digits(value)} ${["B", "KiB", "MiB", "GiB"][unit]}`;
}
const latency = (micros) => (micros < 1000 ? `${micros} µs` : micros < 999_500 ? `${digits(micros / 1000)} ms` : `${digits(micros / 1e6)} s`);
const percent = (share) => (share >= 1 ? "100 %" : share > 0.995 ? `${(Math.floor(share * 10_000) / 100).toFixed(2)} %` : `${Math.floor(share * 1000) / 10} %`);

const name = "from the browser <b>&amp;";
const { page, troubles, close } = await startBrowser({ width: 1440, height: 900 });

const row = () => page.locator(".snapshot-row", { hasText: name });
const text = async (selector) => (await page.textContent(selector))?.trim() ?? "";
const cells = async (index) => page.evaluate((i) => Object.fromEntries([...document.querySelectorAll(`#row-${i} [data-column]`)].map((c) => [c.dataset.column, c.textContent])), index);
const footerTotal = async () => Number((await text(".footer-words")).split(" of ")[1]?.replace(/,/g, ""));

async function both(what) {
  for (const colours of ["dark", "light"]) {
    await theme(page, colours);
    await page.waitForTimeout(600);
    await checkPage(checks, page, `${what} ${colours}`);
    await screenshot(page, `real-${what}-${colours}`);
  }
}

async function signIn() {
  await page.goto(`${hub}/#token=${token}`);
  await page.waitForSelector(".frame");
  checks.ok(!page.url().includes(token), "the token leaves the address bar");
  checks.ok(!(await page.evaluate(() => document.cookie)), "no script can read the session cookie");
}

async function seeCaptureLive() {
  await page.goto(`${hub}/#/nodes`);
  await page.waitForSelector(".node-card");
  const [node] = json("nodes").nodes;
  checks.equal(await text(".node-card h3"), node.name, "name of the node");
  checks.ok(/recording/.test(await text(".node-state")), "the node records");
  await page.waitForFunction(() => /● 1\/1 node · back to \d\d:\d\d · 0 lost/.test(document.querySelector(".capture-chip").textContent));
  checks.ok((await text(".node-card")).includes(node.version), "version");
  const oldest = node.ring.oldest.slice(11, 16);
  checks.ok((await text(".capture-chip")).includes(oldest), `the chip goes back to ${oldest}`);
  const facts = await page.evaluate(() => Object.fromEntries([...document.querySelectorAll(".fact")].map((f) => [f.querySelector("dt").textContent, f.querySelector("dd").textContent])));
  checks.ok(/packets\/s · /.test(facts.Packets), `packets per second: ${facts.Packets}`);
  checks.ok(facts["Back to"].endsWith(oldest), `back to: ${facts["Back to"]}`);
  checks.ok(/^0 since start$/.test(facts.Lost), `lost: ${facts.Lost}`);
  checks.ok(/ of 256 MiB$/.test(facts.Ring.trim()), `ring: ${facts.Ring}`);
  const interfaces = await page.$$eval(".interfaces tbody tr", (rows) => rows.map((r) => r.cells[0].textContent));
  checks.equal(interfaces.join(), node.interfaces.map((i) => i.name).join(), "interfaces");
  sameGaps(await gapLines(".node-gaps"), node.gaps, "the node's card");
  // The numbers move by themselves: one event stream, no reload.
  const before = await page.getAttribute(".node-card .fact", "data-tip");
  checks.ok(await page.waitForFunction((b) => document.querySelector(".node-card .fact").dataset.tip !== b, before, { timeout: 8000 }).catch(() => null), "the node's numbers are live");
  await both("nodes");
}

async function createSnapshot() {
  await page.goto(`${hub}/#/snapshots`);
  await page.waitForSelector(".empty, .snapshot-row:not(.waiting)");
  await both("snapshots-empty");
  await page.keyboard.press("c");
  await page.waitForSelector(".strip-handle");
  await page.waitForFunction(() => /≈ .* free/.test(document.querySelector(".dialog-foot").textContent));
  checks.ok((await page.inputValue("#snapshot-name")).includes("-"), "a name is suggested");
  const [gap] = json("nodes").nodes[0].gaps;
  checks.ok((await text(".dialog-body")).includes(`recorded nothing ${gap.from.slice(11, 19)} – ${gap.to.slice(11, 19)}: ${reasonWords[gap.reason]}.`), `the dialog says the gap before one creates: ${await text(".dialog-body")}`);
  await screenshot(page, "real-create");
  await checkPage(checks, page, "create");
  await page.fill("#snapshot-name", name);
  await page.click(".segment:text-is('All')");
  await page.uncheck("text=Auto-dissect");
  await page.click(".dialog .button.primary");
  await page.waitForSelector(".toast >> text=is being created from 1 node");
  await row().waitFor();
  await page.waitForFunction((n) => [...document.querySelectorAll(".snapshot-row")].some((r) => r.textContent.includes(n) && /Completed/.test(r.textContent)), name, { timeout: 30_000 });
  const shown = json("snapshot", "show", name);
  const cell = (i) => row().locator(".cell").nth(i);
  checks.ok((await cell(1).getAttribute("data-tip")).startsWith(`${shown.size_bytes.toLocaleString("en-US")} bytes`), "size");
  checks.equal(await cell(2).locator("div").first().textContent(), shown.from.slice(11, 19), "start time");
  checks.equal(await cell(3).locator("div").first().textContent(), shown.to.slice(11, 19), "end time");
  checks.ok((await cell(2).getAttribute("data-tip")).startsWith(shown.from), "start in nanoseconds");
  checks.equal(await cell(5).locator("div").first().textContent(), shown.created_at.slice(11, 19), "created at");
  checks.equal(await cell(6).textContent(), shown.nodes.map((n) => n.name).join(""), "nodes");
  checks.ok((await cell(7).getAttribute("data-tip")).includes("0 packets lost"), "drops");
  checks.equal(await page.evaluate(() => document.querySelectorAll(".name b, .toast b").length), 0, "a name is not markup");
  await row().locator(".cell").nth(4).click();
  await page.waitForSelector(".drawer tbody tr");
  checks.equal(await cell(1).textContent(), bytes(shown.size_bytes), "size as read");
  checks.equal(await cell(2).locator("div").nth(1).textContent(), shown.from.slice(0, 10), "day of the start");
  checks.equal(await cell(7).textContent(), percent(shown.coverage), "coverage");
  checks.ok((await cell(7).getAttribute("data-tip")).startsWith(`all: ${percent(shown.coverage)}`), "coverage in the tooltip");
  checks.equal(await text(".footer-words"), `${json("snapshot", "list").snapshots.length} snapshot · ${bytes(shown.size_bytes)}`, "the footer's sum");
  checks.equal((await page.textContent(".drawer tbody td:nth-child(2)")).replace(" – ", " "), `${shown.nodes[0].window.from.slice(11, 19)} ${shown.nodes[0].window.to.slice(11, 19)}`, "window of the node");
  checks.equal(await page.textContent(".drawer tbody td:nth-child(4)"), bytes(shown.nodes[0].captured_bytes), "bytes of the node");
  checks.equal(await page.textContent(".drawer tbody td:nth-child(5)"), String(shown.nodes[0].drops.kernel + shown.nodes[0].drops.ring + shown.nodes[0].drops.disk), "packets lost by the node");
  checks.equal((await page.textContent(".drawer tbody td:nth-child(6)")).split(" · ")[0], String(shown.nodes[0].gaps.length), "gaps of the node");
  const packets = await page.textContent(".drawer tbody td:nth-child(3)");
  checks.equal(packets, shown.nodes[0].packets.toLocaleString("en-US"), "packets of the node");
  checks.equal((await page.textContent(".drawer-hash")).trim(), shown.nodes[0].files[0].sha256.slice(0, 12), "checksum");
  await gapEverywhere(shown);
  await both("snapshot-drawer");
  return shown;
}

// ── the gap ──

/** Nanoseconds since 1970 of an RFC 3339 time. */
function ns(iso) {
  const [, second, fraction = ""] = /^(.*?)(?:\.(\d+))?Z$/.exec(iso);
  return BigInt(Date.parse(`${second}Z`)) * 1_000_000n + BigInt(fraction.padEnd(9, "0"));
}

const reasonWords = { capture_stopped: "capture was stopped", not_recording: "the node was not recording" };

/** What a line of a gap says on the screen, and whether all of it can be seen. */
const gapLines = (within) => page.$$eval(`${within} .gap-line`, (lines) => lines.map((line) => {
  const [from, to] = line.querySelectorAll("time");
  const box = line.getBoundingClientRect();
  const whole = [line, ...line.querySelectorAll("*")].every((e) => e.getClientRects().length > 0 && e.scrollWidth <= Math.max(e.clientWidth, Math.ceil(e.getBoundingClientRect().width)) + 1 && getComputedStyle(e).textOverflow === "clip");
  return {
    from: from.dateTime, to: to.dateTime, ends: `${from.textContent} – ${to.textContent}`, exact: `${from.dataset.tip.split("\n")[0]} ${to.dataset.tip.split("\n")[0]}`, length: line.querySelector(".gap-length").textContent,
    exactLength: line.querySelector(".gap-length").dataset.tip, reason: line.querySelector(".gap-reason").textContent, key: line.querySelector(".gap-reason").dataset.reason, whole, inside: box.left >= 0 && box.right <= innerWidth + 0.5,
  };
}));

/** The gaps on the screen are those of `gaps`: begin, end, length and reason, in what is read and, to the nanosecond, in tooltip and markup. */
function sameGaps(shown, gaps, where) {
  checks.equal(shown.length, gaps.length, `${where}: number of gaps`);
  gaps.forEach((gap, i) => {
    const line = shown[i] ?? {};
    const length = ns(gap.to) - ns(gap.from);
    checks.equal(`${line.from} ${line.to}`, `${gap.from} ${gap.to}`, `${where}: begin and end to the nanosecond`);
    checks.equal(line.exact, `${gap.from} ${gap.to}`, `${where}: the tooltip`);
    checks.equal(line.ends, `${gap.from.slice(11, 23)} – ${gap.to.slice(11, 23)}`, `${where}: begin and end as read`);
    checks.equal(line.exactLength, `${length / 1_000_000_000n}.${String(length % 1_000_000_000n).padStart(9, "0")} s`, `${where}: length to the nanosecond`);
    checks.equal(line.length, `${length / 1_000_000_000n}.${String((length / 1_000_000n) % 1000n).padStart(3, "0")} s`, `${where}: length as read`);
    checks.equal(line.reason, reasonWords[gap.reason], `${where}: reason`);
    checks.equal(line.key, gap.reason, `${where}: reason's key`);
    checks.ok(line.whole && line.inside, `${where}: the text of the gap stands whole`);
  });
}

async function gapEverywhere(shown) {
  const manifest = JSON.parse(readFileSync(join(data, "snapshots", shown.id, "manifest.json"), "utf8"));
  const [{ gaps }] = shown.nodes;
  checks.equal(JSON.stringify(manifest.nodes[0].gaps.map((g) => [g.from, g.to, g.reason])), JSON.stringify(gaps.map((g) => [g.from, g.to, g.reason])), "gaps of the manifest and of the CLI");
  const [stop, stoppedBy, start, startedBy] = stopped.split(" ").map(BigInt);
  const [gap] = gaps.filter((g) => ns(g.from) >= stop && ns(g.from) <= stoppedBy);
  checks.ok(gap && ns(gap.to) >= start && ns(gap.to) <= startedBy, `the stop of 3 s from ${stop} is a gap: ${JSON.stringify(gaps)}`);
  checks.ok(gap && cli("snapshot", "show", shown.id).includes(gap.reason), "`snapshot show` prints it");
  const { width, height } = page.viewportSize();
  for (const room of [360, 640, 1024, 1440, 2560]) {
    await page.setViewportSize({ width: room, height });
    await page.waitForTimeout(150);
    sameGaps(await gapLines(".drawer"), gaps, `drawer at ${room} px`);
    await screenshot(page, `real-gap-${room}`);
  }
  await page.setViewportSize({ width, height });
  await page.waitForTimeout(150);
  const cell = row().locator(".cell").nth(4);
  const span = `${gap.from.slice(11, 19)}–${gap.to.slice(11, 19)}`;
  checks.ok((await cell.textContent()).startsWith("Completed · partial") && (await cell.getAttribute("data-tip")).includes(`${span}: ${reasonWords[gap.reason]}`), `the row says what is missing: ${await cell.getAttribute("data-tip")}`);
}

async function dissect() {
  await page.goto(`${hub}/#/snapshots`);
  await row().locator("text=Dissect").first().click();
  await page.waitForFunction((n) => [...document.querySelectorAll(".snapshot-row")].some((r) => r.textContent.includes(n) && /Dissected/.test(r.textContent)), name, { timeout: 60_000 });
  const { dissections } = json("snapshot", "show", name);
  const entries = dissections[0].progress.entries;
  checks.ok((await row().textContent()).includes(`${entries.toLocaleString("en-US")} entries`), `${entries} entries`);
  await row().locator(".cell").nth(4).click();
  await page.waitForSelector(".drawer-protocols");
  const shown = (await text(".drawer-protocols")).split(" · ").map((part) => part.trim()).sort().join(" · ");
  const counted = Object.entries(dissections[0].progress.per_protocol).map(([protocol, count]) => `${{ http: "HTTP", dns: "DNS", tcp_conn: "TCP", udp_conn: "UDP", tcp_flow: "TCP flow", udp_flow: "UDP flow", icmp: "ICMP" }[protocol] ?? protocol.toUpperCase()} ${count.toLocaleString("en-US")}`).sort().join(" · ");
  checks.equal(shown, counted, "entries per protocol");
  for (const [protocol, count] of Object.entries(dissections[0].progress.per_protocol)) checks.equal(Number(cli("entries", "--source", json("snapshot", "show", name).id, "--filter", `protocol == "${protocol}"`, "--count")), count, `the CLI counts as many of ${protocol}`);
  await both("snapshots-dissected");
}

async function typeFilter(filter) {
  await page.waitForFunction(() => document.querySelector(".filter-editor")?.shadowRoot?.querySelector(".cm-content"));
  await page.keyboard.press("Escape"); // a list of completions, if one is open
  await page.click(".filter-editor");
  await page.keyboard.press("Control+a");
  await page.keyboard.press("Delete");
  if (filter) await page.keyboard.insertText(filter);
  await page.keyboard.press("Control+Enter");
  await page.waitForSelector(filter ? ".filter-box.is-applied" : ".filter-box.is-empty");
  await page.waitForFunction(() => document.querySelector(".entry-scroll")?.getAttribute("aria-busy") !== "true");
  await page.waitForTimeout(200);
}

async function browse(snapshot) {
  await row().locator("text=Open").click();
  await page.waitForSelector("#row-0");
  checks.equal(await footerTotal(), Number(cli("entries", "--source", snapshot.id, "--count")), "entries shown and counted by the CLI");
  await both("stream");
  await firstRows(snapshot);
  // Where nothing was recorded the rows say so: between the last call before the gap and the first one after it.
  const [gap] = json("snapshot", "show", name).nodes[0].gaps;
  const all = lines("entries", "--source", snapshot.id, "--order", "-time");
  const at = all.findIndex((entry, i) => entry.timestamp >= gap.to && all[i + 1]?.timestamp <= gap.from);
  await page.waitForSelector(".row-gap", { state: "attached" });
  checks.ok(at >= 0 && (await page.getAttribute(`#row-${at} .row-gap`, "data-tip")) === `${gap.from.slice(11, 19)}–${gap.to.slice(11, 19)} was not recorded: ${reasonWords[gap.reason]}`, `the gap between row ${at} and the next`);
  checks.equal(await page.$$eval(".row-gap", (marks) => marks.length), 1, "gaps between rows");
  for (const filter of ["http && status_code >= 500", 'http && method == "POST"', 'path.contains("orders") && elapsed_time >= 0']) {
    await typeFilter(filter);
    checks.equal(await footerTotal(), Number(cli("entries", "--source", snapshot.id, "--filter", filter, "--count")), `count of ${filter}`);
  }
  await typeFilter("http && status_code >= 500");
  const want = lines("entries", "--source", snapshot.id, "--filter", "http && status_code >= 500", "--order", "-time");
  const scroll = await page.$$eval(".entry-row", (rows) => rows.length);
  checks.ok(scroll === want.length, `rows on screen: ${scroll} of ${want.length}`);
  for (let i = 0; i < want.length; i++) {
    const shown = await cells(i);
    checks.equal(shown.time, want[i].timestamp.slice(11, 23), `time of row ${i}`);
    checks.equal(shown.status, String(want[i].status_code), `status of row ${i}`);
    checks.equal(shown.destination, `${want[i].dst.ip}:${want[i].dst.port}`, `destination of row ${i}`);
    checks.ok(shown.summary.startsWith(want[i].path), `path of row ${i}`);
  }
  await screenshot(page, "real-stream-errors");
  await page.click("#row-0 [data-column=time]");
  await page.waitForSelector(".entry-content dl");
  await entryTabs(snapshot, want[0]);
  // A wrong filter says where and why.
  await page.keyboard.press("Escape");
  await page.keyboard.press("/");
  await page.keyboard.press("Control+a");
  await page.keyboard.insertText("status_cod >= 500");
  await page.waitForSelector(".filter-box.is-wrong");
  checks.ok(/status_code/.test(await text(".filter-reason")), "a misspelt field gets its suggestion");
  const underlined = await page.waitForFunction(() => document.querySelector(".filter-editor").shadowRoot.querySelector(".cm-lintRange-error")?.textContent);
  checks.equal(await underlined.jsonValue(), "status_cod", "and is underlined where the hub says");
  checks.equal(await text(".filter-word"), "error at 1", "with its place");
  await screenshot(page, "real-filter-error");
}

const tags = { http: "HTTP", dns: "DNS", tlsx: "TLS", redis: "REDIS", tcp_conn: "TCP", udp_conn: "UDP", tcp_flow: "TCP flow", udp_flow: "UDP flow", icmp: "ICMP", ws: "WS" };

/** The newest rows of every kind, cell by cell, are the entries that the CLI prints. */
async function firstRows(snapshot) {
  const want = lines("entries", "--source", snapshot.id, "--order", "-time", "--limit", "15");
  for (const [i, entry] of want.entries()) {
    const shown = await cells(i);
    const { id, protocol } = entry;
    checks.equal(shown.time, entry.timestamp.slice(11, 23), `${id}: time`);
    checks.equal(shown.protocol, tags[protocol] ?? protocol.toUpperCase(), `${id}: protocol`);
    checks.equal(shown.source, `${entry.src.ip}:${entry.src.port}`, `${id}: source`);
    checks.equal(shown.destination, `${entry.dst.ip}:${entry.dst.port}`, `${id}: destination`);
    if (entry.elapsed_time !== undefined) checks.ok(shown.latency.startsWith(latency(entry.elapsed_time)), `${id}: latency ${shown.latency} of ${entry.elapsed_time} µs`);
    if (entry.response?.size !== undefined) checks.equal(shown.size, bytes(entry.response.size), `${id}: size`);
    if (protocol === "http") checks.equal(`${shown.method} ${entry.status === "no_response" ? "" : shown.status}`, `${entry.method} ${entry.status === "no_response" ? "" : entry.status_code}`, `${id}: method and status`);
    checks.equal(await page.locator(`#row-${i} .gutter-mark`).count(), entry.status === "error" || entry.status === "no_response" || entry.status === "incomplete" || entry.incomplete ? 1 : 0, `${id}: the mark before the row`);
  }
}

/** The summary answers with the entry's own numbers, and every field of the table stands there under its name. */
async function entrySummary(whole) {
  await page.click("#tab-summary");
  await page.waitForSelector(".fields");
  const said = await page.$$eval(".entry-content > dl .kv", (rows) => Object.fromEntries(rows.map((r) => [r.querySelector("dt").textContent, r.querySelector("dd").textContent])));
  checks.ok(said.Asked.startsWith(`${whole.method} ${whole.url}`) && said.Asked.endsWith(bytes(whole.request.size)), `asked: ${said.Asked}`);
  checks.ok(said["Came back"].startsWith(`${whole.status_code}`) && said["Came back"].includes(bytes(whole.response.size)), `came back: ${said["Came back"]}`);
  checks.ok(said.Took.startsWith(latency(whole.elapsed_time)), `took: ${said.Took}`);
  checks.ok(said.At.startsWith(whole.timestamp), `at: ${said.At}`);
  checks.ok(said.From.startsWith(`${whole.src.ip}:${whole.src.port}`) && said.To.startsWith(`${whole.dst.ip}:${whole.dst.port}`), `from ${said.From} to ${said.To}`);
  const table = JSON.parse(cli("filter", "fields", "--json"));
  const shown = await page.$$eval(".entry-content .field", (rows) => Object.fromEntries(rows.map((r) => [r.dataset.field, [r.querySelector(".field-value").textContent, r.querySelector(".field-doc")?.textContent]])));
  for (const name of ["method", "path", "url", "host", "status_code", "http_version", "id", "index", "conn_id", "flow_id"]) {
    checks.ok(shown[name]?.[0].startsWith(String(whole[name])), `${name}: ${shown[name]} is not ${whole[name]}`);
    checks.equal(shown[name]?.[1], table.find((f) => f.name === name).doc, `what ${name} means`);
  }
}

async function entryTabs(snapshot, entry) {
  const whole = lines("entries", "--source", snapshot.id, "--filter", `id == "${entry.id}"`)[0];
  await entrySummary(whole);
  await page.click("#tab-request");
  const content = () => text(".entry-content");
  for (const [header, value] of Object.entries(whole.request.headers)) checks.ok((await content()).includes(`${header}${value}`), `request header ${header}`);
  await page.click("#tab-response");
  for (const [header, value] of Object.entries(whole.response.headers)) checks.ok((await content()).includes(`${header}${value}`), `response header ${header}`);
  await page.click(".segment:text-is('Text')");
  checks.equal(await text(".body-text"), whole.response.body, "response body");
  await page.click("#tab-timing");
  checks.ok((await content()).includes(`${whole.elapsed_time.toLocaleString("en-US")} µs`), "elapsed time");
  await page.click("#tab-packets");
  await page.waitForSelector(".packet");
  const packets = await page.$$eval(".packet", (rows) => rows.length);
  checks.ok(packets >= 2, `packets of the call: ${packets}`);
  checks.ok(/485454502f312e31|48 54 54 50/.test((await page.textContent(".hex")) ?? "") || packets > 0, "hex of a packet");
  await page.click("#tab-connection");
  await page.waitForSelector(".calls");
  await page.click("#tab-raw");
  checks.equal(JSON.parse(await text(".raw")).id, entry.id, "raw entry");
  for (const tab of ["summary", "request", "response", "timing", "connection", "packets"]) {
    await page.click(`#tab-${tab}`);
    await page.waitForFunction(() => !/^Reading/.test(document.querySelector(".entry-content").textContent));
    await checkPage(checks, page, `entry ${tab}`);
    await screenshot(page, `real-entry-${tab}`);
  }
}

async function hostileTraffic() {
  await typeFilter('path.contains("onerror")');
  await page.waitForSelector("#row-0");
  await page.click("#row-0 [data-column=time]");
  for (const tab of ["summary", "request", "response", "packets", "raw"]) {
    await page.click(`#tab-${tab}`);
    await page.waitForTimeout(250);
  }
  await page.click("#tab-request");
  await screenshot(page, "real-hostile");
  checks.ok(/U\+202E/.test(await text(".entry-content")), "a bidi override in a header is boxed");
  checks.equal(await page.evaluate(() => globalThis.__xss), undefined, "stored markup does not run");
  checks.equal(await page.evaluate(() => document.querySelectorAll("img, iframe, object, embed, #app script").length), 0, "no element is made from captured text");
}

async function take(page, act) {
  const [download] = await Promise.all([page.waitForEvent("download"), act()]);
  const path = join(outFolder, `download-${download.suggestedFilename().replace(/[^\w.-]/g, "_")}`);
  await download.saveAs(path);
  return { path, name: download.suggestedFilename() };
}

async function exportArchive(snapshot) {
  await page.goto(`${hub}/#/snapshots`);
  await row().locator("text=Open").click();
  await page.waitForSelector("#row-0");
  await typeFilter("http");
  await page.click(".filter-bar >> text=Export");
  const har = await take(page, () => page.click(".menu >> text=HAR"));
  const { log } = JSON.parse(readFileSync(har.path, "utf8"));
  const calls = lines("entries", "--source", snapshot.id, "--filter", 'http && method != ""', "--order", "+time");
  checks.equal(log.entries.map((e) => `${e.request.method} ${e._id}`).join("\n"), calls.map((c) => `${c.method} ${c.id}`).join("\n"), "calls in the HTTP Archive");
  checks.ok(har.name.endsWith(".har"), `name of the archive: ${har.name}`);
}

async function exports(snapshot) {
  await page.goto(`${hub}/#/snapshots`);
  await row().waitFor();
  await row().locator("[aria-label^='PCAP of']").click();
  await page.waitForFunction(() => /packets?/.test(document.querySelector(".dialog-foot").textContent));
  await checkPage(checks, page, "pcap dialog");
  await screenshot(page, "real-pcap");
  const pcap = await take(page, () => page.click(".dialog .button.primary"));
  const packets = execFileSync("tshark", ["-r", pcap.path, "-T", "fields", "-e", "frame.number"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim().split("\n").length;
  checks.equal(packets, snapshot.packets, "packets that tshark reads");
  checks.ok(pcap.name.endsWith(".pcapng"), `name of the export: ${pcap.name}`);
  const archive = await take(page, () => row().locator("[aria-label^='Download']").click());
  const members = execFileSync("tar", ["-tf", archive.path], { encoding: "utf8" }).split("\n");
  checks.ok(/manifest\.json$/.test(members[0]), `first in the archive: ${members[0]}`);
  checks.ok(statSync(archive.path).size > 0, "the archive holds something");
  return archive.path;
}

/** A byte of the evidence is changed on the disk: Verify finds it, and the row, the drawer and the stream say it until it is gone. */
async function damage(snapshot) {
  const [{ files }] = snapshot.nodes;
  const path = join(data, "snapshots", snapshot.id, files[0].name);
  const whole = readFileSync(path);
  const changed = Buffer.from(whole);
  changed[whole.length >> 1] ^= 0xff;
  chmodSync(path, 0o600);
  writeFileSync(path, changed);
  const verify = async () => {
    await row().locator(".actions [aria-haspopup=menu]").click();
    await page.click(".menu >> text=Verify checksums");
  };
  await verify();
  await page.waitForSelector(".toast.error >> text=is damaged");
  await page.click(".toast.error [aria-label^='Dismiss'], .toast.error .button.icon-only");
  const { verified, warnings } = json("snapshot", "show", name);
  checks.ok(verified && !verified.ok && verified.errors[0].file === files[0].name, `the CLI says the damage: ${JSON.stringify(verified)}`);
  const status = () => row().locator(".cell").nth(4).textContent();
  for (let tries = 0; tries < 50 && !/damaged/.test(await status()); tries++) await page.waitForTimeout(100);
  checks.equal(await status(), `Dissected · damaged${warnings[0]}`, "the row says the damage");
  await page.goto(`${hub}/#/snapshots?open=${snapshot.id}`);
  const shown = await page.$$eval(".damage-line", (all) => all.map((line) => line.textContent));
  checks.equal(shown.join("\n"), verified.errors.map((e) => `${e.file}${e.offset === null ? "" : ` at byte ${e.offset.toLocaleString("en-US")}`}: ${e.text}`).join("\n"), "the drawer says every damaged place");
  await screenshot(page, "real-damaged");
  writeFileSync(path, whole);
  await verify();
  await page.waitForSelector(".toast >> text=is intact");
  /* The answer comes with the request, the row with the next event. */
  const isBack = async () => /^Dissected · partial/.test(await row().locator(".cell").nth(4).textContent());
  for (let tries = 0; tries < 50 && !(await isBack()); tries++) await page.waitForTimeout(100);
  checks.ok(await isBack(), "a clean verification takes it back");
}

async function deleteAndImport(archive) {
  const { size_bytes } = json("snapshot", "show", name);
  await row().locator("[aria-label^='Delete']").click();
  await page.waitForSelector("[role=alertdialog]");
  checks.ok(/^Frees .* and removes 1 dissection/.test(await text(".dialog-body")), "the dialog says what it frees");
  await screenshot(page, "real-delete");
  await page.click(".button.danger-solid");
  await page.waitForSelector(".toast >> text=is deleted");
  checks.ok(/\d .*freed\./.test(await text(".toast >> nth=-1")), "the toast says the bytes freed");
  await row().waitFor({ state: "detached" });
  checks.ok(size_bytes > 0 && !json("snapshot", "list").snapshots.some((s) => s.name === name), "the CLI agrees that it is gone");
  await page.setInputFiles("input[type=file]", archive);
  await page.waitForSelector(".toast >> text=is imported", { timeout: 30_000 });
  checks.equal(json("snapshot", "list").snapshots.length, 1, "the archive comes back");
}

try {
  const started = Date.now();
  await signIn();
  console.log(`first page after ${Date.now() - started} ms`);
  await seeCaptureLive();
  const snapshot = await createSnapshot();
  await dissect();
  await browse(snapshot);
  await hostileTraffic();
  await exportArchive(snapshot);
  const archive = await exports(snapshot);
  await damage(snapshot);
  await deleteAndImport(archive);
  checks.ok(server.length > 0, "the server's address is known");
  checks.equal(troubles.join("\n"), "", "console");
} catch (error) {
  await screenshot(page, "real-stopped").catch(() => undefined);
  checks.ok(false, `stopped: ${error.stack}\nconsole: ${troubles.join("\n")}`);
} finally {
  checks.close();
  await close().catch(() => undefined);
  process.exit();
}
