import { describe, expect, it } from "vitest";
import type { Entry } from "../src/api/types";
import { asCurl, bodyBytes, fromHex, hexLines, looksLikeJson } from "../src/entry/bytes";
import { csvCell } from "../src/stream/exportRows";

it("hex lines have an offset, sixteen bytes and their text", () => {
  const lines = hexLines(fromHex("474554202f20485454502f312e310d0a00ff"));
  expect(lines[0]).toEqual({ offset: "00000000", hex: "47 45 54 20 2f 20 48 54  54 50 2f 31 2e 31 0d 0a", text: "GET / HTTP/1.1.." });
  expect(lines[1]!.text).toBe("..");
  expect(lines[1]!.offset).toBe("00000010");
  expect(lines[1]!.hex).toHaveLength(48);
  expect(hexLines(new Uint8Array(0))).toEqual([]);
});

it("bodies are text or base64", () => {
  expect([...bodyBytes("é")]).toEqual([0xc3, 0xa9]);
  expect([...bodyBytes({ base64: "iVBORw==" })]).toEqual([0x89, 0x50, 0x4e, 0x47]);
});

it("knows JSON", () => {
  expect(looksLikeJson("x", "application/problem+json")).toBe(true);
  expect(looksLikeJson(' {"a":1}\n', "")).toBe(true);
  expect(looksLikeJson("hello", "text/plain")).toBe(false);
});

describe("as cURL", () => {
  const entry: Entry = { id: "1", index: 1, protocol: "http", timestamp: "", src: { ip: "1", port: 1 }, dst: { ip: "10.0.0.2", port: 80 }, conn_id: "", summary: "", status: "ok", method: "POST", path: "/a", host: "carts", url: "http://carts/a?x='1'", request: { headers: { host: "carts", "content-type": "application/json", "x-a": "it's; rm -rf $HOME `id`" }, body: "{\"a\":'b'}" } };
  it("quotes everything for the shell", () =>
    expect(asCurl(entry)).toBe(`curl -i -X 'POST' -H 'content-type: application/json' -H 'x-a: it'\\''s; rm -rf $HOME \`id\`' --data-raw '{"a":'\\''b'\\''}' 'http://carts/a?x='\\''1'\\'''`));
});

it("CSV cells cannot be formulas", () => {
  expect(csvCell("=1+1")).toBe("'=1+1");
  expect(csvCell("\uff1d1+1")).toBe("'\uff1d1+1");
  expect(csvCell("\n=1+1")).toBe("'\\x0a=1+1");
  expect(csvCell("a\u001b[31mb\u202e")).toBe("a\\x1b[31mb\\u{202e}");
  expect(csvCell('a,"b"')).toBe('"a,""b"""');
  expect(csvCell(5)).toBe("5");
  expect(csvCell(undefined)).toBe("");
});
