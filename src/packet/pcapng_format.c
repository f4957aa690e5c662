/* pcapng files (draft-ietf-opsawg-pcapng): the chain of blocks, and finding it again after damage.
 * What stands in the blocks is pcapng_blocks.c. */
#include <errno.h>
#include <inttypes.h>

#include "packet/pcapng_blocks.h"

enum {
    RESYNC_BLOCK_BYTES_MAX = 4 << 20
};

bool pcapng_format_is(const uint8_t first[12])
{
    static const uint8_t type[4] = {0x0a, 0x0d, 0x0d, 0x0a};
    static const uint8_t big[4] = {0x1a, 0x2b, 0x3c, 0x4d};
    static const uint8_t little[4] = {0x4d, 0x3c, 0x2b, 0x1a};
    return memcmp(first, type, 4) == 0 &&
           (memcmp(first + 8, big, 4) == 0 || memcmp(first + 8, little, 4) == 0);
}

/* What is wrong with a block's type and length, or NULL. p: 12 bytes. */
static const char *header_fault(const struct capture_reader *r, const uint8_t *p,
                                struct pcapng_block *ret_block)
{
    struct pcapng_block block = {.big_endian = r->big_endian};
    block.type = reader_u32(r, p);
    if (block.type == PCAPNG_SECTION) {
        if (!pcapng_format_is(p))
            return "its byte-order magic is unknown";
        block.big_endian = p[8] == 0x1a;
    }
    uint32_t len;
    memcpy(&len, p + 4, 4);
    block.bytes = block.big_endian ? __builtin_bswap32(len) : len;
    *ret_block = block;
    if (block.bytes < PCAPNG_BLOCK_FRAME_BYTES || block.bytes % 4)
        return "its length is impossible";
    if (block.bytes > INPUT_WINDOW_NEED_MAX)
        return "it is larger than 16 MiB";
    return NULL;
}

static bool trailer_matches(const struct pcapng_block *block, const uint8_t *p)
{
    return memcmp(p + 4, p + block->bytes - 4, 4) == 0;
}

/* Whether a whole block of a known type stands `at` bytes on. */
static bool block_stands(struct capture_reader *r, size_t at, struct pcapng_block *ret_block)
{
    if (input_window_need(&r->window, at + 12) < at + 12)
        return false;
    const uint8_t *p = input_window_at(&r->window) + at;
    if (!pcapng_is_known_type(reader_u32(r, p)) || header_fault(r, p, ret_block) ||
        ret_block->bytes > RESYNC_BLOCK_BYTES_MAX ||
        input_window_need(&r->window, at + ret_block->bytes) < at + ret_block->bytes)
        return false;
    p = input_window_at(&r->window) + at;
    return trailer_matches(ret_block, p) && pcapng_block_is_sound(r, ret_block, p);
}

/* A block is believed when the file ends after it or another one follows, be that cut short. A
 * capture of a transfer of capture files holds such runs inside its packets: that is why the block
 * whose own frame is right is stepped over whole, without looking into it. */
static bool chain_begins(struct capture_reader *r, size_t at)
{
    struct pcapng_block block;
    if (!block_stands(r, at, &block))
        return false;
    at += block.bytes;
    size_t have = input_window_need(&r->window, at + 12);
    if (have < at + 12)
        return true;
    struct pcapng_block following;
    const uint8_t *p = input_window_at(&r->window) + at;
    bool same_order = block.type != PCAPNG_SECTION || block.big_endian == r->big_endian;
    if (!same_order)
        return true; /* the next type cannot be read before the section is entered */
    return pcapng_is_known_type(reader_u32(r, p)) && !header_fault(r, p, &following);
}

static int report(struct capture_reader *r, uint64_t from, const char *reason, struct error *reterr)
{
    if (r->window.io_error)
        return reader_input_ended(r, reterr);
    error_set_at(reterr, -EBADMSG, from,
                 "The block at byte %" PRIu64 " is damaged (%s): %" PRIu64
                 " bytes were stepped over.",
                 from, reason, r->window.offset - from);
    return CAPTURE_DAMAGE;
}

static int resynchronise(struct capture_reader *r, const char *reason, struct error *reterr)
{
    uint64_t from = r->window.offset;
    do {
        input_window_step(&r->window, 1);
        size_t have = input_window_need(&r->window, PCAPNG_BLOCK_FRAME_BYTES);
        if (have < PCAPNG_BLOCK_FRAME_BYTES) {
            input_window_step(&r->window, have);
            break;
        }
    } while (!pcapng_is_known_type(reader_u32(r, input_window_at(&r->window))) ||
             !chain_begins(r, 0));
    return report(r, from, reason, reterr);
}

static void salvage(struct capture_reader *r, const struct pcapng_block *block)
{
    size_t have = input_window_need(&r->window, 4096);
    pcapng_salvage_block(r, block, input_window_at(&r->window), have);
}

/* The frame of the block does not hold: when the block its length points at is one, only this one
 * is lost. */
static int step_over_broken(struct capture_reader *r, const struct pcapng_block *block,
                            const char *reason, struct error *reterr)
{
    uint64_t from = r->window.offset;
    struct pcapng_block following;
    if (block->bytes + 12U > INPUT_WINDOW_NEED_MAX || !block_stands(r, block->bytes, &following))
        return resynchronise(r, reason, reterr);
    input_window_step(&r->window, block->bytes);
    return report(r, from, reason, reterr);
}

static int cut_short(struct capture_reader *r, size_t have, struct error *reterr)
{
    int event = reader_input_ended(r, reterr);
    if (event != CAPTURE_AGAIN)
        return event;
    uint64_t at = r->window.offset;
    input_window_step(&r->window, have);
    error_set_at(reterr, -EBADMSG, at,
                 "The file ends in the middle of the block at byte %" PRIu64
                 ": its last %zu bytes were left out.",
                 at, have);
    return CAPTURE_DAMAGE;
}

/* Reads the interfaces that start_offset jumped over. */
static int read_gap(struct capture_reader *r)
{
    uint64_t left = r->gap_end - r->gap_start;
    struct input_window w;
    int code = input_window_open(&w, r->window.fd, r->gap_end, NULL);
    if (code < 0)
        return code;
    code = input_window_seek(&w, r->gap_start);
    r->gap_end = r->gap_start;
    while (code == 0 && left >= PCAPNG_BLOCK_FRAME_BYTES && input_window_need(&w, 12) >= 12) {
        struct pcapng_block block;
        if (header_fault(r, input_window_at(&w), &block) || block.bytes > left)
            break;
        if (block.type == PCAPNG_INTERFACE && input_window_need(&w, block.bytes) >= block.bytes)
            code = pcapng_read_interface(r, &block, input_window_at(&w));
        code = code == -ENOMEM ? code : 0;
        left -= block.bytes;
        if (!input_window_skip(&w, block.bytes))
            break;
    }
    input_window_close(&w);
    return code;
}

/* After the first section header and the interfaces behind it. */
static void jump(struct capture_reader *r)
{
    r->seek_pending = false;
    if (r->options.start_offset <= r->window.offset)
        return;
    r->gap_start = r->window.offset;
    r->gap_end = r->options.start_offset;
    input_window_seek(&r->window, r->options.start_offset);
}

static bool needs_gap(const struct capture_reader *r, const struct pcapng_block *block,
                      const uint8_t *p)
{
    return r->gap_end > r->gap_start &&
           (block->type == PCAPNG_INTERFACE || !pcapng_block_is_sound(r, block, p));
}

static int read_block(struct capture_reader *r, const struct pcapng_block *block,
                      struct packet *ret_packet, struct error *reterr)
{
    const uint8_t *p = input_window_at(&r->window);
    if (needs_gap(r, block, p)) {
        int code = read_gap(r);
        if (code < 0)
            return error_set(reterr, code, "The file's interfaces cannot be read: %s.",
                             strerror(-code));
        return CAPTURE_AGAIN; /* announces what was found, then comes back to this block */
    }
    uint64_t from = r->window.offset;
    const char *reason = NULL;
    int event = pcapng_read_block(r, block, p, ret_packet, &reason);
    if (event == -ENOMEM)
        return error_set(reterr, event, "There is not enough memory to read the file.");
    input_window_step(&r->window, block->bytes);
    return event == CAPTURE_DAMAGE ? report(r, from, reason, reterr) : event;
}

static int pcapng_next(struct capture_reader *r, struct packet *ret_packet, struct error *reterr)
{
    size_t have = input_window_need(&r->window, 12);
    if (have < 12) {
        int event = have ? cut_short(r, have, reterr) : reader_input_ended(r, reterr);
        return event == CAPTURE_AGAIN ? CAPTURE_END : event;
    }
    struct pcapng_block block = {0};
    const uint8_t *p = input_window_at(&r->window);
    const char *fault = header_fault(r, p, &block);
    if (fault) {
        salvage(r, &block);
        return resynchronise(r, fault, reterr);
    }
    if (r->seek_pending && block.type != PCAPNG_SECTION && block.type != PCAPNG_INTERFACE) {
        jump(r);
        return CAPTURE_AGAIN;
    }
    have = input_window_need(&r->window, block.bytes);
    p = input_window_at(&r->window);
    if (have < block.bytes) {
        if (r->window.io_error || r->window.error.code || pcapng_is_cut_packet(r, &block, p, have))
            return cut_short(r, have, reterr);
        salvage(r, &block);
        return resynchronise(r, "it reaches beyond the end of the file", reterr);
    }
    if (!trailer_matches(&block, p)) {
        salvage(r, &block);
        return step_over_broken(r, &block, "its two lengths differ", reterr);
    }
    return read_block(r, &block, ret_packet, reterr);
}

int pcapng_format_open(struct capture_reader *r, struct error *reterr)
{
    if (r->options.start_offset) {
        if (r->window.codec != INPUT_PLAIN || !r->window.seekable)
            return error_set(reterr, -EINVAL,
                             "Only a plain pcapng file can be read from an offset on.");
        r->seek_pending = true;
    }
    r->next = pcapng_next;
    return 0;
}
