/* What the ring's files look like inside (docs/formats/ring.md has the byte tables): shared by the
 * side that writes and the side that reads. Internal to src/ring. Little endian. Thread: any. */
#ifndef TRAWL_RING_RING_FORMAT_H
#define TRAWL_RING_RING_FORMAT_H

#include "ring/ring_reader.h"

enum {
    RING_SECTOR_BYTES = 4096,
    RING_BUFFER_BYTES = 1 << 20,
    RING_CHUNK_BYTES = 256 * 1024, /* how fine the time index is */
    RING_MAX_FLOWS = 65535,        /* of one segment; it is sealed early when it has that many */
    RING_MAX_OPEN = 4,             /* series: one a link type */
    RING_MAX_SLOTS = 1024,         /* interfaces known at a time */
    RING_MAX_EVENTS = 1024,        /* drop events of one segment */
    RING_MIN_SEGMENT_BYTES = 512 * 1024,
    RING_MIN_SEGMENTS = 8, /* a budget holds at least this many */
    RING_MAX_SNAPLEN = 262144
};

#define RING_STATE_FILE    "state"
#define RING_REQUESTS_FILE "requests"
#define RING_LOCK_FILE     "lock"
#define RING_EXCLUDE_FILE  "exclude"
#define RING_PROBLEM_FILE  "problem" /* a sentence: why the last capturer could not record */
#define RING_PINS_DIR      "pins"
#define RING_IDX_SUFFIX    ".idx"

void ring_name_format(uint32_t series, uint64_t sequence, char ret_name[RING_NAME_SIZE]);

/* ── pcapng ── */
enum {
    RING_BLOCK_SHB = 0x0A0D0D0A,
    RING_BLOCK_IDB = 1,
    RING_BLOCK_ISB = 5,
    RING_BLOCK_EPB = 6,
    RING_EPB_OVERHEAD = 44, /* with epb_flags */
    RING_OPT_CUSTOM_BINARY = 2989,
    RING_PEN = 32473 /* RFC 5612: for documentation; the payload begins with our own magic */
};

/* The payload of our custom option in Interface Statistics Blocks, after the PEN. */
#define RING_NOTE_MAGIC UINT32_C(0x474e5254) /* "TRNG" */
enum ring_note_kind {
    RING_NOTE_BEGIN = 1,    /* first block after the interfaces of a segment */
    RING_NOTE_PROGRESS = 2, /* last block of a flush, overwritten by the next; and of a segment */
    RING_NOTE_DROPS = 3,    /* a drop event */
    RING_NOTE_OWNER = 4     /* packet/owner_note.h */
};

/* 64 bytes on disk; what does not apply is 0. */
struct ring_note {
    uint32_t magic;
    uint16_t kind;
    uint16_t gap_reason;         /* BEGIN */
    int64_t from_ns;             /* BEGIN: covered from; DROPS: from */
    int64_t to_ns;               /* BEGIN: previous_covered_to; PROGRESS: covered to; DROPS: to */
    uint64_t kernel, ring, disk; /* PROGRESS: sums of the segment; DROPS: of the event */
    uint64_t packets;            /* PROGRESS */
    uint64_t reserved;
};
_Static_assert(sizeof(struct ring_note) == 64, "layout on disk");

/* ── state: see ring_state.h ── */

/* ── index file ── */
#define RING_INDEX_MAGIC "TRWLIDX1"
enum {
    RING_INDEX_VERSION = 2,
    RING_INDEX_HEADER_BYTES_1 = 168, /* of version 1 */
    RING_INDEX_SORTED = 1            /* flag: no packet is older than the one before it */
};

/* Header of an index; then drop events, chunks, flows (arrays of the records below), owners (notes
 * without ends, packet/owner_note.h), then a SipHash-2-4 with the fixed key over everything before.
 * Version 1 ends behind owner_count, which is 0. */
struct ring_index_header {
    uint8_t magic[8];
    uint32_t version;
    uint32_t header_bytes;
    uint64_t sequence;
    uint32_t series;
    uint16_t link_type;
    uint8_t gap_reason;
    uint8_t end_reason; /* why coverage ended when not by rotation; RING_GAP_ + 1, 0 = rotation */
    uint64_t size_bytes, packets, captured_bytes;
    int64_t first_ns, last_ns, covered_from_ns, covered_to_ns, previous_covered_to_ns;
    uint64_t drops_kernel, drops_ring, drops_disk;
    uint8_t sha256[RING_SHA256_SIZE];
    uint32_t event_count, chunk_count, flow_count, owner_count;
    uint32_t owner_bytes, flags; /* since version 2 */
};
_Static_assert(sizeof(struct ring_index_header) == 176, "layout on disk");

struct ring_event_record {
    int64_t from_ns, to_ns;
    uint64_t kernel, ring, disk;
};

struct ring_chunk_record {
    uint64_t offset;
    int64_t min_ns, max_ns;
    uint32_t packets, reserved;
};

struct ring_flow_record {
    uint8_t ip_a[16], ip_b[16];
    uint16_t port_a, port_b;
    uint8_t ip_version, ip_protocol;
    uint16_t owner_a, owner_b; /* number of the process from 1; 0 = not known */
    uint8_t openings_mark[2];  /* a byte a side, ring_openings.h; 0 on disk */
    uint32_t packets;
    int64_t first_ns, last_ns;
    uint64_t bytes, first_offset;
};
_Static_assert(sizeof(struct ring_event_record) == 40, "layout on disk");
_Static_assert(sizeof(struct ring_chunk_record) == 32, "layout on disk");
_Static_assert(sizeof(struct ring_flow_record) == 80, "layout on disk");

/* By (ip_version, ip_protocol, ip_a, ip_b, port_a, port_b). */
int ring_flow_record_cmp(const void *a, const void *b);

#endif
