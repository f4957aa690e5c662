// Nodes, snapshots and sources as last heard: loaded once, then kept fresh by the event stream and reloaded when it comes back.
import { get } from "../api/client";
import { connection, startEvents } from "../api/events";
import type { NodesResponse, Quota, Snapshot, SnapshotsResponse, Source, SourcesResponse } from "../api/types";
import { createStore } from "./store";

export interface NodesState {
  data: NodesResponse | null;
  /** Packets per second of each node, the last five minutes as this page saw them. */
  rates: Map<string, number[]>;
  receivedAt: number;
  error: string;
}

export const nodesStore = createStore<NodesState>({ data: null, rates: new Map(), receivedAt: 0, error: "" });

export interface SnapshotsState {
  list: Snapshot[] | null;
  quota: Quota | null;
  error: string;
}

export const snapshotsStore = createStore<SnapshotsState>({ list: null, quota: null, error: "" });
export const sourcesStore = createStore<Source[]>([]);

/** Last words about a snapshot on its way, for the toast when it arrives. */
type Arrival = (before: Snapshot | undefined, now: Snapshot) => void;
const arrivals = new Set<Arrival>();
export function onSnapshotChange(listener: Arrival): void {
  arrivals.add(listener);
}

const historyLength = 300;

function takeNodes(data: NodesResponse): void {
  nodesStore.set((before) => {
    const rates = new Map(before.rates);
    for (const node of data.nodes) rates.set(node.name, [...(rates.get(node.name) ?? []), node.packets_per_s].slice(-historyLength));
    return { data, rates, receivedAt: Date.now(), error: "" };
  });
}

let sourcesTimer: ReturnType<typeof setTimeout> | undefined;
function sourcesSoon(): void {
  clearTimeout(sourcesTimer);
  sourcesTimer = setTimeout(() => void loadSources(), 250);
}

export function takeSnapshot(snapshot: Snapshot): void {
  const { list } = snapshotsStore.get();
  const before = list?.find((s) => s.id === snapshot.id);
  if (list) {
    const next = before ? list.map((s) => (s.id === snapshot.id ? snapshot : s)) : [snapshot, ...list];
    snapshotsStore.set((state) => ({ ...state, list: next }));
  }
  for (const arrival of arrivals) arrival(before, snapshot);
  if (!before || before.status !== snapshot.status || before.size_bytes !== snapshot.size_bytes) void loadQuota();
  sourcesSoon();
}

export function dropSnapshot(id: string): void {
  snapshotsStore.set((state) => ({ ...state, list: state.list?.filter((s) => s.id !== id) ?? null }));
  sourcesSoon();
  void loadQuota();
}

const sentence = (error: unknown): string => (error instanceof Error ? error.message : String(error));

export async function loadNodes(): Promise<void> {
  try {
    takeNodes(await get<NodesResponse>("nodes"));
  } catch (error) {
    nodesStore.set((state) => ({ ...state, error: sentence(error) }));
  }
}

export async function loadSnapshots(): Promise<void> {
  try {
    const { snapshots, quota } = await get<SnapshotsResponse>("snapshots");
    snapshotsStore.set({ list: snapshots, quota, error: "" });
  } catch (error) {
    snapshotsStore.set((state) => ({ ...state, error: sentence(error) }));
  }
}

async function loadQuota(): Promise<void> {
  try {
    const { quota } = await get<SnapshotsResponse>("snapshots", { limit: 1 });
    snapshotsStore.set((state) => ({ ...state, quota }));
  } catch {
    // the meter keeps its last value; the banner tells about the connection
  }
}

export async function loadSources(): Promise<void> {
  try {
    sourcesStore.set((await get<SourcesResponse>("sources")).sources);
  } catch {
    // the select keeps what it has
  }
}

export function startLive(): void {
  startEvents((name, data) => {
    if (name === "nodes") takeNodes(data as NodesResponse);
    else if (name === "snapshot") takeSnapshot(data as Snapshot);
    else dropSnapshot((data as { id: string }).id);
  });
  void loadNodes();
  void loadSnapshots();
  void loadSources();
  let wasDown = false;
  connection.subscribe((now) => {
    if (now.state === "down") wasDown = true;
    if (now.state !== "up" || !wasDown) return;
    wasDown = false; // what was missed meanwhile
    void loadNodes();
    void loadSnapshots();
    void loadSources();
  });
}

/** A source's id is the snapshot's, with `:name` behind it for any dissection but the default one. */
export function snapshotOf(sourceId: string): string {
  return sourceId.split(/[:/]/)[0] ?? sourceId;
}

/** The source of the stream that shows a snapshot. */
export function sourceOf(snapshot: Snapshot, dissection?: string): Source | undefined {
  const mine = sourcesStore.get().filter((s) => snapshotOf(s.id) === snapshot.id);
  return mine.find((s) => s.dissection === dissection) ?? mine.find((s) => s.state === "ready") ?? mine[0];
}
