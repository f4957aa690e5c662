/* What capture_reader.c shares with the two formats. Not for other folders. */
#ifndef TRAWL_PACKET_CAPTURE_READER_INTERNAL_H
#define TRAWL_PACKET_CAPTURE_READER_INTERNAL_H

#include "base/arena.h"
#include "packet/capture_reader.h"
#include "packet/input_window.h"

enum {
    CAPTURE_INTERFACES_MAX = 65536,
    CAPTURE_AGAIN = 100 /* beside enum capture_event: the block gave nothing, go on */
};

struct reader_interface {
    struct packet_interface shown;
    uint64_t ts_multiplier, ts_divisor; /* ticks · multiplier / divisor = ns … */
    uint8_t ts_shift;                   /* … >> shift for binary resolutions */
    int64_t ts_offset_ns;
};

struct capture_reader {
    struct input_window window;
    struct capture_reader_options options;
    int (*next)(struct capture_reader *r, struct packet *ret_packet, struct error *reterr);
    bool input_error_told; /* the window's error was reported */

    struct arena arena;                   /* interfaces and their texts */
    struct reader_interface **interfaces; /* of all sections */
    uint32_t interface_count, interface_cap;
    uint32_t announced; /* CAPTURE_INTERFACE was given for those below */
    int64_t last_ts_ns;

    bool big_endian; /* of the file (pcap) or the section (pcapng) */

    /* pcapng */
    uint32_t section_first;      /* index of the section's interface 0 */
    bool section_unreadable;     /* of a later major version */
    bool seek_pending;           /* start_offset not yet jumped to */
    uint64_t gap_start, gap_end; /* jumped over and not looked at: may hold interfaces */
    struct capture_statistics statistics;
    struct slice secrets, note;

    /* pcap */
    bool nanoseconds;
    bool lengths_swapped;        /* files before version 2.3 */
    bool lengths_maybe_swapped;  /* version 2.3 itself */
    uint8_t record_header_bytes; /* 16; 24 in the "modified" format */
    uint32_t record_bytes_max;
};

static inline uint16_t reader_u16(const struct capture_reader *r, const uint8_t *p)
{
    uint16_t v;
    memcpy(&v, p, 2);
    if (r->big_endian)
        v = __builtin_bswap16(v);
    return v;
}

static inline uint32_t reader_u32(const struct capture_reader *r, const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, 4);
    return r->big_endian ? __builtin_bswap32(v) : v;
}

static inline uint64_t reader_u64(const struct capture_reader *r, const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    return r->big_endian ? __builtin_bswap64(v) : v;
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the readers above assume it");

/* The input gave fewer bytes than asked for: the I/O error, or what damaged the compressed data
 * (once), or CAPTURE_AGAIN when it simply ended. */
int reader_input_ended(struct capture_reader *r, struct error *reterr);
/* A zeroed interface with microseconds at the next index. 0, -E2BIG beyond CAPTURE_INTERFACES_MAX
 * or -ENOMEM. */
int reader_add_interface(struct capture_reader *r, struct reader_interface **ret_interface);

/* Reads the file header. -EBADMSG with a sentence when the version is not for us. */
int pcap_format_open(struct capture_reader *r, struct error *reterr);
/* The magic is one of pcap's (read or refused with a sentence). */
bool pcap_format_is(const uint8_t magic[4]);
int pcapng_format_open(struct capture_reader *r, struct error *reterr);
bool pcapng_format_is(const uint8_t first[12]);

#endif
