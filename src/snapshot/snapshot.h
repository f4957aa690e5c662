/* A snapshot as it is known in memory: what was asked, what came, how complete it is. Values only;
 * the folder on disk is the business of snapshot_store.h.
 *
 * A `struct snapshot` that the store hands out is immutable and counted: keep it as long as you
 * like, give it back with snapshot_unref. Times are nanoseconds in hub time unless said. Thread:
 * any (the count is atomic, the content never changes). Sources: formats.md, web/src/api/types.ts.
 */
#ifndef TRAWL_SNAPSHOT_SNAPSHOT_H
#define TRAWL_SNAPSHOT_SNAPSHOT_H

#include "base/arena.h"
#include "base/json_writer.h"

enum {
    SNAPSHOT_ID_SIZE = 27, /* 26 base32hex characters of (time, random), and a NUL */
    SNAPSHOT_MAX_NAME_BYTES = 200,
    SNAPSHOT_MAX_NODE_NAME_BYTES = 253,
    SNAPSHOT_MAX_NODES = 4096,
    SNAPSHOT_MAX_PROBLEMS = 16, /* kept of a verification */
    SNAPSHOT_SHA256_SIZE = 65   /* hex and a NUL */
};

enum snapshot_status {
    SNAPSHOT_PENDING,
    SNAPSHOT_IN_PROGRESS,
    SNAPSHOT_COMPLETED, /* shown as "Dissected" once a dissection is done */
    SNAPSHOT_FAILED
};

enum snapshot_gap_reason {
    SNAPSHOT_GAP_CAPTURE_STOPPED,
    SNAPSHOT_GAP_NOT_RECORDING, /* before the recorder ran, or it does not run */
    SNAPSHOT_GAP_RECYCLED,
    SNAPSHOT_GAP_CLOCK_STEP,
    SNAPSHOT_GAP_DISK,
    SNAPSHOT_GAP_CORRUPT,
    SNAPSHOT_GAP_NODE_UNREACHABLE
};

/* "capture_stopped" …; unknown texts give NOT_RECORDING and false. */
const char *snapshot_gap_reason_text(enum snapshot_gap_reason reason);
bool snapshot_gap_reason_parse(struct slice text, enum snapshot_gap_reason *ret_reason);

struct snapshot_interval {
    int64_t from_ns, to_ns; /* [from, to) */
};

struct snapshot_gap {
    struct snapshot_interval at;
    enum snapshot_gap_reason reason;
};

struct snapshot_drops {
    uint64_t kernel, ring, disk;
};

struct snapshot_file {
    char *name;   /* "nodes/<node>/000001.pcapng[.zst]", below the snapshot's folder */
    char *source; /* the segment it came from ("0-000017.pcapng"), or the imported file's name */
    uint64_t sequence; /* the `seq` of packet references: unique within the node, from 1 */
    uint64_t size_bytes;
    char sha256[SNAPSHOT_SHA256_SIZE]; /* of the file as it is stored */
    uint64_t packets;
    int64_t first_ns, last_ns; /* packet stamps as stored (the node's clock); first > last: none */
    uint64_t plain_bytes;      /* size as pcapng */
    bool linked, trimmed, compressed;
    bool outside; /* packets of before the window, which help to read those in it; they count in no
                     figure but the size */
    bool lead_in; /* outside, and what the ring still had of the moments before the window, whole */
    char *damaged; /* its source was damaged already when it was taken: a sentence; else NULL */
};

struct snapshot_missing {
    char *node;
    struct snapshot_interval at;
    char *reason; /* a gap reason's text, or "recycled while extracting" and the like */
};

struct snapshot_interface {
    char *name;
    uint16_t link_type;
    uint32_t snaplen_bytes;
    char *filter; /* or NULL */
};

struct snapshot_node {
    char *name;
    bool has_window;                 /* false: the node did not answer */
    struct snapshot_interval window; /* what was taken, hub time */
    struct snapshot_interval *covered;
    size_t covered_count;
    struct snapshot_gap *gaps;
    size_t gap_count;
    struct snapshot_file *files; /* in sequence order */
    size_t file_count;
    struct snapshot_interface *interfaces; /* capture rules in force */
    size_t interface_count;
    uint64_t packets,
        captured_bytes; /* captured_bytes: packet bytes as pcapng, before compression */
    struct snapshot_drops drops;
    int64_t clock_offset_ns;   /* node time − hub time */
    char *clock_source;        /* "same host", "http round trip", "file" */
    int64_t first_ns, last_ns; /* of its packets, hub time; first > last: none */
    char *openings_problem;    /* why the openings of older connections could not be had; or NULL */
};

struct snapshot_request {
    char *name;
    int64_t from_ns, to_ns;
    char **nodes; /* empty = all that were known */
    size_t node_count;
    char *filter; /* BPF, or NULL */
    char *created_by;
    bool auto_dissect, allow_partial;
    uint64_t estimate_bytes; /* what is reserved of the quota until it is there */
};

struct snapshot_origin_file { /* of an import */
    char *name;
    uint64_t size_bytes;
    char sha256[SNAPSHOT_SHA256_SIZE];
    uint64_t damage; /* places that could not be read */
};

/* The evidence: manifest.json, written once. */
struct snapshot_manifest {
    unsigned refs;      /* atomic */
    struct arena arena; /* holds everything below */
    char id[SNAPSHOT_ID_SIZE];
    int64_t created_at_ns, completed_at_ns;
    char *tool_version;
    struct snapshot_request requested;
    struct snapshot_node *nodes;
    size_t node_count;
    struct snapshot_missing *missing;
    size_t missing_count;
    bool partial, empty, imported;
    struct snapshot_origin_file origin; /* when imported from a bare capture */
    uint64_t packets, captured_bytes, size_bytes;
    struct snapshot_drops drops;
    char *public_key; /* base64 of the signing key, or NULL before signing */
};

struct snapshot_history {
    int64_t at_ns;
    char *status;
    char *text;
};

enum snapshot_dissection_state {
    SNAPSHOT_DISSECTION_RUNNING,
    SNAPSHOT_DISSECTION_DONE,
    SNAPSHOT_DISSECTION_FAILED,
    SNAPSHOT_DISSECTION_CANCELLED
};

struct snapshot_protocol_count {
    char protocol[32];
    uint64_t entries;
};

/* A dissection is made once more while its result stays: how that goes, or how it ended. */
struct snapshot_redo {
    bool present;
    enum snapshot_dissection_state state; /* never DONE: then it is the result */
    char *reason;                         /* when failed or cancelled */
    double percent;
    uint64_t packets, bytes, entries;
    int64_t eta_ns; /* −1 = unknown */
    int64_t started_at_ns, finished_at_ns;
};

struct snapshot_dissection {
    char *name; /* [A-Za-z0-9._-]{1,64}: it is a folder's name */
    enum snapshot_dissection_state state;
    char *reason; /* when failed or cancelled */
    double percent;
    uint64_t packets, bytes, entries, damage;
    int64_t eta_ns; /* −1 = unknown */
    struct snapshot_protocol_count *protocols;
    size_t protocol_count;
    int64_t started_at_ns, finished_at_ns; /* finished 0 = still running */
    uint64_t size_bytes;                   /* of its folder, counted in the quota */
    unsigned attempts;
    uint64_t run;              /* where its parts are: 0 the folder itself, n "run-n" below it */
    struct snapshot_redo redo; /* only beside DONE */
};

struct snapshot_problem { /* a damaged place */
    char *file;
    int64_t offset; /* to 64 KiB, −1 = not known */
    char *text;
};

/* What the last look at every byte found. */
struct snapshot_verification {
    int64_t at_ns; /* 0 = never looked */
    bool ok;
    uint64_t files, bytes;
    struct snapshot_problem *problems; /* the first SNAPSHOT_MAX_PROBLEMS */
    size_t problem_count;
    uint64_t problems_total;
};

struct snapshot_progress {
    unsigned nodes_done, nodes_total;
    uint64_t bytes, bytes_total;
    int64_t eta_ns; /* −1 = unknown */
};

struct snapshot {
    unsigned refs;      /* atomic; the store's and its holders' */
    struct arena arena; /* holds everything below but the manifest */
    char id[SNAPSHOT_ID_SIZE];
    enum snapshot_status status;
    char *status_detail; /* "7/12 nodes · 20 s left", "disk full on the hub"; never NULL */
    struct snapshot_request request; /* request.name is the present name */
    int64_t created_at_ns;
    struct snapshot_manifest *manifest;         /* NULL until Completed; shared between versions */
    char manifest_sha256[SNAPSHOT_SHA256_SIZE]; /* "" until Completed */
    bool imported, locked;
    bool signed_here; /* the manifest, with this hub's key */
    struct snapshot_progress progress;
    struct snapshot_dissection *dissections; /* by name */
    size_t dissection_count;
    struct snapshot_history *history; /* oldest first, at most 200 */
    size_t history_count;
    struct snapshot_verification verified;
    char *note; /* never NULL */
    char **tags;
    size_t tag_count;
    unsigned attempts;
};

struct snapshot *snapshot_ref(struct snapshot *snapshot);
void snapshot_unref(struct snapshot *snapshot);

/* "Pending", "In Progress", "Completed", "Dissected", "Failed". */
const char *snapshot_status_text(const struct snapshot *snapshot);
bool snapshot_is_dissected(const struct snapshot *snapshot);
/* For the first time or once more. */
bool snapshot_dissection_runs(const struct snapshot_dissection *dissection);
/* Bytes on disk, dissections included. */
uint64_t snapshot_size_bytes(const struct snapshot *snapshot);
/* Covered share of the window over the nodes asked for, 0..1; 0 before Completed. */
double snapshot_coverage(const struct snapshot *snapshot);
/* Files that were taken from a damaged source. */
size_t snapshot_damaged_files(const struct snapshot *snapshot);
/* Exactly the `Snapshot` of types.ts. */
void snapshot_write_json(const struct snapshot *snapshot, struct json_writer *w);
/* Exactly the `Dissection` of types.ts. */
void snapshot_dissection_write_json(const struct snapshot_dissection *dissection,
                                    struct json_writer *w);

/* The node's folder name: the name itself when it is [A-Za-z0-9_-][A-Za-z0-9._-]*, else with %XX.
 */
void snapshot_node_folder(const char *node, char out[3 * SNAPSHOT_MAX_NODE_NAME_BYTES + 1]);

#endif
