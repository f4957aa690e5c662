import { describe, expect, it } from "vitest";
import { parseAnswer } from "../src/api/client";
import type { Entry } from "../src/api/types";
import { askedOf, summaryOf, targetOf } from "../src/format/entry";

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
  it("cuts a request line behind the host, whatever stands in it", () => {
    const entry = (host: string, target: string): Entry => ({ protocol: "http", method: "GET", host, url: `http://${host}${target}`, path: target.split("?")[0], src: { ip: "a" }, dst: { ip: "b" } }) as unknown as Entry;
    expect(targetOf(entry("carts", "/c/1?x=1"))).toBe("/c/1?x=1");
    expect(targetOf(entry("evil/admin?a=", "/real?x=1"))).toBe("/real?x=1");
    expect(summaryOf(entry("evil/admin?a=", "/real?x=1"))).toBe("/real?x=1");
    expect(summaryOf(entry("evil?a=b", "/real"))).toBe("/real");
    expect(targetOf({ ...entry("", ""), host: undefined, url: "http://10.0.0.1:80/a" })).toBe("/a");
    expect(targetOf({ ...entry("", ""), method: "CONNECT", url: "db:5432", path: undefined })).toBe("db:5432");
  });
});
