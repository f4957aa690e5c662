import { describe, expect, it } from "vitest";
import { deltaMicros, formatBoth, formatClock, formatDate, formatEnds, formatMinutes, formatTime, fromNs, parseTyped, spanNs, spanSeconds, toNs } from "../src/format/time";

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
  it("intervals say as much as tells their ends apart, and the dates when they differ", () => {
    const day = (clock: string) => `2026-11-23T${clock}Z`;
    expect(formatMinutes(day("14:02:00"), day("14:05:00"), "utc")).toBe("14:02–14:05");
    expect(formatMinutes(day("14:02:03"), day("14:02:09.9"), "utc")).toBe("14:02:03–14:02:09");
    expect(formatMinutes(day("14:02:58"), day("14:03:01"), "utc")).toBe("14:02:58–14:03:01");
    expect(formatMinutes(day("14:02:03.1"), day("14:02:03.35"), "utc")).toBe("14:02:03.100–14:02:03.350");
    expect(formatMinutes("2019-03-03T14:02:00Z", day("09:00:00"), "utc")).toBe("2019-03-03 14:02 – 2026-11-23 09:00");
    expect(formatEnds(day("14:02:03.123999999"), day("14:02:06.5"), "utc")).toEqual(["14:02:03.123", "14:02:06.500"]);
    expect(formatEnds("1970-01-01T00:00:00Z", day("14:02:06.5"), "utc")).toEqual(["1970-01-01 00:00:00.000", "2026-11-23 14:02:06.500"]);
    expect(spanNs(day("14:02:03.000000001"), day("14:02:06.000000003"))).toBe(3_000_000_002n);
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
