import { describe, expect, it } from "vitest";
import type { Snapshot } from "../src/api/types";
import { fittingColumns } from "../src/snapshots/columns";
import { coverageOf, damageOf, damageWords, dissectionsWords, displayStatus, failedDissection, gapsOf, matchesSearch, parseCoveredTime, sortSnapshots, worstNode } from "../src/snapshots/status";

const node = (name: string, from: string, to: string) => ({ name, window: { from, to }, covered: [{ from, to }], gaps: [], gap_count: 0, packets: 1, captured_bytes: 1, drops: { kernel: 0, ring: 0, disk: 0 }, clock_offset_ns: 0, clock_source: "hub", files: [] });
const base: Snapshot = {
  id: "06F2A", name: "disk-cat", status: "Completed", status_detail: "", partial: false, empty: false, missing: [], size_bytes: 1, captured_bytes: 1, packets: 1, from: "2026-03-03T14:00:00Z", to: "2026-03-03T14:10:00Z",
  start: null, end: null, created_at: "2026-03-03T14:12:00Z", created_by: "admin", origin: "ring", nodes: [node("n1", "2026-03-03T14:00:00Z", "2026-03-03T14:10:00Z"), node("n2", "2026-03-03T14:05:00Z", "2026-03-03T14:10:00Z")],
  drops: { kernel: 0, ring: 0, disk: 0 }, gaps_total_ns: 0, coverage: 0.75, progress: { nodes_done: 0, nodes_total: 12, bytes: 0, bytes_total: 0, eta_s: null }, dissections: [], history: [], note: "INC-4711", tags: ["checkout"], locked: false, verified: null, warnings: [], manifest_sha256: null, signature: null,
};
const job = (state: "running" | "done" | "failed", percent: number, entries: number) => ({ name: "default", state, progress: { percent, packets: 0, bytes: 0, entries, eta_s: 8, per_protocol: {} }, started_at: base.from, finished_at: null, damage: 0 });
const say = (patch: Partial<Snapshot>): string => {
  const d = displayStatus({ ...base, ...patch }, "utc");
  return `${d.shape} ${d.tone} ${d.word} | ${d.detail}`;
};

describe("the states of a snapshot", () => {
  it("have a shape, a colour and words each", () => {
    expect(say({ status: "Pending", status_detail: "waits for node-3" })).toBe("ring quiet Pending | waits for node-3");
    expect(say({ status: "In Progress", progress: { ...base.progress, nodes_done: 7, eta_s: 20 } })).toBe("progress info In Progress | 7/12 nodes · 20 s left");
    expect(say({})).toBe("dot ok Completed | ");
    expect(say({ partial: true, missing: [{ node: "node-7", from: "2026-03-03T14:02:00Z", to: "2026-03-03T14:05:00Z", reason: "recycled" }] })).toBe("half warn Completed · partial | missing node-7 14:02–14:05");
    expect(say({ partial: true, missing: [{ node: "node-7", from: "2026-03-03T14:02:00Z", to: "2026-03-03T14:02:09.5Z", reason: "recycled" }] })).toBe("half warn Completed · partial | missing node-7 14:02:00–14:02:09");
    expect(say({ empty: true })).toBe("ring warn Completed · empty | no packets in window");
    expect(say({ dissections: [job("running", 43.9, 16215)] })).toBe("progress info Dissecting 43 % | 16,215 entries · 8 s left");
    expect(say({ status: "Dissected", dissections: [job("done", 100, 412880)] })).toBe("check ok Dissected | 412,880 entries");
    expect(say({ status: "Failed", status_detail: "disk full on the hub" })).toBe("cross error Failed | disk full on the hub");
  });
  it("say a failed dissection and its reason in the row, until another one is done", () => {
    const failed = { ...job("failed", 61, 3), reason: "its memory limit of 512 MiB was reached" };
    expect(say({ dissections: [failed] })).toBe("cross error Dissection failed | its memory limit of 512 MiB was reached");
    expect(say({ dissections: [job("failed", 61, 3)] })).toBe("cross error Dissection failed | its process ended without a reason");
    expect(displayStatus({ ...base, dissections: [failed] }, "utc").tip).toContain("It stopped at 61 %.");
    expect(say({ dissections: [failed, job("running", 12, 0)] })).toMatch(/^progress info Dissecting 12 %/);
    expect(say({ status: "Dissected", dissections: [failed, job("done", 100, 5)] })).toBe("check ok Dissected | 5 entries");
    expect(failedDissection({ ...base, dissections: [failed, job("done", 100, 5)] })).toBeUndefined();
  });
  it("say damage that a verification found before anything else, until a clean one", () => {
    const found = { at: base.to, ok: false, files: 3, bytes: 9, problems: 1, errors: [{ file: "nodes/n1/000001.pcapng", offset: 65536, text: "it does not match its SHA-256" }] };
    const warnings = ["Damaged: nodes/n1/000001.pcapng at byte 65536"];
    expect(say({ verified: found, warnings })).toBe("cross error Completed · damaged | Damaged: nodes/n1/000001.pcapng at byte 65536");
    expect(say({ verified: found, warnings, status: "Dissected", dissections: [job("done", 100, 5)] })).toMatch(/^cross error Dissected · damaged/);
    expect(say({ verified: { ...found, ok: true, problems: 0, errors: [] } })).toBe("dot ok Completed | ");
  });
  it("name the first damaged place for the strip above the rows", () => {
    const found = { at: base.to, ok: false, files: 3, bytes: 9, problems: 3, errors: [{ file: "nodes/n1/000001.pcapng", offset: 65536, text: "x" }] };
    expect(damageWords(found)).toBe("nodes/n1/000001.pcapng at byte 65536 +2");
    expect(damageWords({ ...found, errors: [{ file: "manifest.json", offset: null, text: "x" }], problems: 1 })).toBe("manifest.json");
    expect(damageOf({ ...base, verified: { ...found, ok: true } })).toBeUndefined();
  });
  it("keep saying what is missing after the dissection", () => {
    const missing = [{ node: "node-7", from: "2019-03-03T14:02:00Z", to: "2026-03-03T14:05:00Z", reason: "recycled" }];
    expect(say({ partial: true, missing, status: "Dissected", dissections: [job("done", 100, 412880)] })).toBe("half warn Dissected · partial | missing node-7 2019-03-03 14:02 – 2026-03-03 14:05 · 412,880 entries");
    expect(displayStatus({ ...base, partial: true, missing, dissections: [job("failed", 1, 0)] }, "utc").tip).toContain("node-7 2019-03-03 14:02 – 2026-03-03 14:05: the ring no longer had them");
  });
});

describe("gaps", () => {
  it("are listed once, in order of time, with what is missing of nodes that gave nothing", () => {
    const gap = (from: string, to: string) => ({ from: `2026-03-03T14:0${from}Z`, to: `2026-03-03T14:0${to}Z`, reason: "capture_stopped" as const });
    const snapshot: Snapshot = {
      ...base, nodes: [{ ...base.nodes[0]!, gaps: [gap("5:00", "6:00"), gap("1:00", "2:00")] }, base.nodes[1]!],
      missing: [{ node: "n1", ...gap("1:00", "2:00") }, { node: "n1", ...gap("5:10", "5:20") }, { node: "n3", from: base.from, to: base.to, reason: "node_unreachable" }],
    };
    expect(gapsOf(snapshot).map((g) => `${g.node} ${g.from.slice(11, 19)} ${g.reason}`)).toEqual(["n3 14:00:00 node_unreachable", "n1 14:01:00 capture_stopped", "n1 14:05:00 capture_stopped"]);
  });
});

describe("the columns", () => {
  it("fall away until the rest fits, name and status never", () => {
    const ids = (room: number, hidden: string[] = []) => fittingColumns(room, hidden).map((c) => c.id).join(" ");
    expect(ids(1280)).toBe("name size start end status created nodes coverage actions");
    expect(ids(1100)).toBe("name size start end status created coverage actions");
    expect(ids(640)).toBe("name status actions");
    expect(ids(360)).toBe("name status");
    expect(ids(1280, ["size"])).not.toContain("size");
  });
});

describe("coverage", () => {
  it("is the covered share of what was asked", () => {
    expect(coverageOf(base.nodes[0]!, base)).toBe(1);
    expect(worstNode(base)?.node.name).toBe("n2");
    expect(worstNode(base)?.share).toBe(0.5);
    expect(worstNode({ ...base, nodes: [] })).toBeNull();
  });
});

describe("search", () => {
  const now = Date.parse("2026-11-23T00:00:00Z");
  it("by name, note, tag and covered time", () => {
    for (const text of ["", "disk", "inc-4711", "CHECKOUT cat", "covers mar 3 14:00", "covers march 3 14:09", "covers 2026-03-03 14:05", "06f2a"]) expect(matchesSearch(base, text, "utc", now), text).toBe(true);
    for (const text of ["dog", "disk dog", "covers mar 3 14:10", "covers mar 4 14:05", "covers 14:05"]) expect(matchesSearch(base, text, "utc", now), text).toBe(false);
  });
  it("takes a day without a year as the latest", () => {
    expect(new Date(parseCoveredTime("dec 3 10:00", "utc", now)!).toISOString()).toBe("2025-12-03T10:00:00.000Z");
    expect(parseCoveredTime("foo 3", "utc", now)).toBeNull();
  });
});

it("sorts by any column, equal ones by id", () => {
  const list = [{ ...base, id: "b", size_bytes: 5 }, { ...base, id: "a", size_bytes: 5 }, { ...base, id: "c", size_bytes: 9 }];
  expect(sortSnapshots(list, "size", true).map((s) => s.id)).toEqual(["c", "b", "a"]);
  expect(sortSnapshots(list, "size", false).map((s) => s.id)).toEqual(["a", "b", "c"]);
});

it("says what a deletion removes", () => {
  expect(dissectionsWords([base])).toBe("");
  expect(dissectionsWords([{ ...base, dissections: [job("done", 100, 412000), job("done", 100, 880)] }])).toBe(" and removes 2 dissections (412,880 entries)");
});
