import { describe, expect, it } from "vitest";
import type { Snapshot } from "../src/api/types";
import { coverageOf, dissectionsWords, displayStatus, matchesSearch, parseCoveredTime, sortSnapshots, worstNode } from "../src/snapshots/status";

const node = (name: string, from: string, to: string) => ({ name, window: { from, to }, covered: [{ from, to }], gaps: [], packets: 1, captured_bytes: 1, drops: { kernel: 0, ring: 0, disk: 0 }, clock_offset_ns: 0, clock_source: "hub", files: [] });
const base: Snapshot = {
  id: "06F2A", name: "disk-cat", status: "Completed", status_detail: "", partial: false, empty: false, missing: [], size_bytes: 1, captured_bytes: 1, packets: 1, from: "2026-03-03T14:00:00Z", to: "2026-03-03T14:10:00Z",
  start: null, end: null, created_at: "2026-03-03T14:12:00Z", created_by: "admin", origin: "ring", nodes: [node("n1", "2026-03-03T14:00:00Z", "2026-03-03T14:10:00Z"), node("n2", "2026-03-03T14:05:00Z", "2026-03-03T14:10:00Z")],
  drops: { kernel: 0, ring: 0, disk: 0 }, gaps_total_ns: 0, coverage: 0.75, progress: { nodes_done: 0, nodes_total: 12, bytes: 0, bytes_total: 0, eta_s: null }, dissections: [], history: [], note: "INC-4711", tags: ["checkout"], locked: false, manifest_sha256: null,
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
    expect(say({ dissections: [job("failed", 61, 3)] })).toBe("dot ok Completed | dissection stopped at 61 %");
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
