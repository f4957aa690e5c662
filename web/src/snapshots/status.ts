// What the table says about a snapshot, and how one is searched for. Pure: tested in test/snapshots.test.ts.
import type { Dissection, Gap, Interval, Snapshot, SnapshotNode, Verification } from "../api/types";
import { formatBytes, formatCount, formatSpan, plural } from "../format/quantity";
import { formatMinutes, spanSeconds, toMs, type Zone } from "../format/time";

export type Shape = "ring" | "progress" | "dot" | "half" | "check" | "cross";
export interface DisplayStatus {
  shape: Shape;
  tone: "quiet" | "info" | "ok" | "warn" | "error";
  word: string;
  detail: string;
  tip: string;
  /** 0..1 for the ring. */
  share: number;
}

export const running = (s: Snapshot): Dissection | undefined => s.dissections.find((d) => d.state === "running");
export const done = (s: Snapshot): Dissection | undefined => s.dissections.find((d) => d.state === "done");

export function reasonWords(reason: Gap["reason"] | string): string {
  const words: Record<string, string> = {
    capture_stopped: "capture was stopped", not_recording: "the node was not recording", recycled: "the ring no longer had them", clock_step: "the clock was set back", disk: "the disk could not keep up", corrupt: "damaged on disk",
    node_unreachable: "the node could not be reached",
  };
  return words[reason] ?? reason.replace(/_/g, " ");
}

interface NodeGap extends Omit<Gap, "reason"> {
  node: string;
  reason: string;
}

/** The gaps of the nodes, and what is missing of nodes that gave nothing, in order of time. */
export function gapsOf(snapshot: Snapshot): NodeGap[] {
  const gaps: NodeGap[] = snapshot.nodes.flatMap((node) => node.gaps.map((gap) => ({ ...gap, node: node.name })));
  const known = new Set(gaps.map((g) => `${g.node} ${g.from} ${g.to}`));
  const others = snapshot.missing.filter((m) => !known.has(`${m.node} ${m.from} ${m.to}`) && !gaps.some((g) => g.node === m.node && g.from <= m.from && g.to >= m.to));
  return [...gaps, ...others].sort((a, b) => (a.from < b.from ? -1 : a.from > b.from ? 1 : a.node < b.node ? -1 : 1));
}

export function missingWords(s: Snapshot, zone: Zone): string {
  const first = s.missing[0];
  if (!first) return s.status_detail;
  const more = s.missing.length > 1 ? ` +${s.missing.length - 1}` : "";
  return `missing ${shortNodeName(first.node, s.nodes.map((n) => n.name))} ${formatMinutes(first.from, first.to, zone)}${more}`;
}

/** Every hole in words, a line each, for tooltips. */
function missingTip(s: Snapshot, zone: Zone): string {
  return s.missing.map((m) => `${m.node} ${formatMinutes(m.from, m.to, zone)}: ${reasonWords(m.reason)}`).join("\n");
}

/** The dissection whose failure is the last word: none was done, none runs. */
export function failedDissection(s: Snapshot): Dissection | undefined {
  return running(s) || done(s) ? undefined : s.dissections.filter((d) => d.state === "failed").at(-1);
}

export const failureReason = (d: Dissection): string => d.reason ?? "its process ended without a reason";

/** The finding of the last verification, when it found damage. */
export function damageOf(s: Snapshot): Verification | undefined {
  return s.verified && !s.verified.ok ? s.verified : undefined;
}

export function damageWords(found: Verification): string {
  const [first] = found.errors;
  const place = first ? `${first.file}${first.offset === null ? "" : ` at byte ${first.offset}`}` : `${plural(found.files, "file")}`;
  return `${place}${found.problems > 1 ? ` +${found.problems - 1}` : ""}`;
}

const left = (eta: number | null): string => (eta === null ? "" : ` · ${formatSpan(eta)} left`);

export function displayStatus(s: Snapshot, zone: Zone): DisplayStatus {
  const make = (shape: Shape, tone: DisplayStatus["tone"], word: string, detail: string, tip = "", share = 0): DisplayStatus => ({ shape, tone, word, detail, tip: [word, detail, tip].filter(Boolean).join("\n"), share });
  const { progress } = s;
  if (s.status === "Failed") return make("cross", "error", "Failed", s.status_detail);
  if (s.status === "Pending") return make("ring", "quiet", "Pending", s.status_detail);
  if (s.status === "In Progress") {
    const detail = progress.nodes_total > 0 ? `${progress.nodes_done}/${progress.nodes_total} nodes${left(progress.eta_s)}` : s.status_detail;
    const bytes = progress.bytes_total > 0 ? `${formatBytes(progress.bytes)} of ${formatBytes(progress.bytes_total)}` : formatBytes(progress.bytes);
    return make("progress", "info", "In Progress", detail, bytes, progress.bytes_total > 0 ? progress.bytes / progress.bytes_total : 0);
  }
  const dissection = running(s);
  if (dissection) {
    const { percent, entries, eta_s } = dissection.progress;
    return make("progress", "info", `Dissecting ${Math.floor(percent)} %`, `${plural(entries, "entry", "entries")}${left(eta_s)}`, s.partial ? missingTip(s, zone) : "", percent / 100);
  }
  if (s.verified && !s.verified.ok) return make("cross", "error", done(s) ? "Dissected · damaged" : "Completed · damaged", s.warnings[0] ?? "", [...s.warnings.slice(1), ...(s.partial ? [missingTip(s, zone)] : [])].join("\n"));
  const failed = failedDissection(s);
  if (failed) return make("cross", "error", "Dissection failed", failureReason(failed), [`It stopped at ${Math.floor(failed.progress.percent)} %. The packets are whole, PCAP works.`, ...(s.partial ? [missingTip(s, zone)] : [])].join("\n"));
  const finished = done(s);
  if (s.status === "Dissected" || finished) {
    const entries = finished ? plural(finished.progress.entries, "entry", "entries") : s.status_detail;
    return s.partial ? make("half", "warn", "Dissected · partial", [missingWords(s, zone), entries].filter(Boolean).join(" · "), missingTip(s, zone)) : make("check", "ok", "Dissected", entries);
  }
  if (s.empty) return make("ring", "warn", "Completed · empty", "no packets in window");
  if (s.partial) return make("half", "warn", "Completed · partial", missingWords(s, zone), missingTip(s, zone));
  return make("dot", "ok", "Completed", s.status_detail);
}

const length = (parts: Interval[]): number => parts.reduce((sum, p) => sum + spanSeconds(p.from, p.to), 0);

/** Share of the asked window that the node's packets cover, 0..1. */
export function coverageOf(node: SnapshotNode, s: Snapshot): number {
  const asked = spanSeconds(s.from, s.to);
  return asked > 0 ? Math.min(1, length(node.covered) / asked) : 0;
}

export function worstNode(s: Snapshot): { node: SnapshotNode; share: number } | null {
  let worst: { node: SnapshotNode; share: number } | null = null;
  for (const node of s.nodes) {
    const share = coverageOf(node, s);
    if (!worst || share < worst.share) worst = { node, share };
  }
  return worst;
}

/** The host part of a node's domain name, as long as it tells the nodes apart. */
export function shortNodeName(name: string, all: string[]): string {
  const [host = name] = name.split(".");
  if (/^\d+$/.test(host) || all.filter((other) => other.split(".")[0] === host).length > 1) return name;
  return host;
}

export const statusFilters = ["Pending", "In Progress", "Completed", "Dissected", "Failed"] as const;

const monthNames = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/** "mar 3 14:00", "2026-03-03 14:00", "14:00" → UTC milliseconds. A day without a year is the latest such day that has begun. */
export function parseCoveredTime(text: string, zone: Zone, now = Date.now()): number | null {
  const t = text.trim().toLowerCase();
  const make = (y: number, m: number, d: number, h: number, min: number): number => (zone === "utc" ? Date.UTC(y, m, d, h, min) : new Date(y, m, d, h, min).getTime());
  const today = new Date(now);
  const year = zone === "utc" ? today.getUTCFullYear() : today.getFullYear();
  let match = /^([a-z]{3})[a-z]*\s+(\d{1,2})(?:\s+(\d{1,2}):(\d\d))?$/.exec(t);
  if (match) {
    const month = monthNames.indexOf(match[1] ?? "");
    if (month < 0) return null;
    const at = make(year, month, Number(match[2]), Number(match[3] ?? 0), Number(match[4] ?? 0));
    return at > now + 864e5 ? make(year - 1, month, Number(match[2]), Number(match[3] ?? 0), Number(match[4] ?? 0)) : at;
  }
  match = /^(\d{4})-(\d\d)-(\d\d)(?:[ t](\d{1,2}):(\d\d))?$/.exec(t);
  if (match) return make(Number(match[1]), Number(match[2]) - 1, Number(match[3]), Number(match[4] ?? 0), Number(match[5] ?? 0));
  match = /^(\d{1,2}):(\d\d)$/.exec(t);
  if (!match) return null;
  const [month, day] = zone === "utc" ? [today.getUTCMonth(), today.getUTCDate()] : [today.getMonth(), today.getDate()];
  return make(year, month, day, Number(match[1]), Number(match[2]));
}

/** Every word must be in the name, note, tags or a node; "covers …" asks for a time inside the window. */
export function matchesSearch(s: Snapshot, text: string, zone: Zone, now = Date.now()): boolean {
  const search = text.trim().toLowerCase();
  if (!search) return true;
  const covers = /^covers\s+(.+)$/.exec(search);
  if (covers) {
    const at = parseCoveredTime(covers[1] ?? "", zone, now);
    if (at !== null) return toMs(s.from) <= at && at < toMs(s.to);
  }
  const words = `${s.name} ${s.note} ${s.tags.join(" ")} ${s.id} ${s.nodes.map((n) => n.name).join(" ")}`.toLowerCase();
  return search.split(/\s+/).every((word) => words.includes(word));
}

export type SortKey = "name" | "size" | "start" | "end" | "status" | "created" | "nodes" | "coverage";

const statusRank: Record<string, number> = { Pending: 0, "In Progress": 1, Completed: 2, Dissected: 3, Failed: 4 };

export function sortSnapshots(list: Snapshot[], key: SortKey, descending: boolean): Snapshot[] {
  const value = (s: Snapshot): string | number => {
    switch (key) {
      case "name": return s.name.toLowerCase();
      case "size": return s.size_bytes;
      case "start": return s.from;
      case "end": return s.to;
      case "status": return statusRank[s.status] ?? 9;
      case "nodes": return s.nodes.length;
      case "coverage": return s.coverage;
      default: return s.created_at;
    }
  };
  return [...list].sort((a, b) => {
    const [x, y] = [value(a), value(b)];
    const order = x < y ? -1 : x > y ? 1 : a.id < b.id ? -1 : 1;
    return descending ? -order : order;
  });
}

/** "removes 2 dissections (412,880 entries)" */
export function dissectionsWords(list: Snapshot[]): string {
  const all = list.flatMap((s) => s.dissections);
  if (all.length === 0) return "";
  const entries = all.reduce((sum, d) => sum + d.progress.entries, 0);
  return ` and removes ${plural(all.length, "dissection")} (${formatCount(entries)} ${entries === 1 ? "entry" : "entries"})`;
}
