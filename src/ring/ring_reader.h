/* A ring folder as others see it: which segments there are, what time they cover, what is missing.
 * Works while a capturer records, after it died, and on a copy. Never changes anything on disk.
 *
 * In: a ring folder (DATA/ring). Out: lists in hub-independent times (ns, the node's clock).
 * Ownership: lists belong to the caller (ring_list_done). Thread: any; a ring_reader may be shared.
 * A window is half-open [from, to). */
#ifndef TRAWL_RING_RING_READER_H
#define TRAWL_RING_RING_READER_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/slice.h"
#include "packet/owner_note.h"

enum {
    RING_NAME_SIZE = 32, /* "00001-0000000042.pcapng" and its NUL fit */
    RING_SHA256_SIZE = 32
};

/* Why a stretch of time is not covered. */
enum ring_gap_reason {
    RING_GAP_NOT_RECORDING,   /* no capturer ran */
    RING_GAP_CAPTURE_STOPPED, /* capture was paused */
    RING_GAP_RECYCLED,        /* it was recorded, and its place was needed since */
    RING_GAP_CLOCK_STEP,      /* the node's clock jumped over it */
    RING_GAP_DISK,            /* the disk took nothing */
    RING_GAP_CORRUPT          /* recorded, but unreadable */
};
/* "not_recording", "capture_stopped", "recycled", "clock_step", "disk", "corrupt". */
const char *ring_gap_reason_name(enum ring_gap_reason reason);

struct ring_interval {
    int64_t from_ns, to_ns;
};

struct ring_gap {
    int64_t from_ns, to_ns;
    enum ring_gap_reason reason;
};

/* Packets that passed the capture filter and are in no segment. */
struct ring_drops {
    uint64_t kernel; /* the kernel's ring was full */
    uint64_t ring;   /* we could not keep them (longer than a segment, no memory) */
    uint64_t disk;   /* the disk was full or failed */
};

/* Drops known to have happened within [from, to). */
struct ring_drop_event {
    int64_t from_ns, to_ns;
    struct ring_drops drops;
};

struct ring_segment_info {
    char name[RING_NAME_SIZE];
    uint64_t sequence; /* unique in the ring; higher = opened later */
    uint32_t series;
    uint16_t link_type; /* of every interface in it */
    bool sealed;
    bool has_sha256;       /* sealed segments */
    uint64_t size_bytes;   /* readable bytes: the whole sealed file, or the published length */
    uint64_t sealed_bytes; /* by its index; more than size_bytes: it was cut short or damaged since;
                              0 = not known */
    uint64_t packets;
    uint64_t captured_bytes;   /* of packets, without headers of the file */
    int64_t first_ns, last_ns; /* earliest and latest packet; both 0 when there is none */
    /* Everything captured in this time on this series is in this segment (packets may lie slightly
     * outside). */
    int64_t covered_from_ns, covered_to_ns;
    int64_t sealed_to_ns; /* covered when it was sealed: later than covered_to when it was cut */
    struct ring_drops drops;
    uint8_t sha256[RING_SHA256_SIZE];
};

struct ring_list {
    struct ring_segment_info *segments; /* by sequence */
    size_t segment_count;
    struct ring_interval *covered; /* sorted, disjoint, within the window */
    size_t covered_count;
    struct ring_gap *gaps; /* sorted, disjoint; with `covered` they fill the window */
    size_t gap_count;
    struct ring_drop_event *drop_events; /* sorted; those that touch the window */
    size_t drop_event_count;
    struct ring_drops drops; /* sum of drop_events */
};

struct ring_reader;

/* dir_fd: AT_FDCWD or an open folder. -ENOENT when it is no ring folder, -EPROTO when a newer
 * version wrote it (sentence). */
int ring_reader_open(int dir_fd, const char *ring_dir, struct ring_reader **ret_reader,
                     struct error *reterr);
void ring_reader_free(struct ring_reader *reader);
/* The ring folder. Borrowed. */
int ring_reader_dir_fd(const struct ring_reader *reader);

/* Segments whose packets or covered time touch the window. INT64_MIN / INT64_MAX leave a side open:
 * then the window begins at the oldest covered time / ends at the newest. Segments recycled while
 * listing are simply absent and their time is a gap. */
int ring_reader_list(struct ring_reader *reader, int64_t from_ns, int64_t to_ns,
                     struct ring_list *ret_list, struct error *reterr);
void ring_list_done(struct ring_list *list);

/* A descriptor for reading and how many bytes may be read (the published length; grows while the
 * segment is open, so ask again). -EINVAL when `name` is no segment name (never treated as a path),
 * -ENOENT when it is not there (any more). */
int ring_reader_open_segment(struct ring_reader *reader, const char *name, int *ret_fd,
                             uint64_t *ret_length_bytes, struct error *reterr);

/* Strict: digits '-' digits ".pcapng" as this house writes them, nothing else. */
bool ring_name_parse(const char *name, uint32_t *ret_series, uint64_t *ret_sequence);
/* "….pcapng" → "….idx". */
void ring_name_index(const char *name, char ret_index_name[RING_NAME_SIZE]);

/* ── what the capturer says of itself ── */
enum {
    RING_MAX_INTERFACES = 64,
    RING_INTERFACE_NAME_SIZE = 16
};

struct ring_interface_status {
    char name[RING_INTERFACE_NAME_SIZE];
    uint16_t link_type;
    bool up;
    bool drops_known; /* false on `any`: the kernel counts per socket */
    uint64_t packets, captured_bytes, dropped;
};

struct ring_status {
    bool alive;       /* a capturer holds the ring and its heartbeat is younger than 5 s */
    bool paused;      /* by request */
    bool disk_full;   /* records nothing because the disk takes nothing */
    bool waiting;     /* records nothing because no wanted interface is there */
    char detail[400]; /* a sentence when it is not recording, or not all that it should; else "" */
    int32_t capturer_pid;
    int64_t started_ns, heartbeat_ns;
    int64_t captured_until_ns; /* everything captured before this is visible */
    uint64_t packets, captured_bytes, excluded_packets; /* since the capturer started */
    struct ring_drops drops;                            /* since the capturer started */
    struct ring_drops drops_5min;
    double packets_per_s, bytes_per_s; /* over the last 5 s */
    uint64_t budget_bytes, segment_bytes;
    uint64_t used_bytes; /* on disk now, open segments with what is reserved for them */
    uint32_t segment_count;
    int64_t oldest_ns, newest_ns;  /* covered time; both 0 when the ring is empty */
    int64_t retention_ns;          /* how far back it reaches now */
    int64_t expected_retention_ns; /* when full, at the recent rate; 0 = unknown */
    bool recycling;                /* the budget has been reached at least once */
    uint64_t
        hour_budget_bytes; /* a budget that would hold an hour at the recent rate; 0 = unknown */
    struct ring_interface_status interfaces[RING_MAX_INTERFACES];
    uint32_t interface_count; /* those shown; at most RING_MAX_INTERFACES */
    char capture_filter[256]; /* as given, cut; "" = none */
    uint32_t snaplen_bytes;
};

/* "recording", "not_recording" or "waiting_for_interface": the words of every API. */
const char *ring_status_state(const struct ring_status *status);

/* -ENOENT when no capturer ever ran here. */
int ring_reader_status(struct ring_reader *reader, struct ring_status *ret_status,
                       struct error *reterr);

/* ── integrity ── */
struct ring_problem {
    char name[RING_NAME_SIZE];
    uint64_t offset; /* ERROR_NO_OFFSET when it concerns the whole file */
    char text[200];
};

/* Reads every sealed segment, compares SHA-256 and block structure, and the open ones up to their
 * published length. on_segment is called after each (problem NULL = fine); returning non-zero
 * stops. Returns the number of problems, or a negative errno. */
int ring_reader_verify(struct ring_reader *reader,
                       int (*on_segment)(void *ctx, const struct ring_segment_info *segment,
                                         const struct ring_problem *problem),
                       void *ctx, struct error *reterr);

/* ── flow index of a sealed segment ── */
struct ring_flow {
    uint8_t ip_version; /* 4 or 6 */
    uint8_t ip_protocol;
    uint16_t port_a, port_b;    /* 0 for fragments and protocols without ports */
    uint8_t ip_a[16], ip_b[16]; /* a < b; IPv4 in the first four bytes, the rest zero */
    int64_t first_ns, last_ns;
    uint64_t packets, bytes;
    uint64_t first_offset; /* of the block of its first packet in the segment */
    /* Who owned each end while it was recorded; NULL: it is not local or was not seen. */
    const struct owner_process *owner_a, *owner_b;
};

/* Stretches of the segment with their times, for reading a time slice without the rest. */
struct ring_chunk {
    uint64_t offset; /* a block begins here */
    int64_t min_ns, max_ns;
    uint32_t packets;
};

struct ring_index {
    struct ring_segment_info segment;
    struct ring_flow *flows; /* sorted by (ip_version, ip_protocol, ip_a, ip_b, port_a, port_b) */
    size_t flow_count;
    struct ring_chunk *chunks; /* in file order; the last ends at the file's end */
    size_t chunk_count;
    struct ring_drop_event *drop_events;
    size_t drop_event_count;
    struct owner_process *owners; /* those flows point to */
    size_t owner_count;
    bool sorted; /* no packet is older than the one before it */
    /* coverage before this segment ended here (0 = nothing known); see gap_reason */
    int64_t previous_covered_to_ns;
    enum ring_gap_reason gap_reason; /* of [previous_covered_to, covered_from) */
};

/* Reads `<name>.idx`; when it is missing or torn the same is made by scanning the segment. */
int ring_reader_index(struct ring_reader *reader, const char *name, struct ring_index *ret_index,
                      struct error *reterr);
/* The same for any segment file and index found elsewhere (a snapshot). index_name NULL = scan. */
int ring_index_load(int dir_fd, const char *segment_name, const char *index_name,
                    struct ring_index *ret_index, struct error *reterr);
void ring_index_done(struct ring_index *index);
/* Makes the index of a whole segment by reading it, into another descriptor. -EBADMSG when it is
 * damaged: then nothing is written. Parses captured bytes: only in a job. */
int ring_index_make(int segment_fd, int index_fd);
/* Binary search; NULL when the segment has no packet of that flow. Either order of the ends. */
const struct ring_flow *ring_index_find(const struct ring_index *index,
                                        const struct ring_flow *key);

/* ── openings ── */

/* Connections that began before the window and had packets in it. */
struct ring_openings_window {
    int64_t from_ns, to_ns;
    uint16_t link_type;
};
/* Non-zero ends the reading and is returned. */
typedef int (*ring_openings_sink)(void *ctx, const uint8_t *data, size_t n);
/* Their openings as the store has them (packets of before the window, in the order of time) as one
 * pcapng, piece by piece; nothing at all when there are none. Memory: twice the store, while it
 * runs. -EPROTO when a newer version wrote the store. */
int ring_reader_openings(struct ring_reader *reader, const struct ring_openings_window *window,
                         ring_openings_sink sink, void *ctx, struct error *reterr);

#endif
