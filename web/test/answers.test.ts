import { describe, expect, it } from "vitest";
import { parseAnswer } from "../src/api/client";
import type { Entry } from "../src/api/types";
import { askedOf, summaryOf } from "../src/format/entry";

describe("answers of the hub", () => {
  it("shows U+FFFD in a line where the peer's bytes are no text, and leaves bodies alone", () => {
    const entry = parseAnswer('{"protocol":"http","method":"GET","path":{"base64":"L//+gA=="},"url":{"base64":"aHR0cDovL2gv//6A"},"summary":"GET / → 204","src":{"ip":"a"},"dst":{"ip":"b"},"response":{"body":{"base64":"//4="}}}') as Entry;
    expect(entry.path).toBe("/\ufffd\ufffd\ufffd");
    expect(entry.url).toBe("http://h/\ufffd\ufffd\ufffd");
    expect(entry.response?.body).toEqual({ base64: "//4=" });
    expect(summaryOf(entry)).toBe("/\ufffd\ufffd\ufffd");
    expect(askedOf(entry)).toMatch(/^GET http:/);
  });
  it("parses an answer without such bytes as it is", () => {
    expect(parseAnswer('{"path":"/a","n":[1,2.5,"base64"]}')).toEqual({ path: "/a", n: [1, 2.5, "base64"] });
  });
});
