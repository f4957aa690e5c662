// "Back to": how far a ring reaches, as a duration and a time; under 15 minutes with the size that would hold an hour.
import type { NodeInfo } from "../api/types";
import { formatBytes, formatLatency, formatSpan } from "../format/quantity";
import { formatMinute, type Zone } from "../format/time";

const shortSeconds = 900;

export interface Retention {
  words: string;
  short: boolean;
  advice: string;
}

/** `full` is whether the ring is at its budget: a ring that has just begun is not too small. */
export function retentionOf(node: NodeInfo, zone: Zone): Retention {
  const { ring } = node;
  if (!ring.oldest) return { words: "nothing yet", short: false, advice: "" };
  const words = `${formatSpan(ring.retention_s)} · ${formatMinute(ring.oldest, zone)}`;
  const full = ring.bytes >= ring.budget_bytes * 0.9;
  const short = ring.retention_s < shortSeconds;
  if (!short) return { words, short, advice: "" };
  return { words, short, advice: full ? `A ring of ${formatBytes(ring.hour_budget_bytes)} would hold one hour.` : `It is still filling: ${formatBytes(ring.budget_bytes)} may hold more.` };
}

export const stateWords: Record<NodeInfo["state"], string> = { recording: "recording", waiting_for_interface: "waiting for interface", not_recording: "not recording", silent: "silent" };

/** The node's clock against the hub's: +12.4 ms. */
export function clockWords(offsetNs: number): string {
  if (Math.abs(offsetNs) < 500) return "0 µs";
  return `${offsetNs < 0 ? "−" : "+"}${formatLatency(Math.abs(offsetNs) / 1000)}`;
}
