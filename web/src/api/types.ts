// Shapes of the HTTP API (/api/v1). The route table in src/api is the authority: `npm run types` writes this file from its OpenAPI
// document. Times are RFC 3339 strings with nanoseconds in UTC; integers that may pass 2^53 are avoided by unit (bytes, µs).

export interface Problem { type: string; title: string; status: number; detail: string; offset?: number; token?: string; suggestion?: string; available?: { from: string; to: string } }

export interface Interval { from: string; to: string }
export interface Gap extends Interval { reason: "capture_stopped" | "not_recording" | "recycled" | "clock_step" | "disk" | "corrupt" | "node_unreachable" }
export interface Drops { kernel: number; ring: number; disk: number }

export interface NodeInfo {
  name: string; state: "recording" | "waiting_for_interface" | "not_recording" | "silent"; state_detail: string; // a sentence when not recording, or not all
  version: string; heartbeat_at: string | null; address: string;
  interfaces: { name: string; link_type: number; packets: number; dropped: number | null; up: boolean }[];
  ring: { oldest: string | null; newest: string | null; bytes: number; budget_bytes: number; segments: number; retention_s: number; hour_budget_bytes: number };
  packets: number; packets_per_s: number; bytes_per_s: number; excluded_packets: number;
  drops: Drops; drops_5min: Drops; gaps: Gap[]; clock_offset_ns: number; hold_until: string | null;
}
export interface NodesResponse { nodes: NodeInfo[]; now: string }
export interface AvailabilityResponse { nodes: { name: string; held: Interval[]; gaps: Gap[]; bytes_in_window: number }[]; oldest: string | null; newest: string | null; estimate_bytes: number; quota: Quota }
export interface Quota { limit_bytes: number; used_bytes: number; reserved_bytes: number; free_bytes: number }

export type SnapshotStatus = "Pending" | "In Progress" | "Completed" | "Dissected" | "Failed";
export interface SnapshotNode {
  name: string; window: Interval | null; covered: Interval[]; gaps: Gap[]; gap_count: number; // of `covered` and `gaps` the first 1,000; the manifest has all
  packets: number; captured_bytes: number; drops: Drops; clock_offset_ns: number; clock_source: string; files: { name: string; size_bytes: number; sha256: string; damaged?: string }[]; file_count?: number; // of `files` the first 1,000
}
export interface Dissection {
  name: string; state: "running" | "done" | "failed" | "cancelled"; reason?: string;
  progress: { percent: number; packets: number; bytes: number; entries: number; eta_s: number | null; per_protocol: Record<string, number> };
  started_at: string; finished_at: string | null; damage: number;
  // It is made once more while its result stays (running), or that ended without another result (failed, cancelled).
  redo?: { state: "running" | "failed" | "cancelled"; reason?: string; percent: number; packets: number; bytes: number; entries: number; eta_s: number | null; started_at: string; finished_at: string | null };
}
// What the last verification found; `errors` holds the first 16 of `problems`.
// `fingerprint`: SHA-256 of the ed25519 key; `foreign`: another hub's, so whoever handed the archive over has to vouch for the key.
export interface Signature { key: string; fingerprint: string; by: "own" | "foreign" }
export interface Verification { at: string; ok: boolean; files: number; bytes: number; problems: number; errors: { file: string; offset: number | null; text: string }[] }
// `warnings`: sentences on what needs a person's eye (damage, failed dissections), to be shown with the snapshot wherever it is listed.
export interface Snapshot {
  id: string; name: string; status: SnapshotStatus; status_detail: string; // "7/12 nodes · 20 s left", "disk full on the hub"
  partial: boolean; empty: boolean; missing: { node: string; from: string; to: string; reason: string }[]; missing_count?: number; // of `missing` the first 1,000
  size_bytes: number; captured_bytes: number; packets: number; from: string; to: string; start: string | null; end: string | null;
  created_at: string; created_by: string; origin: "ring" | "import"; nodes: SnapshotNode[]; drops: Drops; gaps_total_ns: number; coverage: number; // 0..1
  progress: { nodes_done: number; nodes_total: number; bytes: number; bytes_total: number; eta_s: number | null };
  verified: Verification | null; warnings: string[];
  dissections: Dissection[]; history: { at: string; status: string; text: string }[]; note: string; tags: string[]; locked: boolean;
  manifest_sha256: string | null;
  signature: Signature | null; // whose key signed the manifest
}
export interface SnapshotsResponse { snapshots: Snapshot[]; total: number; quota: Quota }
export interface CreateSnapshotRequest { name: string; from?: string; to?: string; last_s?: number; max?: boolean; nodes?: string[]; filter?: string; auto_dissect?: boolean; allow_partial?: boolean }
// `keys`: the text of a TLS key log (at most 8 MiB); it is used once and not kept.
export interface DissectRequest { name?: string; protocols?: string[]; keys?: string }
export interface PcapEstimate { packets: number; bytes: number; connections?: number; exact: boolean }
export interface VerifyResponse { ok: boolean; files: number; bytes: number; signature: Signature | null; errors: { file: string; offset: number | null; text: string }[] }

export interface Source { id: string; name: string; kind: "live" | "snapshot"; dissection?: string; from: string | null; to: string | null; size_bytes: number; state: "ready" | "dissecting" | "not_dissected" | "live"; entries: number; partial: boolean }
export interface SourcesResponse { sources: Source[] }

// An entry: keys are the display filter's variable names; absent means not applicable.
export interface Endpoint { ip: string; port: number; name?: string; namespace?: string; pod?: { name: string; namespace: string }; service?: { name: string; namespace: string }; process?: { pid: number; name: string } }
export type Body = string | { base64: string };
export interface Half { headers?: Record<string, string>; cookies?: Record<string, string>; body?: Body; body_size?: number; headers_size?: number; size?: number; truncated?: boolean; packets?: PacketRef[] }
export interface PacketRef { node: string; seq: number; offset: number }
export interface Entry {
  id: string; index: number; protocol: string; timestamp: string; elapsed_time?: number; src: Endpoint; dst: Endpoint; node?: { name: string };
  source?: string; conn_id: string; flow_id?: string; summary: string; status: "ok" | "error" | "no_response" | "open" | "incomplete"; status_reason?: string; incomplete?: boolean;
  truncated?: boolean; gap_bytes?: number; method?: string; path?: string; url?: string; host?: string; status_code?: number; http_version?: string;
  request?: Half; response?: Half; [field: string]: unknown;
}
// Lists leave out headers and bodies.
export interface EntriesResponse { entries: Entry[]; next_cursor: string | null; total: number; total_is_lower_bound: boolean; matched_of: number; source: string; warnings: string[]; took_ms: number }
export interface PacketRow { no: number; timestamp: string; node: string; interface: string; direction: "client" | "server"; captured_bytes: number; original_bytes: number; info: string; hex: string }
export interface PacketsResponse { packets: PacketRow[]; truncated: boolean }
export interface StreamResponse { chunks: { direction: "client" | "server"; timestamp: string; base64: string; gap_bytes?: number }[]; truncated: boolean }

export interface FieldInfo { name: string; type: string; protocol: string; doc: string; example: string }
export interface FieldsResponse { fields: FieldInfo[]; functions: { name: string; doc: string; example: string }[] }
export interface FilterCheckResponse { ok: boolean; error?: string; offset?: number; token?: string; suggestion?: string; warnings: { text: string; clause?: string }[]; clauses: string[] }
export interface TimelineBucket { at: string; protocol?: string; ok: number; client_error: number; error: number; no_response: number; p50_us: number; p95_us: number; p99_us: number }
export interface TimelineResponse { from: string; to: string; bucket_ns: number; by: "status" | "protocol"; buckets: TimelineBucket[]; calls: number; warnings: string[] }

export interface Whoami { name: string; role: string; capabilities: string[] }
export interface Settings { version: string; data_dir: string; ring_budget_bytes: number; quota_bytes: number; auth: "token" }

// GET /api/v1/events (SSE): event name → data.
export interface Events { nodes: NodesResponse; snapshot: Snapshot; snapshot_deleted: { id: string } }

// Routes used by the dashboard (all below /api/v1, but POST /session at the root takes {token}):
//   GET nodes · GET availability?from&to[&nodes] · GET snapshots?search&status · POST snapshots · GET|PATCH{name,note,tags,locked}|DELETE snapshots/{id} (DELETE answers {freed_bytes})
//   POST snapshots/{id}/cancel|retry|verify · GET snapshots/{id}/archive · POST snapshots/import?name= (body = the file)
//   GET snapshots/{id}/pcap?format&from&to&nodes&bpf&filter&scope · GET snapshots/{id}/pcap/estimate?…same
//   GET|POST snapshots/{id}/dissections · GET|DELETE snapshots/{id}/dissections/{name} · POST …/{name}/cancel
//   GET sources · GET entries?source&filter&from&to&order&limit&cursor · POST entries/query (same members in JSON)
//   GET entries/{source}/{id} · …/packets · …/pcap · …/body/{request|response} · …/stream · GET aggregate/timeline?source&filter&from&to&buckets
//   POST filter/check {filter} · GET filter/fields · GET whoami · GET settings · GET events (SSE) · POST|DELETE hold
