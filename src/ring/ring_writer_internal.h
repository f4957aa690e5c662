/* The writer's inside, between ring_writer.c, ring_writer_open.c and ring_series.c. Thread: the
 * capture thread. */
#ifndef TRAWL_RING_RING_WRITER_INTERNAL_H
#define TRAWL_RING_RING_WRITER_INTERNAL_H

#include "ring/ring_disk.h"
#include "ring/ring_openings.h"
#include "ring/ring_writer.h"

struct ring_slot {
    char name[RING_INTERFACE_NAME_SIZE]; /* "" = free */
    uint16_t link_type;
    bool up, drops_known;
    uint64_t packets, captured_bytes, dropped;
};

struct ring_series {
    uint16_t link_type;           /* 0 = unused */
    struct ring_segment *segment; /* NULL: stopped, or the disk takes nothing */
    int64_t covered_to_ns;        /* everything before is in what was encoded */
    int64_t chain_covered_to_ns;  /* where coverage ended before the open segment; 0 = never was */
    enum ring_gap_reason reason;  /* of what lies between */
    int64_t failed_mono_ns;       /* when the disk refused, until the next try; 0 = it does not */
};

struct ring_writer {
    struct ring_writer_options options;
    char filter[256], application[64], os[160];
    int lock_fd, pins_fd;
    uint64_t next_sequence;
    struct ring_series series[RING_MAX_OPEN]; /* [0] is the primary */
    struct ring_slot slots[RING_WRITER_SLOTS];
    struct ring_writer_totals totals,
        seconds_seen;                 /* seconds_seen: already in the per-second rows */
    struct ring_event_record pending; /* drops that wait for a segment to be declared in */
    bool begun, paused, waiting;
    bool stopped;                     /* paused or waiting: no time is covered */
    enum ring_gap_reason stop_reason; /* of the gap that is growing */
    int64_t begin_ns;                 /* coverage begins here */
    int64_t now_ns, mono_ns;          /* of the last tick */
    int64_t flushed_mono_ns, published_mono_ns, cleaned_mono_ns;
    char detail[200], recovery[260];
    struct ring_flow_key keys[RING_WRITER_BATCH];
    struct ring_openings *openings; /* NULL: there is no room for them */
    int openings_fd;
    char openings_problem[120];
    uint8_t openings_mark;          /* ring_openings_mark */
    int64_t openings_retry_mono_ns; /* the disk did not take them before */
    int64_t openings_until_ns;      /* recorded without a break until then */
    struct ring_disk disk;
};

/* Finds or makes the series of a link type; NULL when there are RING_MAX_OPEN others. */
struct ring_series *ring_series_of(struct ring_writer *writer, uint16_t link_type);
/* Opens a segment that covers from_ns on. */
void ring_series_open(struct ring_writer *writer, struct ring_series *series, int64_t from_ns,
                      enum ring_gap_reason reason);
/* Sends what is encoded to the disk. */
void ring_series_flush(struct ring_writer *writer, struct ring_series *series,
                       int64_t captured_until_ns);
/* Ends the open segment; what follows begins where it ended. */
void ring_series_seal(struct ring_writer *writer, struct ring_series *series,
                      int64_t captured_until_ns);
/* Returns where its flow is counted in the open segment; NULL: it was lost, or it is no flow. */
struct ring_flow_record *ring_series_put(struct ring_writer *writer, struct ring_series *series,
                                         const struct packet *packet,
                                         const struct ring_flow_key *key);
/* False when there is no room for it. */
bool ring_series_put_note(struct ring_writer *writer, struct ring_series *series, int64_t ts_ns,
                          struct slice note);
/* Declares what is pending in the primary's open segment. */
void ring_series_declare_pending(struct ring_writer *writer);
void ring_writer_add_pending(struct ring_writer *writer, const struct ring_event_record *event);

/* Everything before until_ns is in what was encoded. */
void ring_writer_cover(struct ring_writer *writer, int64_t until_ns);

/* ring_writer_openings.c */

/* The file, made or found again; without room for it there are no openings. Before the disk thread
 * starts. */
void ring_writer_open_openings(struct ring_writer *writer);
/* Takes over what is in the file; recording ended at ended_ns before. After the disk thread has
 * started. */
void ring_writer_load_openings(struct ring_writer *writer, int64_t ended_ns, int64_t now_ns);
/* Hands what changed to the disk thread; all of it or a buffer's worth. */
void ring_writer_flush_openings(struct ring_writer *writer, bool all);

#endif
