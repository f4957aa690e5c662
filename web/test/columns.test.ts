import { expect, it } from "vitest";
import type { Entry } from "../src/api/types";
import { latencyScale, template, visibleColumns } from "../src/stream/columns";

const ids = (room: number, toggled: string[] = []): string => visibleColumns(room, toggled).map((c) => c.id).join(" ");

it("all columns stand at 1,260 px, and fall away in their order", () => {
  expect(ids(1260)).toBe("gutter time protocol method status source destination summary latency size flags");
  expect(ids(1259)).toBe("gutter time protocol method status source destination summary latency size");
  expect(ids(1200)).toBe("gutter time protocol method status source destination summary latency");
  expect(ids(1000)).toBe("gutter time protocol method status destination summary latency");
  expect(ids(900)).toBe("gutter time protocol status destination summary latency");
  expect(ids(740)).toBe("gutter time protocol status destination summary");
  expect(ids(300)).toBe("gutter time status destination summary");
  expect(ids(1400, ["node", "size"])).toContain("flags node");
});

it("the summary gives way when nothing else can", () => {
  expect(template(visibleColumns(600, []), 600)).toBe("20px 112px 120px 168px minmax(180px, 1fr)");
  expect(template(visibleColumns(1260, []), 1260)).toContain("minmax(240px, 1fr)");
});

it("bars grow with the logarithm of the latency", () => {
  const entry = (elapsed_time: number): Entry => ({ id: "", index: 0, protocol: "http", timestamp: "", src: { ip: "", port: 0 }, dst: { ip: "", port: 0 }, conn_id: "", summary: "", status: "ok", elapsed_time });
  const scale = latencyScale([entry(100), entry(10_000), entry(1_000_000)]);
  expect(scale(1_000_000)).toBe(1);
  expect(scale(10_000)).toBeCloseTo(0.5, 1);
  expect(scale(100)).toBeCloseTo(0.06);
  expect(latencyScale([entry(49), entry(62)])(49)).toBeGreaterThan(0.9);
});
