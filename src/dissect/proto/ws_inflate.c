#include "dissect/proto/ws_inflate.h"

enum {
    BLOCK_BYTES = 4096,
    OUT_BYTES = 8192,
    RATIO_FREE_BYTES = 64 * 1024, /* below this no ratio is looked at */
    WINDOW_BYTES = 32 * 1024
};

struct sink {
    struct gather *out;
    struct arena *arena;
};

static void *take_memory(void *arena, unsigned items, unsigned size)
{
    return arena_calloc(arena, items, size);
}

static void leave_memory(void *arena, void *address)
{
    (void)arena;
    (void)address;
}

static void fail(struct ws_inflate *w, enum ws_inflate_result result)
{
    w->result = result;
    ws_inflate_forget(w);
}

static bool open_stream(struct ws_inflate *w, struct arena *memory)
{
    if (w->is_open)
        return true;
    w->z = (z_stream){.zalloc = take_memory, .zfree = leave_memory, .opaque = memory};
    if (!w->block)
        w->block = arena_alloc(memory, BLOCK_BYTES);
    w->is_open = w->block && inflateInit2(&w->z, -MAX_WBITS) == Z_OK;
    return w->is_open;
}

/* Behind a last block (RFC 7692 section 7.2.3.4) comes another stream with the same window. */
static bool go_on(struct ws_inflate *w, struct arena *memory)
{
    uInt len = 0;
    if (!w->window)
        w->window = arena_alloc(memory, WINDOW_BYTES);
    return w->window && inflateGetDictionary(&w->z, w->window, &len) == Z_OK &&
           inflateReset(&w->z) == Z_OK &&
           (len == 0 || inflateSetDictionary(&w->z, w->window, len) == Z_OK);
}

static bool is_beyond_caps(const struct ws_inflate *w)
{
    return w->out_bytes > DISSECT_DECODE_CAP ||
           (w->out_bytes > RATIO_FREE_BYTES && w->out_bytes / DISSECT_DECODE_RATIO > w->in_bytes);
}

/* zlib says so only in the call that came there: it MUST not be called again without input. */
static bool is_between_blocks(const struct ws_inflate *w)
{
    return (w->z.data_type & 0xff) == 128;
}

/* Everything that `in` gives. */
static void run(struct ws_inflate *w, struct arena *memory, struct slice in, struct sink *sink)
{
    uint8_t room[OUT_BYTES];
    w->in_bytes += in.len;
    w->z.next_in = (Bytef *)(uintptr_t)in.data;
    w->z.avail_in = (uInt)in.len;
    for (;;) {
        w->z.next_out = room;
        w->z.avail_out = sizeof room;
        int r = inflate(&w->z, Z_SYNC_FLUSH);
        size_t n = sizeof room - w->z.avail_out;
        w->out_bytes += n;
        gather_add(sink->out, sink->arena, slice_of(room, n), DISSECT_BODY_CAP);
        if (is_beyond_caps(w)) {
            fail(w, WS_CAPPED);
            return;
        }
        if (r == Z_STREAM_END) {
            if (!go_on(w, memory)) {
                fail(w, WS_CAPPED);
                return;
            }
            if (w->z.avail_in == 0)
                return;
            continue;
        }
        if (r != Z_OK && r != Z_BUF_ERROR) {
            fail(w, r == Z_MEM_ERROR ? WS_CAPPED : w->no_history ? WS_NO_HISTORY : WS_DAMAGED);
            return;
        }
        /* Nothing is left: room was left over, or it ends between two blocks. */
        if (w->z.avail_in == 0 && (w->z.avail_out != 0 || is_between_blocks(w)))
            return;
        if (r == Z_BUF_ERROR && n == 0)
            return;
    }
}

void ws_inflate_begin(struct ws_inflate *w)
{
    w->result = WS_INFLATED;
    w->in_bytes = w->out_bytes = 0;
    w->block_len = 0;
}

void ws_inflate_add(struct ws_inflate *w, struct arena *memory, struct slice bytes,
                    struct gather *out, struct arena *arena)
{
    struct sink sink = {.out = out, .arena = arena};
    if (w->result == WS_INFLATED && !open_stream(w, memory))
        fail(w, WS_CAPPED);
    while (bytes.len && w->result == WS_INFLATED) {
        size_t n = BLOCK_BYTES - w->block_len;
        if (n > bytes.len)
            n = bytes.len;
        memcpy(w->block + w->block_len, bytes.data, n);
        w->block_len += n;
        bytes = slice_sub(bytes, n, SIZE_MAX);
        if (w->block_len == BLOCK_BYTES) {
            w->block_len = 0;
            run(w, memory, slice_of(w->block, BLOCK_BYTES), &sink);
        }
    }
}

enum ws_inflate_result ws_inflate_finish(struct ws_inflate *w, struct arena *memory,
                                         struct gather *out, struct arena *arena)
{
    static const uint8_t tail[4] = {0, 0, 0xff, 0xff}; /* RFC 7692 section 7.2.2 */
    struct sink sink = {.out = out, .arena = arena};
    ws_inflate_add(w, memory, slice_of(tail, sizeof tail), out, arena);
    if (w->result == WS_INFLATED && w->block_len)
        run(w, memory, slice_of(w->block, w->block_len), &sink);
    w->block_len = 0;
    /* The empty stored block of the tail ends on a byte, between blocks. */
    if (w->result == WS_INFLATED && !is_between_blocks(w))
        fail(w, w->no_history ? WS_NO_HISTORY : WS_DAMAGED);
    return w->result;
}

void ws_inflate_forget(struct ws_inflate *w)
{
    w->no_history = true;
    w->block_len = 0;
    if (w->is_open)
        inflateReset(&w->z);
}
