/* The ring as the capturer sees it: packets in, segments out. Fixed memory from the start (12 MiB
 * of buffers, two flow tables a link type); capture waits for nothing but the disk, and what that
 * costs is counted by the kernel.
 *
 * One series of segments a link type, because not every tool reads files that mix them. Thread: the
 * capture thread; a disk thread lives inside. Times: now_ns is the node's clock, mono_ns
 * CLOCK_MONOTONIC, both given by the caller. */
#ifndef TRAWL_RING_RING_WRITER_H
#define TRAWL_RING_RING_WRITER_H

#include "packet/owner_note.h"
#include "packet/packet.h"
#include "ring/ring_reader.h"

struct ring_writer;

struct ring_writer_options {
    int dir_fd;                 /* the ring folder; borrowed for the writer's life */
    const char *ring_dir;       /* for sentences */
    uint64_t budget_bytes;      /* 0 = auto: 5 % of the file system, 1 … 64 GiB */
    uint64_t segment_bytes;     /* 0 = min(64 MiB, budget / 16) */
    uint64_t floor_bytes;       /* free space to leave; 0 = 5 %, at most 1 GiB */
    uint16_t primary_link_type; /* always has an open segment; 0 = Ethernet */
    uint32_t snaplen_bytes;
    const char *filter; /* or NULL */
};

struct ring_writer_interface {
    const char *name;
    uint16_t link_type;
    bool up;
    bool drops_known; /* its socket is its own */
};

enum {
    RING_WRITER_SLOTS = 1024, /* packets carry a slot as packet.interface */
    RING_WRITER_BATCH = 256
};

/* Takes the ring's lock (-EBUSY: the sentence says who holds it), recovers what is there.
 * Coverage begins at now_ns; the first segment is opened with the first packets or tick, so
 * describe the interfaces before. */
int ring_writer_open(const struct ring_writer_options *options, int64_t now_ns, int64_t mono_ns,
                     struct ring_writer **ret_writer, struct error *reterr);
/* Seals everything and frees. Everything captured before now_ns was put. */
void ring_writer_close(struct ring_writer *writer, int64_t now_ns);

/* Describes what stands in a slot from now on. */
void ring_writer_set_interface(struct ring_writer *writer, uint32_t slot,
                               const struct ring_writer_interface *interface);
/* At most RING_WRITER_BATCH packets; their bytes are copied. */
void ring_writer_put(struct ring_writer *writer, const struct packet *packets, size_t count);
/* Packets lost within [event.from, event.to); slot UINT32_MAX = not known of which interface. */
void ring_writer_declare(struct ring_writer *writer, const struct ring_drop_event *event,
                         uint32_t slot);
void ring_writer_count_excluded(struct ring_writer *writer, uint64_t packets);
/* A sentence for the status: why nothing is recorded, or what is not; "" when all is well. */
void ring_writer_set_detail(struct ring_writer *writer, const char *detail);

/* To be called at least every 100 ms, and before packets of a new poll are put. drained_until_ns:
 * everything captured before has been put. */
void ring_writer_tick(struct ring_writer *writer, int64_t now_ns, int64_t mono_ns,
                      int64_t drained_until_ns);
/* Seals what holds packets; returns when it is on disk. All before covered_to_ns was put. */
void ring_writer_rotate(struct ring_writer *writer, int64_t covered_to_ns);
/* Coverage ends at at_ns, and begins again: the time between is a gap (capture_stopped). */
void ring_writer_stop(struct ring_writer *writer, int64_t at_ns);
void ring_writer_resume(struct ring_writer *writer, int64_t at_ns);
/* The same for a time that is over: all from before was put, nothing from after it yet. */
void ring_writer_declare_gap(struct ring_writer *writer, int64_t from_ns, int64_t to_ns);
/* While there is nothing to capture from (no wanted interface) no time is covered: the stretch from
 * one call to the next is a gap (not_recording), also before the first packets. Independent of stop
 * and resume. */
void ring_writer_set_waiting(struct ring_writer *writer, bool waiting, int64_t at_ns);

/* ── owners of flows ── */

/* TCP and UDP flows of the open segments that have not been asked for: each once a segment, in the
 * order they came, ends as they are stored (which one is local is for others to say). At most
 * max. */
size_t ring_writer_take_new_flows(struct ring_writer *writer, struct owner_end *ret_ends,
                                  size_t max);
/* Writes an owner note (packet/owner_note.h) into the open segment that has its flows, and into
 * that one's index. False: it is no such note, or there is no room for it (at most a 16th of a
 * segment is notes). */
bool ring_writer_put_owner(struct ring_writer *writer, struct slice note);

struct ring_writer_totals {
    uint64_t packets, captured_bytes, excluded_packets;
    struct ring_drops drops;
};
struct ring_writer_totals ring_writer_totals(const struct ring_writer *writer);
/* Why the openings of connections are not kept: a sentence; "" = they are. */
const char *ring_writer_openings_problem(const struct ring_writer *writer);
/* A sentence on what was found at the start: torn tails, missing indexes; "" = nothing. */
const char *ring_writer_recovery(const struct ring_writer *writer);

/* The budget that `auto` means in this folder. */
uint64_t ring_budget_auto(int dir_fd);

#endif
