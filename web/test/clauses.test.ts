import { describe, expect, it } from "vitest";
import type { Entry } from "../src/api/types";
import { addClause, clausesOf, indexOfByte, joinClauses, negate, orClause, quote, searchEverywhere, topTerms } from "../src/stream/clauses";
import { clauseOfCell } from "../src/stream/valueClauses";

describe("clauses", () => {
  it("are the terms of the top-level &&", () => {
    expect(clausesOf('http && (status_code >= 500 || path == "a && b") && headers["x"] == "1"')).toEqual(["http", '(status_code >= 500 || path == "a && b")', 'headers["x"] == "1"']);
    expect(clausesOf("a || b && c")).toEqual(["a || b && c"]);
    expect(clausesOf("  ")).toEqual([]);
    expect(topTerms('path == "\\"&&\\"" && x')).toEqual(['path == "\\"&&\\""', "x"]);
  });
  it("join and split to the same", () => {
    for (const filter of ["http", "http && dns", "(a || b) && c", "a || b"]) expect(joinClauses(clausesOf(filter))).toBe(filter);
  });
  it("are added once, and an or is wrapped", () => {
    expect(addClause("", "http")).toBe("http");
    expect(addClause("http", "http")).toBe("http");
    expect(addClause("a || b", "c")).toBe("(a || b) && c");
    expect(orClause("a && b", "c")).toBe("(a && b) || c");
    expect(orClause("", "c")).toBe("c");
  });
  it("negate back and forth", () => {
    for (const [clause, not] of [["http", "!http"], ['method == "GET"', 'method != "GET"'], ["status_code >= 500", "!(status_code >= 500)"], ["http && status_code == 500", "!(http && status_code == 500)"]] as const) {
      expect(negate(clause)).toBe(not);
      expect(negate(not)).toBe(clause);
    }
    expect(negate("!(a) || !(b)")).toBe("!(!(a) || !(b))");
  });
});

describe("values", () => {
  it("become literals that cannot end early", () => {
    expect(quote('a"b\\c')).toBe('"a\\"b\\\\c"');
    expect(quote("a\nb\u202e\u0000")).toBe('"a\\nb\\u202e\\u0000"');
    expect(quote("ünï日")).toBe('"ünï日"');
  });
  const entry: Entry = { id: "1", index: 1, protocol: "http", timestamp: "2026-11-23T14:00:00Z", elapsed_time: 12, src: { ip: "10.0.0.1", port: 4 }, dst: { ip: "10.0.0.2", port: 80, name: "carts" }, conn_id: "c", summary: "", status: "error", status_code: 500, method: "GET", path: "/a" };
  it("of a protocol carry its guard", () => {
    expect(clauseOfCell(entry, "status")?.clause).toBe("http && status_code == 500");
    expect(clauseOfCell(entry, "method")?.not).toBe('http && method != "GET"');
    expect(clauseOfCell(entry, "source")?.clause).toBe('src.ip == "10.0.0.1"');
    expect(clauseOfCell(entry, "destination")?.clause).toBe('dst.name == "carts"');
    expect(clauseOfCell(entry, "summary")?.clause).toBe('http && path == "/a"');
    expect(clauseOfCell({ ...entry, status: "no_response" }, "status")?.clause).toBe('status == "no_response"');
    const { path: _path, ...rest } = entry;
    expect(clauseOfCell({ ...rest, protocol: "dns", dns_questions: ["a.example"] }, "summary")?.clause).toBe('dns && "a.example" in dns_questions');
    expect(clauseOfCell(entry, "flags")).toBeNull();
  });
});

describe("plain words", () => {
  const fields = new Set(["status_code", "http"]);
  it("are searched everywhere, filters are left alone", () => {
    expect(searchEverywhere("10.0.0.1", fields)).toBe('src.ip == "10.0.0.1" || dst.ip == "10.0.0.1"');
    expect(searchEverywhere("10.0.0.0/8", fields)).toContain("containsIP");
    expect(searchEverywhere("checkout", fields)).toContain('summary.contains("checkout")');
    for (const text of ["status_code", "http", "a == 1", "x"]) expect(searchEverywhere(text, fields)).toBeNull();
  });
});

it("finds the character of a byte offset", () => {
  expect(indexOfByte('path == "ü" && x', 13)).toBe(12);
  expect(indexOfByte("a👍b", 5)).toBe(3);
  expect(indexOfByte("abc", 99)).toBe(3);
});
