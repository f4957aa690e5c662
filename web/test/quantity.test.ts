import { describe, expect, it } from "vitest";
import { formatBitrate, formatBytes, formatBytesOf, formatCount, formatExactSeconds, formatGap, formatLatency, formatPercent, formatRate, formatSpan, plural } from "../src/format/quantity";

describe("bytes", () => {
  it.each([
    [0, "0 B"], [395, "395 B"], [999, "999 B"], [1000, "0.977 KiB"], [1024, "1.00 KiB"], [2150, "2.10 KiB"], [1048576, "1.00 MiB"],
    [3328599654, "3.10 GiB"], [65712999629, "61.2 GiB"], [107374182400, "100 GiB"], [1023 * 1024, "0.999 MiB"], [-1, "unknown"], [Number.NaN, "unknown"],
  ])("%d → %s", (bytes, text) => expect(formatBytes(bytes)).toBe(text));
  it("compares in the unit of the whole", () => {
    expect(formatBytesOf(65712999629, 107374182400)).toBe("61.2 of 100 GiB");
    expect(formatBytesOf(0, 107374182400)).toBe("0 of 100 GiB");
    expect(formatBytesOf(5e6, 107374182400)).toBe("4.77 MiB of 100 GiB");
  });
});

describe("latency", () => {
  it.each([[0, "0 µs"], [750, "750 µs"], [999.6, "1.00 ms"], [12400, "12.4 ms"], [999_600, "1.00 s"], [2_310_000, "2.31 s"], [192_000_000, "3 m 12 s"], [7_500_000_000, "2 h 5 m"], [59_996_000, "1 m 0 s"]])(
    "%d µs → %s",
    (micros, text) => expect(formatLatency(micros)).toBe(text),
  );
});

describe("spans in sentences", () => {
  it.each([[0, "0 s"], [0.1, "100 ms"], [40, "40 s"], [60, "1 min"], [192, "3 min 12 s"], [1380, "23 min"], [3600, "1 h"], [7500, "2 h 5 min"], [266400, "3 d 2 h"]])("%d s → %s", (s, text) =>
    expect(formatSpan(s)).toBe(text),
  );
});

describe("gaps", () => {
  it.each([[900n, "0 µs"], [750_000n, "750 µs"], [3_999_999n, "3 ms"], [3_000_999_999n, "3.000 s"], [59_999_999_999n, "59.999 s"], [192_000_000_000n, "3 min 12 s"], [243_820_800_000_000_000n, "2,822 d"]])("%d ns → %s", (ns, text) => expect(formatGap(ns)).toBe(text));
  it("exactly", () => expect(formatExactSeconds(3_012_345_678n)).toBe("3.012345678 s"));
});

describe("counts", () => {
  it.each([[0, "0"], [12345, "12,345"], [999999, "999,999"], [1240000, "1.24 M"], [2.5e9, "2.50 G"]])("%d → %s", (n, text) => expect(formatCount(n)).toBe(text));
  it("marks lower bounds", () => expect(formatCount(100000, true)).toBe("≥ 100,000"));
  it("rates", () => {
    expect(formatRate(1204, "packets")).toBe("1,204 packets/s");
    expect(formatRate(2.25, "packets")).toBe("2.3 packets/s");
    expect(formatBitrate(1_250_000)).toBe("10.0 Mbit/s");
    expect(formatBitrate(0)).toBe("0 bit/s");
  });
  it("never rounds a part up to the whole", () => {
    expect(formatPercent(0.99999)).toBe("99.99 %");
    expect(formatPercent(1)).toBe("100 %");
    expect(formatPercent(0.4321)).toBe("43.2 %");
  });
  it("one and many", () => {
    expect(plural(1, "entry", "entries")).toBe("1 entry");
    expect(plural(2, "entry", "entries")).toBe("2 entries");
  });
});
