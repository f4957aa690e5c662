/* Header compression of HTTP/2 (RFC 7541), the decoder's side, for somebody who may not have seen
 * the beginning.
 *
 * Dynamic indices count from the newest entry. So what was inserted while we looked resolves
 * exactly, whatever stood there before; an older index is unknown, and never another entry's value:
 * where an entry cannot be kept, its place is. After a loss nothing older is known
 * (hpack_forget).
 *
 * One decoder belongs to one direction; its table lives in the connection's arena. Thread: that of
 * the connection. */
#ifndef TRAWL_DISSECT_PROTO_HPACK_H
#define TRAWL_DISSECT_PROTO_HPACK_H

#include "base/arena.h"

enum {
    HPACK_DEFAULT_SIZE = 4096,    /* section 4.2 with SETTINGS_HEADER_TABLE_SIZE's initial value */
    HPACK_KEEP_BYTES = 64 * 1024, /* of table size (section 4.1); what is older is unknown */
    HPACK_ENTRY_OVERHEAD = 32
};

/* Stands for a name or value that was sent before we looked, or was lost. */
#define HPACK_UNKNOWN SLICE_LITERAL("<unknown>")

struct hpack_field {
    struct slice name, value; /* in the arena of hpack_decode, or static */
    bool unknown;             /* one of them is HPACK_UNKNOWN */
};

struct hpack_fields {
    struct hpack_field *list;
    size_t count, cap;
    bool unknown;   /* one of them is */
    bool truncated; /* more came than DISSECT_MAX_HEADERS, or than the budget of bytes */
};

struct hpack_row;

/* Zero-initialise with hpack_init. */
struct hpack_decoder {
    struct arena *arena; /* borrowed, of the connection */
    uint8_t *bytes;      /* names and values, oldest first, from `begin` to `end` */
    size_t begin, end, bytes_cap;
    struct hpack_row *rows; /* ring buffer, oldest at `first` */
    uint32_t first, count, row_cap;
    size_t size;      /* section 4.1 */
    size_t max_size;  /* section 4.3 */
    bool older_lost;  /* there may be entries older than ours */
    bool out_of_rows; /* no memory: every dynamic index is unknown */
};

/* `late`: the direction's beginning was not seen. */
void hpack_init(struct hpack_decoder *decoder, struct arena *arena, bool late);
/* Something is missing in the direction: no earlier entry can be told from others any more. */
void hpack_forget(struct hpack_decoder *decoder);
/* Decodes one whole header block. 0, or -EBADMSG when the block breaks the format: then ret holds
 * the fields before the fault, and earlier entries are forgotten. */
int hpack_decode(struct hpack_decoder *decoder, struct slice block, struct arena *arena,
                 struct hpack_fields *ret);

/* Name (1 … 61) of the static table (appendix A); SLICE_NONE for other indices. */
struct slice hpack_static_name(uint64_t index);
/* Section 5.1: an integer behind its prefix of `bits`. False when it is not whole or beyond 2^31.
 * *at moves behind it. */
bool hpack_integer(struct slice in, size_t *at, unsigned bits, uint64_t *ret_value);

/* ── hpack_huffman.c ── */
/* Decodes (section 5.2); `out` holds at least hpack_huffman_max(in.len) bytes. The length, or
 * SIZE_MAX: EOS inside, or padding that is none. */
size_t hpack_huffman_decode(struct slice in, uint8_t *out);
/* The shortest code has 5 bits. */
static inline size_t hpack_huffman_max(size_t encoded)
{
    return encoded / 5 * 8 + 8;
}

#endif
