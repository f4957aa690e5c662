// Every view, every state of a snapshot, every empty state, both themes, four sizes: against the made-up hub of web/dev, which serves the built
// dashboard under the real content security policy. Screenshots go to tests/out/browser.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { fields } from "../../../web/dev/mock-data.mjs";
import { others } from "../../../web/dev/mock-protocols.mjs";
import { startBrowser } from "./browser.mjs";
import { Checks, checkPage, screenshot, theme } from "./checks.mjs";

const mock = fileURLToPath(new URL("../../../web/dev/mock-server.mjs", import.meta.url));
const checks = new Checks();
const hubs = [];

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

async function startHub(env = {}) {
  const port = await freePort();
  const child = spawn(process.execPath, [mock], { env: { ...process.env, PORT: String(port), ...env }, stdio: ["ignore", "pipe", "inherit"] });
  hubs.push(child);
  await once(child.stdout, "data");
  return { url: `http://127.0.0.1:${port}`, stop: () => child.kill() };
}

const sizes = [
  { name: "1280", width: 1280, height: 720, axe: true },
  { name: "1440", width: 1440, height: 900, axe: false },
  { name: "1920", width: 1920, height: 1080, axe: false },
  { name: "zoom", width: 640, height: 360, scale: 2, axe: true }, // 1280×720 at 200 %
];

async function signedIn(hub, size) {
  const browser = await startBrowser(size);
  await browser.page.goto(`${hub.url}/#token=mock`);
  await browser.page.waitForSelector(".frame");
  return browser;
}

async function show(page, hub, hash) {
  await page.goto(`${hub.url}/${hash}`);
  await page.waitForTimeout(300);
}

const source = "06F2Q00004";
const bad = encodeURIComponent("http && status_code >= 500");

async function everyView(hub, size) {
  const { page, troubles, close } = await signedIn(hub, size);
  for (const colours of ["light", "dark"]) {
    await theme(page, colours);
    const shot = async (name) => {
      await checkPage(checks, page, `${name} ${size.name} ${colours}`, { axe: size.axe });
      await screenshot(page, `${name}-${size.name}-${colours}`);
    };
    await show(page, hub, "#/snapshots");
    await page.waitForSelector(".snapshot-row:not(.waiting)");
    await shot("snapshots");
    await show(page, hub, "#/snapshots?open=06F2Q00003");
    await page.waitForSelector(".drawer");
    await shot("snapshot-drawer");
    await show(page, hub, "#/snapshots");
    await page.keyboard.press("c");
    await page.waitForSelector(".strip");
    await page.waitForFunction(() => /≈/.test(document.querySelector(".dialog-foot")?.textContent ?? ""));
    await shot("create");
    await page.keyboard.press("Escape");
    await page.click("[aria-label='PCAP of audit-q1']");
    await page.waitForFunction(() => /≈/.test(document.querySelector(".dialog-foot")?.textContent ?? ""));
    await shot("pcap");
    await page.keyboard.press("Escape");
    await page.click("[aria-label='Delete ring-test']");
    await shot("delete");
    checks.ok(/Frees 3\.10 GiB of the quota and removes 1 dissection \(16,215 entries\)/.test(await page.textContent(".dialog-body")), "the delete dialog says what it frees");
    checks.equal(await page.evaluate(() => document.activeElement?.textContent), "Cancel", "focus in the delete dialog");
    await page.keyboard.press("Escape");
    await show(page, hub, `#/stream?source=${source}`);
    await page.waitForSelector(".entry-row:not(.waiting)");
    await page.waitForSelector(".timeline .t-hit", { state: "attached" });
    await shot("stream");
    if (size.name === "1280") {
      const rows = await page.evaluate(() => {
        const box = document.querySelector(".entry-scroll").getBoundingClientRect();
        return [...document.querySelectorAll(".entry-row")].filter((r) => r.getBoundingClientRect().bottom <= box.bottom + 1 && r.getBoundingClientRect().top >= box.top + 27).length;
      });
      checks.ok(rows >= 16, `16 rows at 1280×720: ${rows}`);
    }
    await show(page, hub, `#/stream?source=${source}&filter=${bad}`);
    await page.waitForSelector(".clause");
    await page.waitForSelector("#row-1");
    await page.click("#row-1 [data-column=time]");
    await page.waitForSelector(".entry-content > *");
    await page.click("#tab-summary");
    await page.waitForSelector(".entry-content dl");
    await shot("entry-summary");
    const middle = size.name === "1440" || size.name === "1920";
    for (const tab of middle ? ["response", "packets"] : ["request", "response", "timing", "connection", "packets", "raw"]) {
      await page.click(`#tab-${tab}`);
      await page.waitForFunction(() => !/^Reading/.test(document.querySelector(".entry-content")?.textContent ?? "Reading"));
      await shot(`entry-${tab}`);
    }
    await show(page, hub, "#/nodes");
    await page.waitForSelector(".node-table tbody tr");
    await shot("nodes");
    await show(page, hub, "#/settings");
    await page.waitForSelector(".setting");
    await shot("settings");
    await page.keyboard.press("?");
    await page.waitForSelector(".key-columns");
    await shot("keys");
    await page.keyboard.press("Escape");
    await page.keyboard.press("Control+k");
    await page.waitForSelector(".palette-list");
    await shot("palette");
    await page.keyboard.press("Escape");
    checks.equal(await page.evaluate(() => globalThis.__xss), undefined, "captured text stays inert");
  }
  checks.equal(troubles.join("\n"), "", `console at ${size.name}`);
  await close();
}

/** A phone and a wall: what has to be read and pressed is there, and nothing of the page lies outside. */
async function extremes(hub) {
  for (const size of [{ name: "360", width: 360, height: 640 }, { name: "2560", width: 2560, height: 1440 }]) {
    const { page, troubles, close } = await signedIn(hub, size);
    await theme(page, size.name === "360" ? "dark" : "light");
    const shot = async (name) => {
      await checkPage(checks, page, `${name} ${size.name}`);
      await screenshot(page, `${name}-${size.name}`);
    };
    await show(page, hub, "#/snapshots?open=06F2Q0000A");
    await page.waitForSelector(".gap-line");
    checks.ok(/2019-03-03 14:02:03\.000 – \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}/.test(await page.textContent(".gap-line")), `${size.name}: a gap of years has its dates`);
    const outside = await page.$$eval(".gap-line, .gap-line *, .drawer-status, .drawer .button", (all) => all.filter((e) => e.checkVisibility() && !e.closest(".drawer-table") && (e.getBoundingClientRect().right > innerWidth + 1 || e.getBoundingClientRect().left < 0)).map((e) => e.textContent));
    checks.equal(outside.join(" | "), "", `${size.name}: what lies outside in the drawer`);
    checks.ok(await page.$(".drawer-tools >> text=Dissect") || await page.$(".snapshot-row.open >> text=Dissect"), `${size.name}: the actions are within reach`);
    await shot("snapshot-hostile");
    await show(page, hub, "#/snapshots");
    await page.waitForSelector(".snapshot-row:not(.waiting)");
    await shot("snapshots");
    await page.keyboard.press("c");
    await page.waitForFunction(() => /≈/.test(document.querySelector(".dialog-foot")?.textContent ?? ""));
    await shot("create");
    await page.keyboard.press("Escape");
    await show(page, hub, `#/stream?source=${source}`);
    await page.waitForSelector("#row-1");
    await shot("stream");
    await show(page, hub, `#/stream?source=${source}&entry=${idOf("postgresql")}&tab=summary`);
    await page.waitForSelector(".fields");
    await shot("entry");
    await show(page, hub, "#/nodes");
    await page.waitForSelector(".node-table tbody tr");
    await shot("nodes");
    checks.equal(troubles.join("\n"), "", `console at ${size.name}`);
    await close();
  }
}

/** The first made-up entry of a protocol: as makeEntries numbers them. */
const idOf = (protocol) => `06F2${(11 + 23 * Object.keys(others).indexOf(protocol)).toString(32).toUpperCase().padStart(9, "0")}`;

/** Every field of every protocol stands in the entry under its name, with its value and what the table says about it; a value becomes its clause. */
async function everyProtocol(hub) {
  const { page, troubles, close } = await signedIn(hub, { width: 1440, height: 1000 });
  for (const [i, protocol] of Object.keys(others).entries()) {
    if (i === 0 || i === 9) await theme(page, i === 0 ? "light" : "dark");
    await show(page, hub, `#/stream?source=${source}&entry=${idOf(protocol)}&tab=summary`);
    await page.waitForFunction((p) => document.querySelector(".entry-content .fields")?.dataset.group === p || !document.querySelector(".entry-content .fields") === false, protocol);
    const entry = await page.evaluate(async ([s, id]) => (await fetch(`/api/v1/entries/${s}/${id}`)).json(), [source, idOf(protocol)]);
    const shown = await page.$$eval(".entry-content .field", (rows) => Object.fromEntries(rows.map((r) => [r.dataset.field, { value: r.querySelector(".field-value").textContent, doc: r.querySelector(".field-doc")?.textContent ?? "" }])));
    for (const field of fields.filter((f) => f.name.startsWith(`${protocol}_`) && entry[f.name] !== undefined && entry[f.name] !== "")) {
      const row = shown[field.name];
      const words = [entry[field.name]].flat().map((v) => String(v).replace(/\s+/g, ""));
      checks.ok(row && words.every((word) => row.value.replace(/\s+/g, "").includes(word)), `${protocol}: ${field.name} shows ${words}: ${row?.value}`);
      checks.equal(row?.doc, field.doc, `${protocol}: what ${field.name} means`);
    }
    checks.equal(await page.textContent(".entry-line-1 .tag"), (await page.textContent(`.fields[data-group=${protocol}] .tag`).catch(() => page.textContent(".entry-line-1 .tag"))), `${protocol}: its tag`);
    await screenshot(page, `protocol-${protocol}`);
    if (["grpc", "gql", "postgresql"].includes(protocol)) {
      await page.click("#tab-request");
      await page.waitForSelector(".body");
      await checkPage(checks, page, `request of ${protocol}`);
      await screenshot(page, `protocol-${protocol}-request`);
    }
  }
  await show(page, hub, `#/stream?source=${source}&entry=${idOf("grpc")}&tab=request`);
  await page.waitForSelector(".body-text");
  checks.ok(/message 1: \d+ bytes\s+1: "card-17"\s+2: 2500\s+3 \{/.test(await page.textContent(".body-text")), `protobuf by its wire format: ${await page.textContent(".body-text")}`);
  // A click on a value: its exact clause, with the flag of its protocol; the entry stays open.
  await show(page, hub, `#/stream?source=${source}&entry=${idOf("kafka")}&tab=summary`);
  await page.click("[data-field=kafka_topics] .value-text >> text=audit");
  await page.waitForSelector(".menu [role=menuitem]");
  checks.equal(await page.textContent(".menu-label"), '+ kafka && "audit" in kafka_topics', "the clause of a member of a list");
  await page.keyboard.press("Enter");
  await page.waitForSelector(".filter-box.is-applied");
  checks.equal(await page.$$eval(".clause-text", (all) => all.map((c) => c.textContent).join(" && ")), 'kafka && "audit" in kafka_topics', "it becomes the filter");
  checks.ok(await page.$(".entry-pane"), "the entry stays");
  await page.focus("[data-field=kafka_error_name] .value-more");
  await page.keyboard.press("Enter");
  await page.waitForSelector(".menu [role=menuitem]");
  checks.equal(await page.textContent(".menu-label"), '+ kafka && kafka_error_name == "NOT_LEADER_OR_FOLLOWER"', "by keyboard");
  await screenshot(page, "protocol-value-menu");
  await page.keyboard.press("Escape");
  // Headers of 10 KB and with marks of direction: cut with a way to all of it, boxed, inert.
  await show(page, hub, `#/stream?source=${source}&entry=06F2000000000&tab=request`);
  await page.waitForSelector("text=x-long");
  const long = page.locator(".kv", { hasText: "x-long" }).locator("dd");
  checks.ok((await long.textContent()).length < 700 && /show all 10880/.test(await long.textContent()), "a long header is cut");
  await long.locator("text=show all").click();
  checks.ok((await long.textContent()).length > 10_000, "and shown whole when asked for");
  checks.ok(/U\+202E/.test(await page.locator(".kv", { hasText: "x-rtl" }).textContent()), "a mark of direction is boxed");
  await page.click("#tab-response");
  await page.waitForSelector(".json");
  checks.ok(/big: 12345678901234567890/.test(await page.textContent(".json")), "a number of JSON is shown as it was sent, not rounded");
  await page.click("#tab-request");
  await page.waitForSelector("text=x-long");
  await checkPage(checks, page, "hostile headers");
  checks.equal(await page.evaluate(() => [globalThis.__xss, document.querySelectorAll("#app img, #app iframe, #app script, #app b").length].join()), ",0", "captured text stays inert");
  checks.equal(troubles.join("\n"), "", "console of the protocols");
  await close();
}

/** 100,000 rows: the scroll bar tells how many there are, any place can be reached, and only what is seen is drawn. */
async function manyRows() {
  const hub = await startHub({ MOCK_ENTRIES: "100000" });
  const { page, troubles, close } = await signedIn(hub, { width: 1440, height: 900 });
  await show(page, hub, `#/stream?source=${source}`);
  await page.waitForSelector("#row-3");
  const height = await page.evaluate(() => document.querySelector(".entry-rows").getBoundingClientRect().height);
  checks.equal(Math.round(height), 2_800_000, "the height of 100,000 rows");
  const most = { rows: 0 };
  const count = async () => (most.rows = Math.max(most.rows, await page.$$eval(".entry-row", (rows) => rows.length)));
  await page.mouse.move(600, 500);
  await page.evaluate(() => {
    globalThis.frames = [];
    let last = performance.now();
    const tick = (now) => {
      globalThis.frames.push(now - last);
      last = now;
      requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  });
  for (let i = 0; i < 60; i++) {
    await page.mouse.wheel(0, 840);
    if (i % 10 === 0) await count();
  }
  const frames = (await page.evaluate(() => globalThis.frames.slice(1))).sort((a, b) => a - b);
  console.log(`wheel over 100,000 rows: frames of ${frames[Math.floor(frames.length * 0.5)]?.toFixed(1)} ms (half), ${frames[Math.floor(frames.length * 0.95)]?.toFixed(1)} ms (95 %)`);
  await page.focus(".entry-scroll");
  await page.keyboard.press("End");
  await page.waitForSelector("#row-99999", { timeout: 60_000 });
  await count();
  const [last] = await page.evaluate(async (s) => (await (await fetch(`/api/v1/entries?source=${s}&order=%2Btime&limit=1`)).json()).entries, source);
  checks.equal(await page.textContent("#row-99999 [data-column=time]"), last.timestamp.slice(11, 23), "the last row is the oldest call");
  checks.ok(most.rows <= 80, `rows drawn at once: ${most.rows}`);
  checks.ok(/^100,000 of 100,000 of 100,000/.test(await page.textContent(".footer-words")), "the footer counts them");
  await page.keyboard.press("Home");
  await page.waitForSelector("#row-0");
  checks.equal(troubles.join("\n"), "", "console of the many rows");
  await close();
  hub.stop();
}

/** A page of rows that cannot be had is said once, with a way to try again, and not asked for over and over. */
async function brokenPage(hub) {
  const { page, close } = await signedIn(hub, sizes[0]);
  let asked = 0;
  let busy = true;
  await page.route(/\/api\/v1\/entries\?.*cursor=/, (route) => {
    if (!busy) return route.continue();
    asked++;
    return route.fulfill({ status: 503, contentType: "application/problem+json", body: JSON.stringify({ title: "Too busy", status: 503, detail: "The hub answers other questions. Try again in a moment." }) });
  });
  await show(page, hub, `#/stream?source=${source}`);
  await page.waitForSelector("#row-0");
  await page.focus(".entry-scroll");
  await page.keyboard.press("End");
  await page.waitForSelector(".empty[role=alert] >> text=The hub answers other questions.");
  await page.waitForTimeout(500);
  checks.equal(asked, 1, "how often the page was asked for");
  await screenshot(page, "stream-broken-page");
  busy = false;
  await page.click(".empty button");
  await page.waitForSelector("#row-0");
  await close();
}

/** A question that nobody waits for any more is taken back, and its late answer changes nothing. */
async function outdated(hub) {
  const { page, close } = await signedIn(hub, sizes[0]);
  const gone = [];
  page.on("requestfailed", (request) => gone.push(`${request.failure()?.errorText} ${request.url()}`));
  await page.route(/\/api\/v1\/entries\?.*path\+?.*slow/, async (route) => {
    await new Promise((resolve) => setTimeout(resolve, 1500));
    await route.continue().catch(() => undefined); // the page has taken it back
  });
  await show(page, hub, `#/stream?source=${source}`);
  await page.waitForSelector("#row-0");
  await show(page, hub, `#/stream?source=${source}&filter=${encodeURIComponent('path == "slow"')}`);
  await show(page, hub, `#/stream?source=${source}&filter=${encodeURIComponent("kafka")}`);
  await page.waitForFunction(() => document.querySelector("#row-0 .tag")?.textContent === "KAFKA");
  checks.ok(gone.some((line) => /ERR_ABORTED/.test(line) && /slow/.test(line)), `the outdated question is cancelled: ${gone.join(", ")}`);
  await page.waitForTimeout(1700);
  checks.equal(await page.textContent("#row-0 .tag"), "KAFKA", "its answer changes nothing");
  await close();
}

async function emptyStates() {
  const size = sizes[0];
  const cases = [
    { env: { MOCK_EMPTY: "1" }, hash: "#/snapshots", text: /No snapshots yet\. The nodes hold traffic back to \d\d:\d\d\./, name: "empty-snapshots" },
    { env: {}, hash: "#/stream", text: /live calls are read with.*Recording goes on, back to \d\d:\d\d/, name: "empty-live" },
    { env: {}, hash: `#/stream?source=${source}&filter=${encodeURIComponent('http && path == "/nowhere"')}`, text: /0 of 12,345 calls match\. Without path == "\/nowhere": [\d,]+\./, name: "empty-no-match" },
    { env: {}, hash: "#/stream?source=06F2Q00003", text: /has packets but is not dissected/, name: "empty-not-dissected" },
    { env: {}, hash: "#/stream?source=06F2Q00006", text: /Dissecting 43 %.*16,215 entries/, name: "empty-dissecting" },
    { env: {}, hash: "#/stream?source=GONE", text: /This link names a snapshot that was deleted, or that you may not see\./, name: "empty-gone" },
    { env: {}, hash: `#/stream?source=${source}&from=2001-01-01T00:00:00Z&to=2001-01-01T00:01:00Z`, text: /No calls between/, name: "empty-time" },
    { env: { MOCK_USED_GIB: "86" }, hash: "#/snapshots", text: /nearly full/, name: "meter-full" },
    { env: { MOCK_SILENT: "1" }, hash: "#/nodes", text: /▲ 11\/12 nodes · ip-10-0-38-116/, name: "node-silent" },
    { env: { MOCK_NODES: "3", MOCK_LOST: "1" }, hash: "#/nodes", text: /Not recorded|Back to/, name: "node-cards" },
  ];
  for (const one of cases) {
    const hub = await startHub(one.env);
    const { page, troubles, close } = await signedIn(hub, size);
    for (const colours of ["light", "dark"]) {
      await show(page, hub, one.hash);
      await theme(page, colours);
      const found = await page.waitForFunction((source) => new RegExp(source, "s").test(document.querySelector(".frame")?.textContent ?? ""), one.text.source, { timeout: 8000 }).catch(() => null);
      checks.ok(found, `${one.name}: ${one.text}`);
      await checkPage(checks, page, `${one.name} ${colours}`);
      await screenshot(page, `${one.name}-${colours}`);
    }
    checks.equal(troubles.filter((t) => !/404|400/.test(t)).join("\n"), "", `${one.name}: console`);
    await close();
    hub.stop();
  }
}

async function behaviour(hub) {
  const { context, page, troubles, close } = await signedIn(hub, sizes[0]);
  // The filter: completion, error with its place, apply by key, chips.
  await show(page, hub, `#/stream?source=${source}`);
  await page.waitForSelector("#row-3");
  await page.keyboard.press("/");
  await page.keyboard.type("status_c");
  await page.waitForFunction(() => document.querySelector(".filter-editor").shadowRoot.querySelector(".cm-tooltip-autocomplete li"));
  await screenshot(page, "filter-completion");
  await page.waitForTimeout(300); // the editor takes no key for a completion that has only just appeared
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => /status_code/.test(document.querySelector(".filter-editor").shadowRoot.querySelector(".cm-content").textContent));
  await page.keyboard.type(" >= 500 &&& x");
  await page.waitForSelector(".filter-box.is-wrong");
  const underlined = await page.waitForFunction(() => document.querySelector(".filter-editor").shadowRoot.querySelector(".cm-lintRange-error")?.textContent);
  const told = await page.evaluate(async (filter) => (await fetch("/api/v1/filter/check", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ filter }) })).json(), "status_code >= 500 &&& x");
  checks.equal(await underlined.jsonValue(), told.token, "what the hub says is wrong is underlined");
  checks.ok(/^error at \d+$/.test(await page.textContent(".filter-word")), "a wrong filter says where");
  await screenshot(page, "filter-error");
  for (let i = 0; i < 6; i++) await page.keyboard.press("Backspace");
  await page.waitForSelector(".filter-box.is-edited");
  await page.keyboard.press("Control+Enter");
  await page.waitForSelector(".filter-box.is-applied");
  checks.ok(/filter=status_code/.test(page.url()), "the filter is in the URL");
  await page.click(".clause-text");
  await page.waitForFunction(() => !/filter=/.test(location.hash));
  checks.ok(await page.$(".clause.off"), "a clause can be switched off");
  await page.goBack();
  await page.waitForSelector(".clause:not(.off)");
  // Keyboard: rows, value menu, entry, back.
  await page.focus(".entry-scroll");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press(".");
  await page.waitForSelector(".menu [role=menuitem]");
  checks.ok(/^\+ .*status/.test(await page.textContent(".menu-label")), "the value menu shows the exact clause");
  await screenshot(page, "value-menu");
  await page.keyboard.press("Escape");
  await page.focus(".entry-scroll");
  await page.keyboard.press("Enter");
  await page.waitForSelector(".entry-content > *");
  await page.click("#tab-summary");
  await page.keyboard.press("]");
  await page.waitForSelector("#tab-request[aria-selected=true]");
  await page.keyboard.press("Escape");
  await page.waitForFunction(() => !document.querySelector(".entry-pane"));
  checks.ok(await page.evaluate(() => document.activeElement?.classList.contains("entry-scroll")), "closing the entry gives the focus back to the table");
  // A snapshot whose bytes are no longer those of its manifest says so in its row and, place by place, in its drawer.
  await show(page, hub, "#/snapshots?open=06F2Q0000B");
  await page.waitForSelector(".damage-line");
  checks.ok(/^Dissected · damagedDamaged: .*000012\.pcapng at byte 1310720 and 2 more/.test(await page.textContent(".snapshot-row.open .cell:nth-child(5)")), "damage in the row");
  checks.ok(/at byte 1,310,720: its bytes are not those of the manifest/.test(await page.textContent(".damage-line")), "damage in the drawer");
  await screenshot(page, "snapshot-damaged");
  // The list of snapshots by keyboard: rows, drawer, actions.
  await show(page, hub, "#/snapshots");
  await page.waitForSelector(".snapshot-row:not(.waiting)");
  await page.focus(".snapshot-row");
  await page.keyboard.press("End");
  await page.keyboard.press("Enter");
  await page.waitForSelector(".drawer");
  for (let i = 0; i < 5 && !(await page.evaluate(() => /night-shift/.test(document.activeElement.textContent))); i++) await page.keyboard.press("ArrowUp");
  checks.equal(await page.evaluate(() => document.activeElement.querySelector(".status")?.textContent), "Dissection failed", "a failed dissection stands in its row");
  checks.ok(/its memory limit of 512 MiB was reached/.test(await page.evaluate(() => document.activeElement.textContent)), "with its reason");
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowRight");
  checks.equal(await page.evaluate(() => document.activeElement.textContent), "Retry", "and Retry beside it");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => [...document.querySelectorAll(".snapshot-row")].some((r) => /night-shift/.test(r.textContent) && /Dissected/.test(r.textContent)), undefined, { timeout: 15000 });
  // Creating: the row appears, runs and is announced.
  await show(page, hub, "#/snapshots");
  await page.keyboard.press("c");
  await page.waitForSelector(".strip-handle");
  await page.fill("#snapshot-name", "browser-test");
  await page.focus(".strip-handle");
  await page.keyboard.press("Shift+ArrowLeft");
  checks.ok(await page.$(".segment[aria-checked=true]:text('From–to')"), "moving a handle makes the window a range");
  await page.click(".dialog .button.primary");
  await page.waitForSelector(".toast >> text=is being created from 12 nodes");
  await page.waitForFunction(() => [...document.querySelectorAll(".snapshot-row")].some((r) => /browser-test/.test(r.textContent) && /Dissected/.test(r.textContent)), undefined, { timeout: 15000 });
  await screenshot(page, "toasts");
  // A refusal is said in the dialog, with its words.
  await page.keyboard.press("c");
  await page.waitForSelector(".strip");
  await page.fill("#snapshot-name", "too-big");
  await page.click(".dialog .button.primary");
  await page.waitForSelector(".notice.error >> text=Delete snapshots, narrow the window, or raise the quota.");
  await screenshot(page, "create-refused");
  await page.keyboard.press("Escape");
  // Five tabs, one stream of events.
  const tabs = [];
  for (let i = 0; i < 4; i++) {
    const tab = await context.newPage();
    await tab.goto(`${hub.url}/#/nodes`);
    await tab.waitForSelector(".node-table tbody tr");
    tabs.push(tab);
  }
  for (const tab of tabs) {
    const before = await tab.textContent(".footer-words");
    checks.ok(await tab.waitForFunction((b) => document.querySelector(".footer-words").textContent !== b, before, { timeout: 6000 }).catch(() => null), "every tab is live");
  }
  checks.equal(troubles.filter((t) => !/507/.test(t)).join("\n"), "", "console of the behaviour test");
  // The hub goes away: said once, with a way to try now.
  hub.stop();
  await page.waitForSelector(".banner >> text=/Connection to the hub lost .* ago\\. Recording goes on at the nodes/", { timeout: 10000 });
  await screenshot(page, "banner-reconnecting");
  await close();
}

async function signIn() {
  const hub = await startHub();
  const { page, troubles, close } = await startBrowser(sizes[0]);
  await page.goto(hub.url);
  await page.waitForSelector(".sign-in");
  await checkPage(checks, page, "sign-in");
  await screenshot(page, "sign-in");
  await page.fill("#token", "wrong");
  await page.keyboard.press("Enter");
  await page.waitForSelector(".field-error");
  await page.fill("#token", "mock");
  await page.keyboard.press("Enter");
  await page.waitForSelector(".frame");
  checks.ok(!/mock/.test(page.url()), "the token is not in the address");
  checks.equal(troubles.filter((t) => !/401/.test(t)).join("\n"), "", "console of the sign-in");
  await close();
  hub.stop();
}

try {
  await signIn();
  const hub = await startHub();
  // STATES=extremes,protocols for one's own quick look; ./test runs all.
  const only = process.env.STATES?.split(",");
  const wants = (part) => !only || only.includes(part);
  const view = (name) => [name, () => everyView(hub, sizes.find((size) => size.name === name))];
  const lanes = [
    [view("1280"), view("1440"), ["protocols", () => everyProtocol(hub)], ["outdated", () => outdated(hub)], ["broken", () => brokenPage(hub)]],
    [view("zoom"), view("1920"), ["extremes", () => extremes(hub)], ["empty", () => emptyStates()], ["behaviour", async () => behaviour(await startHub())]],
  ];
  // Two browsers side by side: much of their time is waiting. The many rows have the machine for themselves.
  await Promise.all(lanes.map(async (lane) => {
    for (const [name, run] of lane) if (wants(name)) await run();
  }));
  if (wants("many")) await manyRows();
} catch (error) {
  checks.ok(false, `stopped: ${error.stack}`);
} finally {
  for (const hub of hubs) hub.kill();
  checks.close();
  process.exit(); // browsers of a stopped test end with us
}
