/* The route table: the one place that says what the hub offers to whom. */
#include <stddef.h>

#include "api/events.h"
#include "api/handlers.h"

#define V1   "/api/v1"
#define SNAP V1 "/snapshots/{id}"
#define DISS SNAP "/dissections"
#define ENT  V1 "/entries/{source}/{id}"

#define EXPORT_QUERY                                                                       \
    "from?: time; to?: time; nodes?: text; bpf?: text; filter?: text; dissection?: text; " \
    "scope?: connections|calls; decrypted?: none|keys|payload|both; openings?: none|include"
#define AGGREGATE_QUERY "source: text; filter?: text; from?: time; to?: time; limit?: int"
#define ENTRIES_QUERY                                                                  \
    "source: text; filter?: text; from?: time; to?: time; order?: text; limit?: int; " \
    "cursor?: text"

const struct route routes[] = {
    {"GET", "/healthz", CAP_OPEN, NULL, NULL, NULL, 200, "text/plain", handle_health,
     "The process answers."},
    {"GET", "/readyz", CAP_OPEN, NULL, NULL, NULL, 200, "text/plain", handle_health,
     "The hub serves requests."},
    {"POST", "/session", CAP_OPEN, NULL, "SessionRequest", NULL, 204, NULL, handle_sign_in,
     "Exchanges the token for a session cookie."},
    {"DELETE", "/session", CAP_SETTINGS_READ, NULL, NULL, NULL, 204, NULL, handle_sign_out,
     "Ends the session."},
    {"GET", "/metrics", CAP_METRICS_READ, NULL, NULL, NULL, 200, "text/plain; version=0.0.4",
     handle_metrics, "Numbers for Prometheus."},

    {"GET", V1 "/openapi.json", CAP_SETTINGS_READ, NULL, NULL, NULL, 200, NULL, handle_openapi,
     "This table as OpenAPI 3.1."},
    {"GET", V1 "/whoami", CAP_SETTINGS_READ, NULL, NULL, "Whoami", 200, NULL, handle_whoami,
     "Who you are and what you may do."},
    {"GET", V1 "/settings", CAP_SETTINGS_READ, NULL, NULL, "Settings", 200, NULL, handle_settings,
     "Version, folders, budgets."},
    {"GET", V1 "/audit", CAP_AUDIT_READ, "limit?: int", NULL, "AuditResponse", 200, NULL,
     handle_audit, "The last lines of the audit log, and whether its chain is intact."},
    {"GET", V1 "/failures/{request}", CAP_SETTINGS_READ, NULL, NULL, "Problem", 200, NULL,
     handle_failure, "Why the answer with this X-Request-Id broke off."},
    {"GET", V1 "/events", CAP_SNAPSHOTS_READ, NULL, NULL, NULL, 200, "text/event-stream",
     events_serve, "nodes, snapshot and snapshot_deleted as they happen."},

    {"GET", V1 "/nodes", CAP_NODES_READ, NULL, NULL, "NodesResponse", 200, NULL, handle_nodes,
     "Every node: heartbeat, ring, drops, gaps."},
    {"GET", V1 "/availability", CAP_NODES_READ, "from?: time; to?: time; nodes?: text", NULL,
     "AvailabilityResponse", 200, NULL, handle_availability,
     "What each node holds of a window, and what a snapshot of it would take."},
    {"POST", V1 "/workers", CAP_WORKER, NULL, "WorkerRegistration", "WorkerRegistered", 200, NULL,
     handle_register_worker, "A worker announces itself."},
    {"POST", V1 "/hold", CAP_CAPTURE_CONTROL, NULL, "HoldRequest", "HoldResponse", 200, NULL,
     handle_hold, "Keeps what all rings hold now from being recycled (1 h unless said)."},
    {"DELETE", V1 "/hold", CAP_CAPTURE_CONTROL, NULL, NULL, "HoldResponse", 200, NULL,
     handle_release_hold, "Ends the hold."},

    {"GET", V1 "/snapshots", CAP_SNAPSHOTS_READ,
     "search?: text; status?: Pending|In Progress|Completed|Dissected|Failed; sort?: text; "
     "limit?: int; offset?: int",
     NULL, "SnapshotsResponse", 200, NULL, handle_snapshots, "Snapshots, newest first."},
    {"POST", V1 "/snapshots", CAP_SNAPSHOTS_WRITE, NULL, "CreateSnapshotRequest", "Snapshot", 201,
     NULL, handle_create_snapshot, "Takes a snapshot of a window, after the fact."},
    {"POST", V1 "/snapshots/import", CAP_SNAPSHOTS_WRITE, "name?: text; file?: text; new_id?: bool",
     "bytes", "Snapshot", 201, NULL, handle_import,
     "Takes an archive or a capture file as a snapshot."},
    {"GET", SNAP, CAP_SNAPSHOTS_READ, NULL, NULL, "Snapshot", 200, NULL, handle_snapshot,
     "One snapshot."},
    {"PATCH", SNAP, CAP_SNAPSHOTS_WRITE, NULL, "ChangeSnapshotRequest", "Snapshot", 200, NULL,
     handle_change_snapshot, "Name, note, tags, lock."},
    {"DELETE", SNAP, CAP_SNAPSHOTS_WRITE, NULL, NULL, "DeleteResponse", 200, NULL,
     handle_delete_snapshot, "Deletes it and says what that freed."},
    {"POST", SNAP "/cancel", CAP_SNAPSHOTS_WRITE, NULL, NULL, "Snapshot", 200, NULL,
     handle_cancel_snapshot, "Stops taking it."},
    {"POST", SNAP "/retry", CAP_SNAPSHOTS_WRITE, NULL, NULL, "Snapshot", 202, NULL,
     handle_retry_snapshot, "Takes a failed one again."},
    {"POST", SNAP "/verify", CAP_SNAPSHOTS_READ, NULL, NULL, "VerifyResponse", 200, NULL,
     handle_verify_snapshot, "Reads every byte and compares the checksums and the signature."},
    {"GET", SNAP "/archive", CAP_PCAP_EXPORT, NULL, NULL, NULL, 200, "application/x-tar",
     handle_archive, "The snapshot as one file, to keep or to import elsewhere."},
    {"GET", SNAP "/pcap", CAP_PCAP_EXPORT, "format?: pcapng|pcap; " EXPORT_QUERY, NULL, NULL, 200,
     "application/vnd.tcpdump.pcap", handle_pcap, "Its packets in time order, for Wireshark."},
    {"GET", SNAP "/pcap/estimate", CAP_SNAPSHOTS_READ, "format?: pcapng|pcap; " EXPORT_QUERY, NULL,
     "PcapEstimate", 200, NULL, handle_pcap_estimate, "How large that would be."},

    {"GET", DISS, CAP_SNAPSHOTS_READ, NULL, NULL, "DissectionsResponse", 200, NULL,
     handle_dissections, "Its dissections."},
    {"POST", DISS, CAP_SNAPSHOTS_WRITE, NULL, "DissectRequest", "Dissection", 202, NULL,
     handle_dissect, "Starts a dissection."},
    {"GET", DISS "/{name}", CAP_SNAPSHOTS_READ, NULL, NULL, "Dissection", 200, NULL,
     handle_dissection, "One dissection and its progress."},
    {"DELETE", DISS "/{name}", CAP_SNAPSHOTS_WRITE, NULL, NULL, NULL, 204, NULL,
     handle_delete_dissection, "Deletes it."},
    {"POST", DISS "/{name}/cancel", CAP_SNAPSHOTS_WRITE, NULL, NULL, "Dissection", 200, NULL,
     handle_cancel_dissection, "Stops it."},

    {"GET", V1 "/sources", CAP_SNAPSHOTS_READ, NULL, NULL, "SourcesResponse", 200, NULL,
     handle_sources,
     "What the API stream can show. Lists and aggregates of calls take several as one, with commas "
     "between them."},
    {"GET", V1 "/live", CAP_SNAPSHOTS_READ, NULL, NULL, "LiveStatus", 200, NULL, handle_live,
     "Whether live dissection is on, how far it has come, and what it passed over."},
    {"POST", V1 "/live", CAP_SNAPSHOTS_WRITE, NULL, NULL, "LiveStatus", 200, NULL, handle_live_on,
     "Switches live dissection on: the source `live` grows with what the nodes record."},
    {"DELETE", V1 "/live", CAP_SNAPSHOTS_WRITE, NULL, NULL, "LiveStatus", 200, NULL,
     handle_live_off, "Switches it off; its entries stay."},
    {"GET", V1 "/entries", CAP_PAYLOAD_READ, ENTRIES_QUERY, NULL, "EntriesResponse", 200, NULL,
     handle_entries, "A page of API calls."},
    {"GET", V1 "/entries/stream", CAP_PAYLOAD_READ,
     "source: text; filter?: text; whole?: bool; from_index?: int; max_behind?: int", NULL, NULL,
     200, "text/event-stream", handle_entries_tail,
     "The live calls as they come; a slow reader is told what it missed."},
    {"POST", V1 "/entries/query", CAP_PAYLOAD_READ, NULL, "EntriesQuery", "EntriesResponse", 200,
     NULL, handle_entries_query, "The same with a long filter."},
    {"POST", V1 "/entries/count", CAP_PAYLOAD_READ, NULL, "EntriesQuery", "CountResponse", 200,
     NULL, handle_entries_count, "How many calls match, exactly."},
    {"POST", V1 "/entries/explain", CAP_PAYLOAD_READ, NULL, "EntriesQuery", "ExplainResponse", 200,
     NULL, handle_entries_explain, "How a filter is answered: by columns, or entry by entry."},
    {"POST", V1 "/entries/lines", CAP_PAYLOAD_READ, NULL, "EntriesQuery", NULL, 200,
     "application/x-ndjson", handle_entries_lines, "Whole entries, one a line."},
    {"POST", V1 "/entries/har", CAP_PAYLOAD_READ, NULL, "EntriesQuery", NULL, 200,
     "application/json", handle_entries_har, "The HTTP calls as an HTTP Archive (HAR 1.2)."},
    {"GET", ENT, CAP_PAYLOAD_READ, NULL, NULL, "Entry", 200, NULL, handle_entry,
     "One call with its headers and bodies."},
    {"GET", ENT "/packets", CAP_PAYLOAD_READ, NULL, NULL, "PacketsResponse", 200, NULL,
     handle_entry_packets, "Its packets."},
    {"GET", ENT "/pcap", CAP_PCAP_EXPORT, NULL, NULL, NULL, 200, "application/vnd.tcpdump.pcap",
     handle_entry_pcap, "The packets of its connection."},
    {"GET", ENT "/body/{half}", CAP_PAYLOAD_READ, NULL, NULL, NULL, 200, "application/octet-stream",
     handle_entry_body,
     "The body of the request or response, whole: what an entry does not keep is read back from the "
     "packets (410 when they are gone)."},
    {"GET", ENT "/neighbours", CAP_PAYLOAD_READ, "limit?: int", NULL, "NeighboursResponse", 200,
     NULL, handle_entry_neighbours, "The calls before and after it in its connection."},
    {"GET", ENT "/stream", CAP_PAYLOAD_READ, NULL, NULL, "StreamResponse", 200, NULL,
     handle_entry_stream, "Both directions of its connection."},
    {"GET", V1 "/aggregate/timeline", CAP_PAYLOAD_READ,
     "source: text; filter?: text; from?: time; to?: time; buckets?: int; by?: status|protocol",
     NULL, "TimelineResponse", 200, NULL, handle_timeline,
     "Calls per bucket of time by how they ended, or also by protocol, with latency percentiles; "
     "empty buckets are left out."},
    {"GET", V1 "/aggregate/top", CAP_PAYLOAD_READ, AGGREGATE_QUERY "; by: text; order?: text", NULL,
     "TopResponse", 200, NULL, handle_top, "Calls in groups by up to four fields."},
    {"GET", V1 "/aggregate/values", CAP_PAYLOAD_READ,
     AGGREGATE_QUERY "; field: text; prefix?: text", NULL, "TopResponse", 200, NULL, handle_values,
     "The values of a field with their counts, for completion."},
    {"GET", V1 "/aggregate/map", CAP_PAYLOAD_READ, AGGREGATE_QUERY, NULL, "TopResponse", 200, NULL,
     handle_map, "Who calls whom: the edges of the service map."},
    {"GET", V1 "/aggregate/compare", CAP_PAYLOAD_READ,
     "a: text; b: text; filter?: text; a_from?: time; a_to?: time; b_from?: time; b_to?: time; "
     "limit?: int",
     NULL, "CompareResponse", 200, NULL, handle_compare,
     "Two sources or two times side by side, endpoint by endpoint, the worst first."},
    {"POST", V1 "/filter/check", CAP_SNAPSHOTS_READ, NULL, "FilterCheckRequest",
     "FilterCheckResponse", 200, NULL, handle_filter_check, "Whether a display filter is one."},
    {"GET", V1 "/filter/fields", CAP_SNAPSHOTS_READ, NULL, NULL, "FieldsResponse", 200, NULL,
     handle_filter_fields, "Every variable and function of display filters."},
    {0},
};
