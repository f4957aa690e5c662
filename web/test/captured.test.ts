import { describe, expect, it } from "vitest";
import { plainCaptured, splitCaptured } from "../src/format/captured";

describe("captured text", () => {
  it("boxes what would deceive", () => {
    expect(plainCaptured("a\u202eb")).toBe("a[U+202E]b");
    expect(plainCaptured("a\u0000\u001b[31m")).toBe("a[U+0000][U+001B][31m");
    expect(plainCaptured("x\u200by\ufeff")).toBe("x[U+200B]y[U+FEFF]");
    expect(plainCaptured("tag \u{e0041}")).toBe("tag [U+E0041]");
    expect(plainCaptured("lone \ud800.")).toBe("lone [U+D800].");
  });
  it("leaves people's text alone", () => {
    for (const text of ["Ünïcode ≠ ascii", "日本語", "👍🏽", "<img src=x onerror=alert(1)>", ""]) expect(splitCaptured(text)).toEqual([{ text, code: false }]);
  });
  it("keeps lines of a body and still shows a lone carriage return", () => {
    expect(splitCaptured("a\n\tb\r\nc", true)).toEqual([{ text: "a\n\tb\r\nc", code: false }]);
    expect(splitCaptured("a\rb", true).map((p) => p.text)).toEqual(["a", "U+000D", "b"]);
    expect(plainCaptured("a\nb")).toBe("a[U+000A]b");
  });
});
