// What lies between two rows that the capture does not have. Pure.
import type { Entry, Gap } from "../api/types";
import { formatMinutes, type Zone } from "../format/time";
import { reasonWords } from "../snapshots/status";

/** The gap between two neighbours of a list in order of time, in words. */
export function missingBetween(a: Entry, b: Entry | undefined, gaps: readonly Gap[], zone: Zone): string {
  if (!b || gaps.length === 0) return "";
  const [from, to] = a.timestamp < b.timestamp ? [a.timestamp, b.timestamp] : [b.timestamp, a.timestamp];
  const gap = gaps.find((g) => g.from < to && g.to > from);
  return gap ? `${formatMinutes(gap.from, gap.to, zone)} was not recorded: ${reasonWords(gap.reason)}` : "";
}
