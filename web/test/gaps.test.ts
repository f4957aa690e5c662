import { expect, it } from "vitest";
import type { Entry, Gap } from "../src/api/types";
import { missingBetween } from "../src/stream/gaps";

const at = (clock: string): Entry => ({ id: clock, index: 0, protocol: "http", timestamp: `2026-11-23T${clock}Z`, src: { ip: "", port: 0 }, dst: { ip: "", port: 0 }, conn_id: "", summary: "", status: "ok" });
const gap: Gap = { from: "2026-11-23T14:02:03.500000000Z", to: "2026-11-23T14:02:06.500000000Z", reason: "capture_stopped" };

it("what is missing between two rows is said, whichever way they are sorted", () => {
  const words = "14:02:03–14:02:06 was not recorded: capture was stopped";
  expect(missingBetween(at("14:02:03.400000000"), at("14:02:07.000000000"), [gap], "utc")).toBe(words);
  expect(missingBetween(at("14:02:07.000000000"), at("14:02:03.400000000"), [gap], "utc")).toBe(words);
  expect(missingBetween(at("14:02:07.000000000"), at("14:02:06.500000000"), [gap], "utc")).toBe("");
  expect(missingBetween(at("14:02:07.000000000"), undefined, [gap], "utc")).toBe("");
  expect(missingBetween(at("14:02:07.000000000"), at("14:02:03.400000000"), [], "utc")).toBe("");
});
