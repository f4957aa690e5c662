/* The hub's HTTP API: one route table (routes.c) from which come dispatch, authorisation, OpenAPI
 * and the tests' matrix; handlers; events; audit log; the dashboard's files.
 *
 * How the layers meet: api knows the snapshot store and asks everything that needs workers, threads
 * or jobs of a `struct api_backend`, which the hub fills in. api never includes hub/. Backend
 * functions are called from many request threads at once and may block; they return 0 or a negative
 * errno with a sentence for people, which becomes a problem document (problem.h says which status).
 *
 * Memory: options are copied or must outlive the api (said per member). Thread: api_start and
 * api_stop are the main thread's; api_snapshot_changed any. */
#ifndef TRAWL_API_API_H
#define TRAWL_API_API_H

#include "base/json_writer.h"
#include "snapshot/snapshot_source.h"
#include "snapshot/snapshot_store.h"

struct api;
struct api_problem;

/* A worker that announces itself (src/worker/worker_protocol.h). */
struct api_registration {
    const char *name, *instance, *address, *token, *version;
    uint16_t port;
    int64_t now_ns;
};

/* How a body of unknown length reaches its reader: the count, 0 at the end, or a negative errno. */
typedef ssize_t (*api_read)(void *ctx, void *data, size_t n);
/* Takes the next piece; non-zero stops the producer with that result. */
typedef int (*api_write)(void *ctx, const void *data, size_t n);

struct api_export {
    bool classic; /* .pcap instead of pcapng */
    bool estimate_only;
    int64_t from_ns, to_ns;   /* INT64_MIN, INT64_MAX = open */
    const char *const *nodes; /* ends with NULL; NULL = all */
    const char *bpf, *filter; /* or NULL */
    const char *dissection;   /* whose entries `filter` speaks of; NULL = the latest */
    bool no_secrets;          /* decryption secrets of the captures are left out */
    bool openings;            /* also what is kept of connections from before the window */
    bool calls_only;          /* scope=calls: the packets of the calls, not their connections */
};

struct api_export_sink {
    void *ctx;
    /* Once, before the first byte. bytes: what comes, −1 = unknown; exact = not an estimate. */
    int (*begin)(void *ctx, int64_t bytes, bool exact);
    /* Before begin, once: a sentence about what comes (header X-Note). */
    void (*note)(void *ctx, const char *sentence);
    api_write write;
    /* What is wanted of an exact length (Range): known once begin was called. NULL: all. */
    const struct api_part {
        uint64_t from, bytes;
    } * part;
};

struct api_import {
    const char *name;      /* NULL: the archive's or the file's */
    const char *file_name; /* as the person named it, or NULL */
    const char *by;
    int64_t size; /* −1 = unknown */
    bool new_id;
    api_read read; /* called on the thread of the call */
    void *read_ctx;
    char id[SNAPSHOT_ID_SIZE]; /* result */
    bool already_here;         /* result: nothing was done */
};

struct api_estimate {
    uint64_t packets, bytes;
    int64_t connections; /* −1 = not asked for */
    bool exact;
};

struct api_dissect {
    const char *name;             /* never NULL */
    const char *const *protocols; /* ends with NULL; NULL = all */
    struct slice keys;            /* a TLS key log, or empty; borrowed for the call */
};

/* Who asks a question: where its items go, and whether it is still there. Zeroed: no items wanted,
 * always there. */
struct api_listener {
    api_write item;
    void *item_ctx;
    bool (*gone)(void *ctx); /* asked four times a second; true ends the question */
    void *gone_ctx;
};

enum {
    API_MAX_SOURCES = 16 /* of one question */
};
/* A dissection of a snapshot. */
struct api_source {
    char id[SNAPSHOT_ID_SIZE];
    char name[80];
};

/* How live dissection stands, for those that follow it. */
struct api_live_now {
    bool on;
    uint64_t stored;  /* entries so far; 0 = it has not been on */
    char reason[400]; /* why it is off */
};

struct api_backend {
    void *ctx;
    /* ── nodes ── */
    /* Writes an array of NodeInfo. */
    void (*write_nodes)(void *ctx, struct json_writer *w);
    int (*register_worker)(void *ctx, const struct api_registration *worker, const char *peer,
                           struct error *reterr);
    /* Pins what the nodes hold until then; 0 releases. */
    int (*hold)(void *ctx, int64_t until_ns, struct error *reterr);
    /* nodes ends with NULL; NULL = all that are known. −ENOENT: an unknown name. */
    int (*ask)(void *ctx, const char *const *nodes, struct snapshot_interval window,
               struct snapshot_availability *ret_availability, struct error *reterr);
    /* ── snapshots ── */
    int (*take)(void *ctx, const char *id, struct error *reterr); /* starts, does not wait */
    int (*cancel)(void *ctx, const char *id, struct error *reterr);
    int (*verify)(void *ctx, const char *id, struct json_writer *w, struct error *reterr);
    /* Streams the archive, or the part of it that is wanted; begin is told the whole length. */
    int (*archive)(void *ctx, const char *id, const struct api_export_sink *sink,
                   struct error *reterr);
    int (*import)(void *ctx, struct api_import *import, struct error *reterr);
    int (*export)(void *ctx, const char *id, const struct api_export *what,
                  const struct api_export_sink *sink, struct api_estimate *ret_estimate,
                  struct api_problem *ret_problem);
    int (*dissect)(void *ctx, const char *id, const struct api_dissect *what,
                   struct error *reterr); /* starts, does not wait */
    int (*cancel_dissection)(void *ctx, const char *id, const char *name, struct error *reterr);
    /* Before a dissection is deleted or replaced: nobody may have it open. */
    void (*close_queries)(void *ctx, const char *id, const char *name);
    /* ── live dissection: its entries are the source "live" of `query` ── */
    int (*live_switch)(void *ctx, bool on, struct error *reterr);
    void (*live_write)(void *ctx, struct json_writer *w); /* LiveStatus */
    bool (*live_has_store)(void *ctx);
    /* Waits until more entries are stored, or it goes on or off (against what is known), at most so
     * long. */
    void (*live_wait)(void *ctx, const struct api_live_now *known, int64_t timeout_ns,
                      struct api_live_now *ret_now);
    /* ── entries: one question to the query job of some sources (entries/query.h) ── */
    /* 1 to API_MAX_SOURCES of them. `question` are the members after "q": `"op":"page",…`. Items go
     * to the listener (may be NULL); the result is appended. */
    int (*query)(void *ctx, const struct api_source *sources, size_t count, struct slice question,
                 const struct api_listener *listener, struct buf *ret_result,
                 struct api_problem *ret_problem);
    /* PacketsResponse, the connection's pcapng, or StreamResponse of an entry. */
    int (*entry_packets)(void *ctx, const char *id, const char *name, const char *entry,
                         struct buf *ret_result, struct api_problem *ret_problem);
    int (*entry_stream)(void *ctx, const char *id, const char *name, const char *entry,
                        struct buf *ret_result, struct api_problem *ret_problem);
    /* A whole body, read back from the packets. ESTALE (410): they are gone. */
    int (*entry_body)(void *ctx, const char *id, const char *name, const char *entry,
                      bool of_request, const struct api_export_sink *sink,
                      struct api_problem *ret_problem);
    int (*entry_pcap)(void *ctx, const char *id, const char *name, const char *entry,
                      const struct api_export_sink *sink, struct api_problem *ret_problem);
    /* Lines of Prometheus text. */
    void (*write_metrics)(void *ctx, struct buf *out);
    /* The ring's budget over all nodes, for the settings. */
    uint64_t (*ring_budget)(void *ctx);
};

struct api_options {
    const char *listen;
    const char *data_dir;          /* token, worker-token, audit.jsonl */
    const char *const *host_names; /* further names that Host may carry; ends with NULL, or NULL */
    const struct api_backend *backend; /* outlives the api */
    struct snapshot_store *store;      /* outlives the api */
};

/* Makes token and worker-token when they are missing. */
int api_start(const struct api_options *options, struct api **ret_api, struct error *reterr);
void api_stop(struct api *api);
uint16_t api_port(const struct api *api);
/* The token when this start made it, else NULL. */
const char *api_new_token(const struct api *api);
/* Reads DATA/token again. */
int api_reload_token(struct api *api, struct error *reterr);
/* The same when the file changed (`trawl token rotate`); called now and then, and before a token is
 * refused. */
void api_follow_token(struct api *api);
/* For the store's on_change: tells the browsers soon. `deleted`: it is gone. */
void api_snapshot_changed(struct api *api, const char *id, bool deleted);
/* For what happens without a request (schedules, retries): who = "hub". */
void api_audit(struct api *api, const char *action, const char *target, const char *detail);

#endif
