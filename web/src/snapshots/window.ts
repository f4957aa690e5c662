// The window of a new snapshot: what was chosen, what the rings can give of it, and the sentence when they cannot. Pure; milliseconds.
import type { AvailabilityResponse } from "../api/types";
import { formatSpan } from "../format/quantity";
import { formatClock, formatEnds, formatMinute, fromMs, toMs, type Zone } from "../format/time";
import { reasonWords } from "./status";

export type Choice = { kind: "last"; seconds: number } | { kind: "max" } | { kind: "range"; from: number; to: number };

export const presets: { word: string; seconds: number }[] = [
  { word: "5 min", seconds: 300 },
  { word: "15 min", seconds: 900 },
  { word: "1 h", seconds: 3600 },
  { word: "12 h", seconds: 43200 },
];

export interface Lane {
  name: string;
  held: { from: number; to: number }[];
  gaps: { from: number; to: number; reason: string }[];
  bytes: number;
}

export function lanesOf(answer: AvailabilityResponse): Lane[] {
  const span = (x: { from: string; to: string }): { from: number; to: number } => ({ from: toMs(x.from), to: toMs(x.to) });
  return answer.nodes.map((n) => {
    const held = n.held.map(span);
    // What lies before the first packet is no gap in what is held: it is said as "holds nothing before".
    const first = Math.min(...held.map((h) => h.from));
    const gaps = n.gaps.map((g) => ({ ...span(g), reason: g.reason })).filter((g) => g.to > first + 1).map((g) => ({ ...g, from: Math.max(g.from, first) }));
    return { name: n.name, held, gaps, bytes: n.bytes_in_window };
  });
}

/** The union of intervals, in order. */
export function merged(parts: { from: number; to: number }[]): { from: number; to: number }[] {
  const out: { from: number; to: number }[] = [];
  for (const part of [...parts].sort((a, b) => a.from - b.from)) {
    const last = out.at(-1);
    if (last && part.from <= last.to) last.to = Math.max(last.to, part.to);
    else out.push({ ...part });
  }
  return out;
}

export function oldestOf(lanes: Lane[]): { name: string; at: number } | null {
  let oldest: { name: string; at: number } | null = null;
  for (const lane of lanes) for (const held of lane.held) if (!oldest || held.from < oldest.at) oldest = { name: lane.name, at: held.from };
  return oldest;
}

export function resolve(choice: Choice, lanes: Lane[], now: number): { from: number; to: number } {
  if (choice.kind === "range") return choice;
  if (choice.kind === "last") return { from: now - choice.seconds * 1000, to: now };
  return { from: oldestOf(lanes)?.at ?? now - 300_000, to: now };
}

/** Seconds of [from, to) that the lane holds, gaps not counted. */
export function heldSeconds(lane: Lane, from: number, to: number): number {
  const overlap = (x: { from: number; to: number }): number => Math.max(0, Math.min(to, x.to) - Math.max(from, x.from));
  return (lane.held.reduce((sum, h) => sum + overlap(h), 0) - lane.gaps.reduce((sum, g) => sum + overlap(g), 0)) / 1000;
}

export interface Assessment {
  kind: "ok" | "partial" | "nothing" | "wrong";
  sentences: string[];
  /** The window that would work, for "Use 13:41–now". */
  use: { from: number; to: number } | null;
}

const slackSeconds = 2; // a ring's newest packet is always a little old

export function assess(window: { from: number; to: number }, lanes: Lane[], now: number, zone: Zone): Assessment {
  const minute = (ms: number): string => formatMinute(fromMs(ms), zone);
  if (!(window.from < window.to)) return { kind: "wrong", sentences: ["The window ends before it begins. Choose an end after the start."], use: null };
  const oldest = oldestOf(lanes);
  if (!oldest) return { kind: "nothing", sentences: ["The nodes hold no packets yet. Wait until traffic has been recorded."], use: null };
  const end = Math.min(window.to, now);
  if (window.from >= now) return { kind: "ok", sentences: [`Nothing is recorded yet: it records from ${minute(window.from)} until ${minute(window.to)}.`], use: null };
  const reachable = lanes.filter((lane) => lane.held.some((h) => h.to > window.from && h.from < window.to));
  if (reachable.length === 0)
    return {
      kind: "nothing", use: { from: oldest.at, to: now },
      sentences: [`The oldest packet is from ${formatClock(fromMs(oldest.at), zone)} (${oldest.name}). Nothing is left of ${minute(window.from)}–${minute(window.to)}.`],
    };
  const sentences: string[] = [];
  let partial = false;
  for (const lane of lanes) {
    const first = lane.held.map((h) => h.from).sort((a, b) => a - b)[0];
    if (first === undefined || first >= end) {
      sentences.push(`${lane.name} holds nothing of this window.`);
      partial = true;
      continue;
    }
    const recycled = Math.max(0, first - window.from) / 1000;
    if (recycled > slackSeconds) {
      sentences.push(`${lane.name} holds nothing before ${formatClock(fromMs(first), zone)}: ${formatSpan(recycled)} of the window are missing.`);
      partial = true;
    }
    for (const gap of lane.gaps.filter((g) => g.to > window.from && g.from < end)) {
      sentences.push(`${lane.name} recorded nothing ${formatEnds(fromMs(gap.from), fromMs(gap.to), zone).map((end) => end.slice(0, -4)).join(" – ")}: ${reasonWords(gap.reason)}.`);
      partial = true;
    }
  }
  if (window.to > now) sentences.push(`Records on until ${minute(window.to)}.`);
  return { kind: partial ? "partial" : "ok", sentences, use: null };
}

const qualities = ["calm", "brisk", "wary", "bold", "plain", "quiet", "swift", "amber", "early", "late", "north", "salt", "stone", "tidal", "clear", "deep"];
const animals = ["heron", "otter", "cod", "tern", "seal", "crab", "pike", "gull", "eel", "carp", "newt", "perch", "skate", "squid", "trout", "whelk"];

/** Two words that no snapshot has yet. */
export function suggestName(taken: string[], random: () => number = Math.random): string {
  const pick = (list: string[]): string => list[Math.floor(random() * list.length)] ?? "";
  for (let attempt = 0; attempt < 50; attempt++) {
    const name = `${pick(qualities)}-${pick(animals)}`;
    if (!taken.includes(name)) return name;
  }
  return `${pick(qualities)}-${pick(animals)}-${taken.length + 1}`;
}

/** Round times for the axis: at most `most` of them. */
export function axisTicks(from: number, to: number, most: number): number[] {
  const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800];
  const step = (steps.find((s) => (to - from) / 1000 / s <= most) ?? 2_592_000) * 1000;
  const ticks: number[] = [];
  for (let at = Math.ceil(from / step) * step; at <= to; at += step) ticks.push(at);
  return ticks;
}
