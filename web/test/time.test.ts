import { describe, expect, it } from "vitest";
import { deltaMicros, formatBoth, formatClock, formatDate, formatTime, fromNs, parseTyped, spanSeconds, toNs } from "../src/format/time";

const at = "2026-11-23T14:02:07.123999999Z";
const now = Date.parse("2026-11-23T14:10:00Z");

describe("times", () => {
  it("are cut, not rounded", () => expect(formatTime(at, "utc")).toBe("14:02:07.123"));
  it("keep nanoseconds", () => {
    expect(fromNs(toNs(at)!)).toBe(at);
    expect(formatBoth(at).split("\n")[0]).toBe(at);
    expect(toNs("2026-11-23T14:02:07Z")).toBe(1795442527000000000n);
    expect(toNs("14:02")).toBeNull();
  });
  it("clock, date, relative, garbage", () => {
    expect(formatClock(at, "utc")).toBe("14:02:07");
    expect(formatDate(at, "utc")).toBe("2026-11-23");
    expect(formatTime(at, "relative", now)).toBe("-7:52");
    expect(formatTime("x", "utc")).toBe("unknown");
  });
  it("spans and deltas", () => {
    expect(spanSeconds("2026-11-23T14:00:00Z", "2026-11-23T14:00:00.25Z")).toBe(0.25);
    expect(deltaMicros("2026-11-23T14:00:00.000001Z", "2026-11-23T14:00:00.0000025Z")).toBe(1.5);
  });
});

describe("typed times", () => {
  it.each([
    ["14:02", "2026-11-23T14:02:00.000Z"],
    ["14:02:07.5", "2026-11-23T14:02:07.500Z"],
    ["-10m", "2026-11-23T14:00:00.000Z"],
    ["-1.5h", "2026-11-23T12:40:00.000Z"],
    ["now", "2026-11-23T14:10:00.000Z"],
    ["23:50", "2026-11-22T23:50:00.000Z"],
    ["14:20", "2026-11-23T14:20:00.000Z"],
    ["2026-03-03 14:02", "2026-03-03T14:02:00.000Z"],
    ["2026-03-03T14:02:07.123456789Z", "2026-03-03T14:02:07.123456789Z"],
    ["2026-03-03T14:02:00+02:00", "2026-03-03T12:02:00.000Z"],
  ])("%s", (text, iso) => expect(parseTyped(text, "utc", now)).toBe(iso));
  it.each(["", "25:00", "14:61", "yesterday", "-10x", "2026-13-40 10:00"])("refuses %s", (text) => expect(parseTyped(text, "utc", now)).toBeNull());
});
