// Times: RFC 3339 with nanoseconds in UTC comes in; lists show the time of day, tooltips and entries the whole of it in UTC and local.

export type Zone = "local" | "utc" | "relative";

const stamp = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z$/;

/** Nanoseconds since 1970, or null when the text is not a UTC time. */
export function toNs(iso: string): bigint | null {
  const match = stamp.exec(iso);
  if (!match) return null;
  const ms = Date.parse(`${match[1]}T${match[2]}Z`);
  if (Number.isNaN(ms)) return null;
  return BigInt(ms) * 1_000_000n + BigInt((match[3] ?? "").padEnd(9, "0"));
}

export function toMs(iso: string): number {
  const ns = toNs(iso);
  return ns === null ? Number.NaN : Number(ns / 1_000n) / 1000;
}

export function fromNs(ns: bigint): string {
  const ms = ns / 1_000_000n;
  const rest = (ns % 1_000_000_000n).toString().padStart(9, "0");
  return `${new Date(Number(ms)).toISOString().slice(0, 19)}.${rest}Z`;
}

export function fromMs(ms: number): string {
  return new Date(ms).toISOString();
}

const two = (n: number): string => String(n).padStart(2, "0");

function parts(ms: number, zone: Zone): { date: string; clock: string; milli: string } {
  const d = new Date(ms);
  const milli = String(d.getUTCMilliseconds()).padStart(3, "0");
  if (zone === "utc") return { date: d.toISOString().slice(0, 10), clock: d.toISOString().slice(11, 19), milli };
  return {
    date: `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())}`,
    clock: `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`,
    milli,
  };
}

const floorMs = (iso: string): number => {
  const ns = toNs(iso);
  return ns === null ? Number.NaN : Number(ns / 1_000_000n);
};

/** 14:02:07.123, cut and not rounded: a time never shows later than it was. */
export function formatTime(iso: string, zone: Zone, now = Date.now()): string {
  const ms = floorMs(iso);
  if (Number.isNaN(ms)) return "unknown";
  if (zone === "relative") return formatAgo(ms, now);
  const p = parts(ms, zone);
  return `${p.clock}.${p.milli}`;
}

export function formatClock(iso: string, zone: Zone): string {
  const ms = floorMs(iso);
  return Number.isNaN(ms) ? "unknown" : parts(ms, zone).clock;
}

/** 14:02 */
export function formatMinute(iso: string, zone: Zone): string {
  return formatClock(iso, zone).slice(0, 5);
}

/**
 * 14:02–14:05; 14:02:58–14:03:01 under two minutes; 14:02:03.120–14:02:03.560 under one second; with the dates when they differ:
 * 2019-03-03 14:02 – 2026-11-23 09:00.
 */
export function formatMinutes(from: string, to: string, zone: Zone): string {
  if (formatDate(from, zone) !== formatDate(to, zone)) return `${formatDate(from, zone)} ${formatMinute(from, zone)} – ${formatDate(to, zone)} ${formatMinute(to, zone)}`;
  const seconds = spanSeconds(from, to);
  const form = seconds < 1 ? formatTime : seconds < 120 ? formatClock : formatMinute;
  return `${form(from, zone === "relative" ? "local" : zone)}–${form(to, zone === "relative" ? "local" : zone)}`;
}

/** Both ends of an interval to the millisecond, each with its date when they do not lie on one day. */
export function formatEnds(from: string, to: string, zone: Zone): [string, string] {
  const clock = zone === "relative" ? "local" : zone;
  if (formatDate(from, zone) === formatDate(to, zone)) return [formatTime(from, clock), formatTime(to, clock)];
  return [`${formatDate(from, zone)} ${formatTime(from, clock)}`, `${formatDate(to, zone)} ${formatTime(to, clock)}`];
}

export function formatDate(iso: string, zone: Zone): string {
  const ms = floorMs(iso);
  return Number.isNaN(ms) ? "unknown" : parts(ms, zone).date;
}

/** 3 March, for sentences. */
export function formatDay(iso: string, zone: Zone): string {
  const ms = floorMs(iso);
  if (Number.isNaN(ms)) return "an unknown day";
  return new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "long", timeZone: zone === "utc" ? "UTC" : undefined }).format(ms);
}

export function formatAgo(ms: number, now: number): string {
  const seconds = Math.max(0, (now - ms) / 1000);
  if (seconds < 60) return `-${seconds.toFixed(1)} s`;
  if (seconds < 3600) return `-${Math.floor(seconds / 60)}:${two(Math.floor(seconds % 60))}`;
  return `-${Math.floor(seconds / 3600)}:${two(Math.floor((seconds % 3600) / 60))}:${two(Math.floor(seconds % 60))}`;
}

/** +02:00 of the browser at that time. */
export function zoneOffset(ms: number): string {
  const minutes = -new Date(ms).getTimezoneOffset();
  return `${minutes < 0 ? "-" : "+"}${two(Math.floor(Math.abs(minutes) / 60))}:${two(Math.abs(minutes) % 60)}`;
}

export function zoneWord(zone: Zone): string {
  if (zone === "utc") return "UTC";
  if (zone === "relative") return "ago";
  return `UTC${zoneOffset(Date.now())}`;
}

function fraction(iso: string): string {
  return (stamp.exec(iso)?.[3] ?? "").padEnd(9, "0");
}

/** Two lines: ISO with nanoseconds in UTC and in the browser's zone. */
export function formatBoth(iso: string): string {
  const ms = floorMs(iso);
  if (Number.isNaN(ms)) return iso;
  const utc = parts(ms, "utc");
  const local = parts(ms, "local");
  return `${utc.date}T${utc.clock}.${fraction(iso)}Z\n${local.date}T${local.clock}.${fraction(iso)}${zoneOffset(ms)}`;
}

export function formatFull(iso: string, zone: Zone): string {
  const both = formatBoth(iso).split("\n");
  return (zone === "utc" ? both[0] : both[1]) ?? iso;
}

/** Nanoseconds between two times; 0 when one of them is not a time. */
export function spanNs(from: string, to: string): bigint {
  const a = toNs(from);
  const b = toNs(to);
  return a === null || b === null ? 0n : b - a;
}

export function spanSeconds(from: string, to: string): number {
  const a = toNs(from);
  const b = toNs(to);
  return a === null || b === null ? 0 : Number(b - a) / 1e9;
}

/** Δ between two times of a list: +0.123 ms, -2.31 s. */
export function deltaMicros(from: string, to: string): number {
  const a = toNs(from);
  const b = toNs(to);
  return a === null || b === null ? 0 : Number(b - a) / 1000;
}

/**
 * What a person types in a time field: 14:02, 14:02:07, -10m, 2026-03-03 14:02, ISO. Answers UTC, or null. A time of day alone is today's, or
 * yesterday's when today's has not come yet by more than `futureMs`.
 */
export function parseTyped(text: string, zone: Zone, now = Date.now(), futureMs = 3_600_000): string | null {
  const t = text.trim();
  const ago = /^-\s*(\d+(?:\.\d+)?)\s*(s|m|min|h|d)$/.exec(t);
  if (ago) {
    const unit = { s: 1e3, m: 6e4, min: 6e4, h: 36e5, d: 864e5 }[ago[2] as "s"];
    return fromMs(now - Number(ago[1]) * unit);
  }
  if (t === "now") return fromMs(now);
  const day = /^(\d{1,2}):(\d\d)(?::(\d\d)(\.\d{1,3})?)?$/.exec(t);
  if (day) {
    const [h, m, s] = [Number(day[1]), Number(day[2]), Number(day[3] ?? 0)];
    if (h > 23 || m > 59 || s > 59) return null;
    const milli = day[4] ? Math.round(Number(day[4]) * 1000) : 0;
    const d = new Date(now);
    if (zone === "utc") d.setUTCHours(h, m, s, milli);
    else d.setHours(h, m, s, milli);
    if (d.getTime() > now + futureMs) d.setTime(d.getTime() - 864e5);
    return fromMs(d.getTime());
  }
  const dated = /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d)(:\d\d(?:\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)?$/.exec(t);
  if (dated) {
    const seconds = dated[3] ?? ":00";
    const suffix = dated[4] ?? (zone === "utc" ? "Z" : "");
    const ms = Date.parse(`${dated[1]}T${dated[2]}${seconds.slice(0, 7)}${suffix}`);
    if (Number.isNaN(ms)) return null;
    const nanos = /\.(\d+)/.exec(seconds)?.[1] ?? "";
    return nanos.length > 3 ? fromNs(BigInt(Math.floor(ms / 1000)) * 1_000_000_000n + BigInt(nanos.padEnd(9, "0"))) : fromMs(ms);
  }
  return null;
}
