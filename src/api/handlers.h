/* The handlers of the route table. Each answers its call exactly once. Thread: the request's. */
#ifndef TRAWL_API_HANDLERS_H
#define TRAWL_API_HANDLERS_H

#include "api/call.h"

/* handlers_hub.c: the hub itself */
void handle_health(struct api_call *call);
void handle_metrics(struct api_call *call);
void handle_sign_in(struct api_call *call);
void handle_sign_out(struct api_call *call);
void handle_openapi(struct api_call *call);
void handle_whoami(struct api_call *call);
void handle_settings(struct api_call *call);
void handle_audit(struct api_call *call);
void handle_failure(struct api_call *call);
/* handlers_nodes.c */
void handle_nodes(struct api_call *call);
void handle_availability(struct api_call *call);
void handle_register_worker(struct api_call *call);
void handle_hold(struct api_call *call);
void handle_release_hold(struct api_call *call);
/* handlers_snapshots.c */
void handle_snapshots(struct api_call *call);
void handle_snapshot(struct api_call *call);
void handle_change_snapshot(struct api_call *call);
void handle_delete_snapshot(struct api_call *call);
void handle_cancel_snapshot(struct api_call *call);
void handle_retry_snapshot(struct api_call *call);
void handle_verify_snapshot(struct api_call *call);
/* handlers_create.c */
void handle_create_snapshot(struct api_call *call);
/* handlers_transfer.c: files in and out */
void handle_archive(struct api_call *call);
void handle_import(struct api_call *call);
void handle_pcap(struct api_call *call);
void handle_pcap_estimate(struct api_call *call);
/* handlers_dissections.c */
void handle_dissections(struct api_call *call);
void handle_dissect(struct api_call *call);
void handle_dissection(struct api_call *call);
void handle_delete_dissection(struct api_call *call);
void handle_cancel_dissection(struct api_call *call);
void handle_sources(struct api_call *call);
/* handlers_entries.c */
void handle_entries(struct api_call *call);
void handle_entries_query(struct api_call *call);
void handle_entries_count(struct api_call *call);
void handle_entries_explain(struct api_call *call);
void handle_entries_lines(struct api_call *call);
void handle_entries_har(struct api_call *call);
void handle_entry(struct api_call *call);
void handle_entry_packets(struct api_call *call);
void handle_entry_pcap(struct api_call *call);
void handle_entry_body(struct api_call *call);
void handle_entry_stream(struct api_call *call);
void handle_entry_neighbours(struct api_call *call);
/* handlers_aggregate.c */
void handle_timeline(struct api_call *call);
void handle_top(struct api_call *call);
void handle_values(struct api_call *call);
void handle_map(struct api_call *call);
/* handlers_compare.c */
void handle_compare(struct api_call *call);
/* handlers_live.c */
void handle_live(struct api_call *call);
void handle_live_on(struct api_call *call);
void handle_live_off(struct api_call *call);
/* handlers_tail.c */
void handle_entries_tail(struct api_call *call);
/* handlers_filter.c */
void handle_filter_check(struct api_call *call);
void handle_filter_fields(struct api_call *call);

/* A dissected source: "live", "ID", "ID:NAME" or "ID/NAME", where ID may be a prefix or a name.
 * False when a problem was sent. */
bool handler_source(struct api_call *call, const char *text, struct api_source *ret_source);
/* The same for what needs a snapshot's packets: live calls are refused (409). */
bool handler_packet_source(struct api_call *call, const char *text, struct api_source *ret_source);
/* One, or several with commas between them; "live" comes last, whatever the order: it grows. */
struct handler_sources {
    struct api_source items[API_MAX_SOURCES];
    size_t count;
};
bool handler_sources(struct api_call *call, const char *text, struct handler_sources *ret_sources);
/* Of a listener; ctx is the call's http. */
bool handler_client_gone(void *ctx);
/* The snapshot that a path or a source names (an id, a unique prefix, a name or @latest): a
 * reference, or NULL when a problem was sent. */
struct snapshot *handler_snapshot(struct api_call *call, const char *ref);
/* The dissection called `name` (NULL = the newest that is done): borrowed; NULL when a problem was
 * sent. */
const struct snapshot_dissection *
handler_dissection(struct api_call *call, const struct snapshot *snapshot, const char *name);
/* A sink that sends a body of unknown length. `started` says whether the answer began. */
struct handler_sink {
    struct api_call *call;
    const char *content_type, *name, *extension;
    const char *etag; /* or NULL: then ranges are not served */
    struct api_part part;
    bool started, refused; /* refused: the problem was sent */
    uint64_t bytes;
};
void handler_sink_init(struct handler_sink *sink, struct api_export_sink *ret_export_sink);
/* After a producer ended: a failure before the first byte is a problem document, a later one cuts
 * the connection and is kept (api/failures.h). */
void handler_sink_end(const struct handler_sink *sink, int e, const struct api_problem *problem);

#endif
