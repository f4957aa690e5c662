// Sizes, durations and counts as people read them: three significant digits, units of 1024, never more precision than is known.

const group = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const byteUnits = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** Three significant digits of a value below 1000, without an exponent. */
export function threeDigits(value: number): string {
  if (value >= 99.95) return group.format(Math.round(value));
  if (value >= 9.995) return value.toFixed(1);
  return value >= 0.9995 ? value.toFixed(2) : value.toFixed(3);
}

export function formatBytes(bytes: number): string {
  if (!Number.isFinite(bytes) || bytes < 0) return "unknown";
  if (bytes < 1000) return `${Math.round(bytes)} B`;
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < byteUnits.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${threeDigits(value)} ${byteUnits[unit]}`;
}

/** `61.2 of 100 GiB`: the first number in the unit of the second, so that the two compare at a glance. */
export function formatBytesOf(part: number, whole: number): string {
  const wholeText = formatBytes(whole);
  const unit = wholeText.slice(wholeText.indexOf(" ") + 1);
  const scaled = part / 1024 ** byteUnits.indexOf(unit);
  if (part === 0) return `0 of ${wholeText}`;
  if (scaled < 0.1) return `${formatBytes(part)} of ${wholeText}`;
  return `${threeDigits(scaled)} of ${wholeText}`;
}

/** Latency from microseconds: 750 µs, 12.4 ms, 2.31 s, 3 m 12 s. */
export function formatLatency(micros: number): string {
  if (micros < 999.5) return `${Math.round(micros)} µs`;
  if (micros < 999_500) return `${threeDigits(micros / 1000)} ms`;
  if (micros < 59_995_000) return `${threeDigits(micros / 1e6)} s`;
  const seconds = Math.round(micros / 1e6);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} m ${seconds % 60} s`;
  return `${group.format(Math.floor(seconds / 3600))} h ${Math.floor((seconds % 3600) / 60)} m`;
}

/** A span in words for sentences: 40 s, 3 min 12 s, 23 min, 2 h 5 min, 3 d 4 h. */
export function formatSpan(seconds: number): string {
  if (seconds > 0 && seconds < 1) return `${Math.max(1, Math.round(seconds * 1000))} ms`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 600 && whole % 60 !== 0) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 48 * 60) return minutes % 60 === 0 ? `${minutes / 60} h` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  const hours = Math.floor(minutes / 60);
  const days = Math.floor(hours / 24);
  return hours % 24 === 0 || days >= 100 ? `${group.format(days)} d` : `${days} d ${hours % 24} h`;
}

/** The length of a gap: to the millisecond below a minute, since 3 s and 3.4 s are not the same stop. Cut, not rounded. */
export function formatGap(ns: bigint): string {
  if (ns < 1_000_000n) return `${ns / 1000n} µs`;
  if (ns < 1_000_000_000n) return `${ns / 1_000_000n} ms`;
  if (ns < 60_000_000_000n) return `${ns / 1_000_000_000n}.${((ns / 1_000_000n) % 1000n).toString().padStart(3, "0")} s`;
  return formatSpan(Number(ns / 1_000_000_000n));
}

/** 3.012345678 s: all that is known of a length. */
export function formatExactSeconds(ns: bigint): string {
  return `${group.format(ns / 1_000_000_000n)}.${(ns % 1_000_000_000n).toString().padStart(9, "0")} s`;
}

export function formatExactCount(count: number): string {
  return group.format(count);
}

/** 12,345, and above a million 1.24 M: the exact number belongs in the tooltip. */
export function formatCount(count: number, lowerBound = false): string {
  const text = count >= 1e9 ? `${threeDigits(count / 1e9)} G` : count >= 1e6 ? `${threeDigits(count / 1e6)} M` : group.format(count);
  return lowerBound ? `≥ ${text}` : text;
}

export function formatRate(perSecond: number, unit: string): string {
  const value = perSecond > 0 && perSecond < 10 ? perSecond.toFixed(1) : formatCount(Math.round(perSecond));
  return `${value} ${unit}/s`;
}

export function formatBitrate(bytesPerSecond: number): string {
  const bits = bytesPerSecond * 8;
  if (bits < 1000) return `${Math.round(bits)} bit/s`;
  if (bits < 999_500) return `${threeDigits(bits / 1e3)} kbit/s`;
  if (bits < 999_500_000) return `${threeDigits(bits / 1e6)} Mbit/s`;
  return `${threeDigits(bits / 1e9)} Gbit/s`;
}

export function formatPercent(ratio: number): string {
  if (ratio >= 1) return "100 %";
  if (ratio > 0.995) return `${(Math.floor(ratio * 10000) / 100).toFixed(2)} %`; // never rounds up to a whole that is not there
  return `${Math.floor(ratio * 1000) / 10} %`;
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`;
}
