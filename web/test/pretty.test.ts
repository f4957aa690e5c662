import { describe, expect, it } from "vitest";
import { exact, ExactNumber, parseJson, wireText } from "../src/entry/json";
import { prettyGraphql, prettySql, wireView } from "../src/entry/pretty";

const bare = (text: string): string => text.replace(/\s+/g, "");

describe("SQL", () => {
  it("gets a line for each clause, and quotes, names and brackets stay whole", () => {
    expect(prettySql(`SELECT a,  'x  from y' FROM "my from" t LEFT JOIN u ON u.id=t.id WHERE a BETWEEN 1 AND 2 AND b = (select 1 from z) ORDER  BY a LIMIT 5`)).toBe(
      `SELECT a, 'x  from y'\nFROM "my from" t\nLEFT JOIN u ON u.id=t.id\nWHERE a BETWEEN 1 AND 2\n  AND b = (select 1 from z)\nORDER BY a\nLIMIT 5`,
    );
    expect(prettySql("insert into t values ($$it's; from$$) -- from here\nreturning id")).toBe("insert into t\nvalues ($$it's; from$$) -- from here\nreturning id");
    expect(prettySql("select t.from, $1 /* where */ from t")).toBe("select t.from, $1 /* where */\nfrom t");
  });
  it("never changes anything but white space, whatever comes", () => {
    for (const text of ["", "'", "select 'a", '"', "/* open", "$$", "$a$ x", "))((", "select\u0000from", "from from from", "`a``b`", "-- only"]) expect(bare(prettySql(text)), text).toBe(bare(text));
    let seed = 7;
    const parts = ["select ", "from ", "'a b'", "(", ")", " and ", "-- c\n", "/* x */", "$$y z$$", "\n", "x", ",", '"q q"', " or "];
    for (let i = 0; i < 500; i++) {
      let text = "";
      for (let j = 0; j < 20; j++) text += parts[(seed = (seed * 1103515245 + 12345) & 0x7fffffff) % parts.length];
      expect(bare(prettySql(text)), text).toBe(bare(text));
      expect(bare(prettyGraphql(text)), text).toBe(bare(text));
    }
  });
  it("is quick for texts made to be slow", () => {
    for (const text of ["(".repeat(32_000), "'".repeat(32_000), "$a".repeat(16_000), " from".repeat(6000), "{".repeat(32_000), "#".repeat(32_000)]) expect(bare(prettySql(text)).length + bare(prettyGraphql(text)).length).toBeGreaterThan(0);
  });
});

it("GraphQL is indented by its braces, not by those in texts and arguments", () => {
  expect(prettyGraphql('query Q($a: In = {b: 1}) { x: cart(id: "{") @include(if: $y) { id ... on C { n } } # last\n}')).toBe(
    'query Q($a: In = {b: 1}) {\n  x: cart(id: "{") @include(if: $y) {\n    id\n    ... on C {\n      n\n    }\n  }\n  # last\n}',
  );
});

describe("protobuf without its schema", () => {
  const bytes = (...b: number[]): Uint8Array => Uint8Array.from(b);
  it("is numbers, texts and messages in messages", () => {
    expect(wireView(bytes(0x08, 0x96, 0x01, 0x12, 7, 116, 101, 115, 116, 105, 110, 103, 0x1a, 3, 0x08, 0x96, 0x01), false)).toBe('1: 150\n2: "testing"\n3 {\n  1: 150\n}');
    expect(wireView(bytes(0x08, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1), false)).toBe("1: 18446744073709551615 (-1)");
    expect(wireView(bytes(0x0d, 0, 0, 128, 63), false)).toBe("1: 0x3f800000 (1)");
    expect(wireView(bytes(0x0a, 2, 0xff, 0x00), false)).toBe("1: ff00");
  });
  it("in gRPC's frames, compressed and cut ones said", () => {
    expect(wireView(bytes(0, 0, 0, 0, 2, 0x08, 1, 1, 0, 0, 0, 1, 9, 0, 0, 0, 0, 9, 8), true)).toBe("message 1: 2 bytes\n  1: 1\nmessage 2: 1 bytes, compressed\n  09\nmessage 3: 9 bytes, 1 kept\n  08");
  });
  it("is refused where the bytes are none", () => {
    for (const text of [bytes(), bytes(0x00), bytes(0x08), bytes(0x0a, 200, 1), bytes(0x0b), bytes(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)]) expect(wireView(text, false)).toBeNull();
    expect(wireView(bytes(7, 0, 0, 0, 0), true)).toBeNull();
  });
});

describe("JSON", () => {
  it("keeps numbers that the browser would round (which it shows, the browser test sees)", () => {
    expect(exact(12345678901234567890, "12345678901234567890")).toEqual(new ExactNumber("12345678901234567890"));
    expect(exact(1, "1.0")).toEqual(new ExactNumber("1.0"));
    expect([exact(7, "7"), exact(7, undefined)]).toEqual([7, 7]);
  });
  it("is refused where it is none", () => expect(() => parseJson("{a}")).toThrow());
  it("of protobuf's wire view is text, a line a field", () => {
    const view = parseJson('[[{"field":1,"type":"varint","value":150},{"field":2,"type":"string","value":"a\\n<b>"},{"field":3,"type":"message","value":[{"field":1,"type":"fixed64","value":4607182418800017408,"double":1}]},{"field":4,"type":"bytes","value":"AP8="}],[]]');
    const text = wireText(view) ?? "";
    expect(text.split("\n").filter((line) => !/46071824/.test(line))).toEqual(["message 1", "  1: 150", '  2: "a\\n<b>"', "  3 {", "  }", "  4: 00ff", "message 2"]);
    expect(text).toMatch(/ {4}1: 46071824\d+ \(1\)/);
    for (const other of ["[]", "{}", "[[1]]", '[{"field":1}]', '[[{"field":"1","type":"varint","value":1}]]', "7"]) expect(wireText(parseJson(other)), other).toBeNull();
  });
});
