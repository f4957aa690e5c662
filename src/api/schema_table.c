/* The shapes of the API. The dashboard's web/src/api/types.ts says the same in TypeScript. */
#include <stddef.h>

#include "api/schema.h"

#define GAP_REASONS \
    "capture_stopped|not_recording|recycled|clock_step|disk|corrupt|node_unreachable"

const struct schema schemas[] = {
    {"Problem", "type: text; title: text; status: int; detail: text; offset?: int; token?: text; "
                "suggestion?: text; available?: Interval"},
    {"Interval", "from: time; to: time"},
    {"Gap", "from: time; to: time; reason: " GAP_REASONS},
    {"Drops", "kernel: int; ring: int; disk: int"},
    {"NodeInterface", "name: text; link_type: int; packets: int; dropped: int~; up: bool"},
    {"NodeRing", "oldest: time~; newest: time~; bytes: int; budget_bytes: int; segments: int; "
                 "retention_s: number; hour_budget_bytes: int"},
    {"NodeInfo",
     "name: text; state: recording|waiting_for_interface|not_recording|silent; state_detail: text; version: text; "
     "heartbeat_at: time~; address: text; interfaces: NodeInterface[]; ring: NodeRing; "
     "packets: int; packets_per_s: number; bytes_per_s: number; excluded_packets: int; "
     "drops: Drops; drops_5min: Drops; gaps: Gap[]; clock_offset_ns: int; hold_until: time~"},
    {"NodesResponse", "nodes: NodeInfo[]; now: time"},
    {"NodeAvailability", "name: text; held: Interval[]; gaps: Gap[]; bytes_in_window: int"},
    {"Quota", "limit_bytes: int; used_bytes: int; reserved_bytes: int; free_bytes: int"},
    {"AvailabilityResponse", "nodes: NodeAvailability[]; oldest: time~; newest: time~; "
                             "estimate_bytes: int; quota: Quota"},
    {"Signature", "key: text; fingerprint: text; by: own|foreign"},
    {"SnapshotFile", "name: text; size_bytes: int; sha256: text; damaged?: text"},
    {"SnapshotNode",
     "name: text; window: Interval~; covered: Interval[]; gaps: Gap[]; gap_count: int; packets: int; "
     "captured_bytes: int; drops: Drops; clock_offset_ns: int; clock_source: text; "
     "files: SnapshotFile[]; file_count: int"},
    {"DissectionProgress", "percent: number; packets: int; bytes: int; entries: int; "
                           "eta_s: number~; per_protocol: {int}"},
    {"Dissection", "name: text; state: running|done|failed|cancelled; reason?: text; "
                   "progress: DissectionProgress; started_at: time; finished_at: time~; "
                   "damage: int; redo?: Redo"},
    {"Redo", "state: running|failed|cancelled; reason?: text; percent: number; packets: int; "
             "bytes: int; entries: int; eta_s: number~; started_at: time; finished_at: time~"},
    {"DissectionsResponse", "dissections: Dissection[]"},
    {"Missing", "node: text; from: time; to: time; reason: text"},
    {"SnapshotProgress",
     "nodes_done: int; nodes_total: int; bytes: int; bytes_total: int; eta_s: number~"},
    {"HistoryItem", "at: time; status: text; text: text"},
    {"Verification",
     "at: time; ok: bool; files: int; bytes: int; problems: int; errors: VerifyError[]"},
    {"Snapshot",
     "id: text; name: text; status: Pending|In Progress|Completed|Dissected|Failed; "
     "status_detail: text; partial: bool; empty: bool; missing: Missing[]; missing_count: int; size_bytes: int; "
     "captured_bytes: int; packets: int; from: time; to: time; start: time~; end: time~; "
     "created_at: time; created_by: text; origin: ring|import; nodes: SnapshotNode[]; "
     "drops: Drops; gaps_total_ns: int; coverage: number; progress: SnapshotProgress; "
     "dissections: Dissection[]; verified: Verification~; warnings: text[]; history: HistoryItem[]; note: text; tags: text[]; locked: bool; "
     "manifest_sha256: text~; signature: Signature~"},
    {"SnapshotsResponse", "snapshots: Snapshot[]; total: int; quota: Quota"},
    {"CreateSnapshotRequest",
     "name: text; from?: time; to?: time; last_s?: number; max?: bool; nodes?: text[]; "
     "filter?: text; auto_dissect?: bool; allow_partial?: bool"},
    {"ChangeSnapshotRequest", "name?: text; note?: text; tags?: text[]; locked?: bool"},
    {"DeleteResponse", "freed_bytes: int"},
    {"DissectRequest", "name?: text; protocols?: text[]; keys?: document"},
    {"PcapEstimate", "packets: int; bytes: int; connections?: int; exact: bool"},
    {"VerifyError", "file: text; offset: int~; text: text"},
    {"VerifyResponse",
     "ok: bool; files: int; bytes: int; signature: Signature~; errors: VerifyError[]"},
    {"LiveStatus",
     "state: on|starting|off; reason: text; since: time~; until: time~; entries: int; "
     "packets: int; bytes: int; missed_bytes: int; missed_at: time~; damages: int; failures: int; "
     "idle_s: int; idle_off_s: int"},
    {"Source", "id: text; name: text; kind: live|snapshot; dissection?: text; from: time~; "
               "to: time~; size_bytes: int; state: ready|dissecting|not_dissected|live; "
               "entries: int; partial: bool"},
    {"SourcesResponse", "sources: Source[]"},
    {"Entry", "id: text; index: int; protocol: text; timestamp: time; conn_id: text; "
              "summary: text; status: ok|error|no_response|open|incomplete; src: any; dst: any; "
              "request?: any; response?: any; source?: text"},
    {"EntriesQuery", "source: text; filter?: text; from?: time; to?: time; order?: text; "
                     "limit?: int; cursor?: text"},
    {"EntriesResponse",
     "entries: Entry[]; next_cursor: text~; total: int; total_is_lower_bound: bool; "
     "matched_of: int; source: text; warnings: text[]; took_ms: number"},
    {"CountResponse", "total: int; matched_of: int; unjudged: int"},
    {"ExplainedClause", "offset: int; text: text; answer: columns|narrowed|entries; sql: text~"},
    {"ExplainResponse",
     "clauses: ExplainedClause[]; parameters: any; judged: bool; reads: text[]; entries: int; "
     "entries_judged: int; parts: int; parts_read: int; blocks: int; blocks_read: int; "
     "took_ms: number"},
    {"NeighboursResponse", "entries: Entry[]; position: int; more_before: bool; more_after: bool"},
    {"PacketRow", "no: int; timestamp: time; node: text; interface: text; "
                  "direction: client|server; captured_bytes: int; original_bytes: int; info: text; "
                  "hex: text"},
    {"PacketsResponse", "packets: PacketRow[]; truncated: bool"},
    {"StreamChunk", "direction: client|server; timestamp: time; base64: text; gap_bytes?: int"},
    {"StreamResponse", "chunks: StreamChunk[]; truncated: bool"},
    {"TimelineBucket", "at: time; protocol?: text; ok: int; client_error: int; error: int; "
                       "no_response: int; p50_us: int; p95_us: int; p99_us: int"},
    {"TimelineResponse", "from: time; to: time; bucket_ns: int; by: status|protocol; "
                         "buckets: TimelineBucket[]; calls: int; warnings: text[]"},
    {"Group", "keys: any; calls: int; errors: int; no_response: int; p50_us: int; p95_us: int; "
              "p99_us: int; elapsed_us: int; request_bytes: int; response_bytes: int"},
    {"TopResponse", "by: text[]; groups: Group[]; groups_total: int; calls: int; other_calls: int; "
                    "from: time; to: time; warnings: text[]"},
    {"ComparedSide",
     "source: text; from: time; to: time; calls: int; complete: bool; window_s?: number; covered_s?: number; packets?: int; dropped?: int; nodes?: text[]"},
    {"ComparedCalls", "calls: int; calls_per_min: number; errors: int; error_share: number; "
                      "p50_us: int; p95_us: int; p99_us: int"},
    {"ComparedEndpoint", "keys: any; state: both|new|vanished|unknown; a: ComparedCalls~; "
                         "b: ComparedCalls~"},
    {"CompareResponse", "by: text[]; a: ComparedSide; b: ComparedSide; "
                        "endpoints: ComparedEndpoint[]; endpoints_total: int; warnings: text[]"},
    {"FieldInfo", "name: text; type: text; protocol: text; doc: text; example: text"},
    {"FunctionInfo", "name: text; doc: text; example: text"},
    {"FieldsResponse", "fields: FieldInfo[]; functions: FunctionInfo[]"},
    {"FilterCheckRequest", "filter: text"},
    {"FilterWarning", "text: text; clause?: text"},
    {"FilterCheckResponse", "ok: bool; error?: text; offset?: int; token?: text; "
                            "suggestion?: text; warnings: FilterWarning[]; clauses: text[]"},
    {"Whoami", "name: text; role: text; capabilities: text[]"},
    {"Settings", "version: text; data_dir: text; ring_budget_bytes: int; quota_bytes: int; "
                 "auth: token"},
    {"SessionRequest", "token: text"},
    {"HoldRequest", "for_s?: number"},
    {"HoldResponse", "hold_until: time~"},
    {"WorkerRegistration", "name: text; instance: text; address: text; port: int; token: text; "
                           "version: text; now_ns: int"},
    {"WorkerRegistered", "ok: bool; now_ns: int"},
    {"AuditLine", "seq: int; at: time; who: text; peer: text; action: text; target: text; "
                  "detail: text; prev: text; hash: text"},
    {"AuditResponse", "lines: AuditLine[]; intact: bool; broken_at: int~"},
    {NULL, NULL},
};
