/* A segment while it is open, and the big buffers it is encoded into. The capture thread encodes;
 * full buffers travel to the disk thread, which alone touches the file. A buffer begins at a sector
 * boundary of the file: its first `carry_bytes` are the tail of what was written before, written
 * again. Internal to src/ring. Thread: capture thread, but for the fields of the disk thread. */
#ifndef TRAWL_RING_RING_SEGMENT_H
#define TRAWL_RING_RING_SEGMENT_H

#include <openssl/evp.h>
#include <stdatomic.h>

#include "ring/ring_blocks.h"
#include "ring/ring_flows.h"
#include "ring/ring_owners.h"

struct ring_buffer {
    uint8_t *data; /* RING_BUFFER_BYTES, aligned for direct I/O */
    uint64_t file_offset;
    size_t carry_bytes;
    size_t fill_bytes;
    uint64_t packets; /* in it, for counting what a failing disk loses */
    int64_t first_ns, last_ns;
};

/* Interfaces described in this segment. */
struct ring_segment_idb {
    uint32_t slot;
    uint64_t packets, dropped;
    bool drops_known;
};

/* What may be told about a segment, at one moment. */
struct ring_segment_figures {
    uint64_t length_bytes;
    uint64_t packets, captured_bytes;
    int64_t first_ns, last_ns;
    int64_t covered_to_ns;
    struct ring_drops drops;
};

struct ring_segment {
    char name[RING_NAME_SIZE];
    uint64_t sequence;
    uint32_t series;
    uint16_t link_type;
    uint64_t max_bytes;
    int64_t covered_from_ns, previous_covered_to_ns;
    enum ring_gap_reason gap_reason;
    int64_t opened_mono_ns;

    struct ring_segment_figures now;
    struct ring_buffer *buffer; /* being filled */
    struct ring_segment_idb *idbs;
    uint32_t idb_count;
    uint16_t slot_idb[RING_MAX_SLOTS]; /* IDB number + 1; 0 = not described yet */
    struct ring_flows flows;
    struct ring_owners owners;
    uint32_t owners_asked; /* flows below were asked for their owners */
    uint64_t owner_bytes;  /* of notes in the segment */
    bool unsorted;         /* a packet is older than one before it */
    struct ring_chunk_record *chunks;
    uint32_t chunk_count, chunk_cap;
    struct ring_event_record *events;
    uint32_t event_count;
    bool dirty; /* something was encoded since the last flush */

    /* disk thread */
    int fd;
    bool opened, failed;
    uint64_t disk_bytes;    /* counted against the budget */
    uint64_t written_bytes; /* good on disk */
    int64_t written_covered_to_ns;
    EVP_MD_CTX *sha;
    uint8_t sha256[RING_SHA256_SIZE];
    struct ring_drops written_drops; /* declared in them */
    uint64_t synced_bytes;
    int64_t synced_mono_ns;
    _Atomic bool failed_flag; /* tells the capture thread to begin another segment */
};

struct ring_segment *ring_segment_new(uint64_t max_bytes);
void ring_segment_free(struct ring_segment *segment);
/* Empties it for its next life. */
void ring_segment_reset(struct ring_segment *segment);

/* Bytes that must stay free for what seals it. */
static inline uint64_t ring_segment_reserve(const struct ring_segment *segment)
{
    return (uint64_t)segment->idb_count * 96 + 2 * RING_SECTOR_BYTES;
}

/* Room for n more bytes, with what seals it. */
static inline bool ring_segment_has_room(const struct ring_segment *segment, size_t n)
{
    return segment->now.length_bytes + n + ring_segment_reserve(segment) <= segment->max_bytes;
}

static inline bool ring_buffer_has_room(const struct ring_buffer *buffer, size_t n)
{
    return buffer->fill_bytes + n + 2 * RING_SECTOR_BYTES <= RING_BUFFER_BYTES;
}

/* All below: the buffer has room and so has the segment (the caller looked). */

/* Bytes already encoded elsewhere. */
void ring_segment_put_raw(struct ring_segment *segment, struct slice bytes);
/* False: the flow table is full, nothing was put. ret_record: as of ring_flows_add. */
bool ring_segment_put_packet(struct ring_segment *segment, const struct packet *packet,
                             const struct ring_flow_key *key, struct ring_flow_record **ret_record);
void ring_segment_put_begin(struct ring_segment *segment, int64_t now_ns);
void ring_segment_put_drops(struct ring_segment *segment, const struct ring_event_record *event);
/* One statistics block an interface and the last progress note. */
void ring_segment_put_end(struct ring_segment *segment, int64_t now_ns);

/* Fills the buffer up to a sector with a progress note (disk thread, after handing over): returns
 * the bytes to write from buffer->data. */
size_t ring_buffer_pad(struct ring_buffer *buffer, const struct ring_segment_figures *figures);

#endif
