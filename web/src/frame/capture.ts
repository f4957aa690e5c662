// The capture chip's sentence: green only when every node beats and nothing was lost lately, else the worst fact first.
import type { NodeInfo, NodesResponse } from "../api/types";
import { formatCount, formatSpan } from "../format/quantity";
import { formatMinute, toMs, type Zone } from "../format/time";

export interface CaptureHealth {
  tone: "ok" | "warn" | "error" | "none";
  shape: string;
  text: string;
}

export const lostOf = (drops: { kernel: number; ring: number; disk: number }): number => drops.kernel + drops.ring + drops.disk;

/** Seconds since the node was heard, on the hub's clock. */
export function silenceOf(node: NodeInfo, data: NodesResponse, receivedAt: number, now: number): number {
  if (!node.heartbeat_at) return Number.POSITIVE_INFINITY;
  return Math.max(0, (toMs(data.now) - toMs(node.heartbeat_at) + (now - receivedAt)) / 1000);
}

export function captureHealth(data: NodesResponse | null, receivedAt: number, now: number, zone: Zone): CaptureHealth {
  if (!data) return { tone: "none", shape: "○", text: "asking the nodes" };
  const { nodes } = data;
  if (nodes.length === 0) return { tone: "error", shape: "▲", text: "no node is connected" };
  const shown = zone === "relative" ? "local" : zone;
  const silent = nodes.filter((n) => n.state === "silent" || silenceOf(n, data, receivedAt, now) > 5);
  const stopped = nodes.filter((n) => (n.state === "not_recording" || n.state === "waiting_for_interface") && !silent.includes(n));
  const good = nodes.length - silent.length - stopped.length;
  const lost = nodes.reduce((sum, n) => sum + lostOf(n.drops_5min), 0);
  const oldest = nodes.map((n) => n.ring.oldest).filter((at): at is string => at !== null).sort()[0];
  const head = `${good}/${nodes.length} ${nodes.length === 1 ? "node" : "nodes"}`;
  const back = oldest ? `back to ${formatMinute(oldest, shown)}` : "nothing recorded yet";
  if (silent.length > 0) {
    const worst = silent.map((n) => ({ name: n.name, s: silenceOf(n, data, receivedAt, now) })).sort((a, b) => b.s - a.s)[0];
    const how = worst && Number.isFinite(worst.s) ? `silent ${formatSpan(worst.s)}` : "never heard";
    return { tone: good === 0 ? "error" : "warn", shape: "▲", text: `${head} · ${worst?.name ?? ""} ${how}` };
  }
  if (stopped.length > 0) return { tone: good === 0 ? "error" : "warn", shape: "▲", text: `${head} · ${stopped[0]?.name ?? ""} ${stopped[0]?.state === "waiting_for_interface" ? "waits for an interface" : "is not recording"}` };
  if (lost > 0) return { tone: "warn", shape: "▲", text: `${formatCount(lost)} lost in 5 min · ${head} · ${back}` };
  return { tone: "ok", shape: "●", text: `${head} · ${back} · 0 lost` };
}
