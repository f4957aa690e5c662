// Which source the stream shows, and what stands in the way when it cannot show calls yet.
import type { Dissection, Snapshot, Source } from "../api/types";
import { snapshotOf, snapshotsStore, sourcesStore } from "../state/live";
import { routeStore } from "../state/route";
import { useStore } from "../state/store";

export type Shown =
  | { kind: "live" }
  | { kind: "loading" }
  | { kind: "gone" }
  | { kind: "creating"; snapshot: Snapshot }
  | { kind: "undissected"; snapshot: Snapshot }
  | { kind: "dissecting"; snapshot: Snapshot; dissection: Dissection | undefined; source: Source | undefined }
  | { kind: "ready"; source: Source; snapshot: Snapshot | undefined };

export function resolveSource(id: string, sources: Source[], snapshots: Snapshot[] | null): Shown {
  if (id === "" || id === "live") return { kind: "live" };
  const [snapshotId = "", dissectionName] = id.split(/[:/]/);
  const exact = sources.filter((s) => s.id === id);
  const mine = exact.some((s) => s.state === "ready") || dissectionName !== undefined ? exact : sources.filter((s) => snapshotOf(s.id) === snapshotId);
  const source = mine.find((s) => s.state === "ready") ?? mine.find((s) => s.state === "dissecting") ?? mine[0];
  const snapshot = snapshots?.find((s) => s.id === snapshotId);
  if (source?.state === "ready") return { kind: "ready", source, snapshot };
  if (!snapshot) return snapshots === null ? { kind: "loading" } : { kind: "gone" };
  const running = snapshot.dissections.find((d) => d.state === "running" && (dissectionName === undefined || d.name === dissectionName));
  if (running || source?.state === "dissecting") return { kind: "dissecting", snapshot, dissection: running, source };
  if (snapshot.status === "Pending" || snapshot.status === "In Progress") return { kind: "creating", snapshot };
  if (snapshot.dissections.some((d) => d.state === "done")) return { kind: "loading" }; // the list of sources is on its way
  return { kind: "undissected", snapshot };
}

export function useShown(): Shown {
  const id = useStore(routeStore, (r) => r.source);
  const sources = useStore(sourcesStore);
  const { list } = useStore(snapshotsStore);
  return resolveSource(id, sources, list);
}
