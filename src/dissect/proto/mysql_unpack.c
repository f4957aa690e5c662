/* The compressed MySQL protocol: packets of 7 bytes of header (compressed length, number, length
 * before compression; 0: as it is) around zlib (RFC 1950) or zstd data. What comes out is the
 * ordinary protocol, read by a layer of its own. */
#include <zlib.h>
#include <zstd.h>

#include "base/memory.h"
#include "dissect/proto/mysql_call.h"

enum {
    UNPACK_HEADER_BYTES = 7,
    STEP_BYTES = 64, /* each may have come in a packet of its own */
    CHUNK_BYTES = 8 * 1024,
    ZSTD_FIRST_BYTE =
        0x28 /* of its magic number; zlib data begin with 0x78 or less of the window */
};

struct unpack_side {
    z_stream z;
    ZSTD_DCtx *zstd;
    bool has_z;
    bool broken;
    bool is_lost;        /* where packets begin is not known any more */
    uint32_t left;       /* compressed bytes that have not come */
    uint32_t plain_left; /* bytes that will come out */
    bool is_plain;
    bool is_zstd;
    bool is_known; /* which of the two: its first byte was seen */
};

struct my_unpack {
    struct dissect_layer *layer;
    struct arena *arena;
    struct unpack_side side[2];
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

bool my_unpack_open(struct dissect_conn *conn, struct my_state *state)
{
    struct arena *arena = dissect_arena(conn);
    struct my_unpack *u = arena_zalloc(arena, sizeof *u);
    if (!u)
        return false;
    u->arena = arena;
    struct dissect_layer_spec spec = {.dissector = "mysql",
                                      .params = slice_of(&state->session, sizeof state->session),
                                      .late_join = !state->session.knows_capabilities};
    u->layer = dissect_layer_open(conn, &spec);
    state->unpack = u->layer ? u : NULL;
    return u->layer != NULL;
}

/* Ready for the next packet's data. */
static bool restart(struct my_unpack *u, struct unpack_side *side)
{
    if (side->is_zstd) {
        if (!side->zstd)
            side->zstd = ZSTD_createDCtx();
        if (!side->zstd)
            memory_failed();
        return side->zstd && !ZSTD_isError(ZSTD_DCtx_reset(side->zstd, ZSTD_reset_session_only));
    }
    if (side->has_z)
        return inflateReset(&side->z) == Z_OK;
    side->z = (z_stream){.zalloc = take_memory, .zfree = leave_memory, .opaque = u->arena};
    side->has_z = inflateInit(&side->z) == Z_OK;
    return side->has_z;
}

/* Bytes that came out, also before damage, which *ret_bad tells. *in moves on. */
static size_t unpack_some(struct unpack_side *side, struct slice *in, uint8_t out[CHUNK_BYTES],
                          bool *ret_bad)
{
    if (side->is_zstd) {
        ZSTD_inBuffer from = {in->data, in->len, 0};
        ZSTD_outBuffer to = {out, CHUNK_BYTES, 0};
        size_t result = ZSTD_decompressStream(side->zstd, &to, &from);
        *in = slice_sub(*in, from.pos, SIZE_MAX);
        *ret_bad = ZSTD_isError(result);
        return to.pos;
    }
    side->z.next_in = (Bytef *)(uintptr_t)in->data;
    side->z.avail_in = (uInt)in->len;
    side->z.next_out = out;
    side->z.avail_out = CHUNK_BYTES;
    int result = inflate(&side->z, Z_SYNC_FLUSH);
    *in = slice_of(side->z.next_in, side->z.avail_in);
    if (result == Z_STREAM_END)
        in->len = 0;
    *ret_bad = result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR;
    return CHUNK_BYTES - side->z.avail_out;
}

/* What was announced and cannot be had. */
static void lose(struct my_unpack *u, struct unpack_side *side, enum dissect_dir dir)
{
    if (side->plain_left)
        dissect_layer_gap(u->layer, dir, side->plain_left);
    side->plain_left = 0;
    side->broken = true;
}

static void read_step(struct dissect_conn *conn, struct my_unpack *u, struct dissect_stream *stream)
{
    enum dissect_dir dir = stream->dir;
    struct unpack_side *side = &u->side[dir];
    struct packet_ref refs[STEP_BYTES];
    struct dissect_span origin = {.refs = refs, .ref_cap = STEP_BYTES};
    uint8_t bytes[STEP_BYTES], out[CHUNK_BYTES];
    size_t n = stream->len < side->left ? stream->len : side->left;
    n = n < STEP_BYTES ? n : STEP_BYTES;
    memcpy(bytes, stream->data, n);
    dissect_take(conn, stream, NULL, &origin, n);
    side->left -= (uint32_t)n;
    struct slice in = slice_of(bytes, n);
    if (!side->is_known) {
        side->is_known = true;
        side->is_zstd = bytes[0] == ZSTD_FIRST_BYTE;
        if (!restart(u, side)) {
            lose(u, side, dir);
            return;
        }
    }
    while (!side->broken && side->plain_left) {
        bool bad = false;
        size_t made = unpack_some(side, &in, out, &bad);
        if (made > side->plain_left) {
            made = side->plain_left;
            bad = true;
        }
        side->plain_left -= (uint32_t)made;
        if (made)
            dissect_layer_data(u->layer, dir, &origin, slice_of(out, made));
        if (bad) {
            lose(u, side, dir);
            return;
        }
        if (made < CHUNK_BYTES && in.len == 0)
            break;
        if (made == 0 && in.len)
            break;
    }
    if (side->left == 0 && side->plain_left)
        lose(u, side, dir);
}

enum dissect_result my_unpack_data(struct dissect_conn *conn, struct my_unpack *u,
                                   struct dissect_stream *stream)
{
    struct unpack_side *side = &u->side[stream->dir];
    if (side->is_lost) {
        uint64_t n = stream->len;
        dissect_layer_take(u->layer, stream, stream->len, SLICE_NONE);
        dissect_layer_gap(u->layer, stream->dir, n);
        return DISSECT_OK;
    }
    if (side->left == 0) {
        if (stream->len < UNPACK_HEADER_BYTES)
            return DISSECT_MORE;
        struct cursor c = cursor_of(stream->data, stream->len);
        uint32_t packed = cursor_le16(&c) | (uint32_t)cursor_u8(&c) << 16;
        cursor_skip(&c, 1);
        uint32_t plain = cursor_le16(&c);
        plain |= (uint32_t)cursor_u8(&c) << 16;
        side->left = packed;
        side->is_plain = plain == 0;
        side->plain_left = plain;
        side->broken = side->is_known = false;
        dissect_take(conn, stream, NULL, NULL, UNPACK_HEADER_BYTES);
        return DISSECT_OK;
    }
    if (side->is_plain || side->broken) {
        size_t n = stream->len < side->left ? stream->len : side->left;
        side->left -= (uint32_t)n;
        dissect_layer_take(u->layer, stream, n,
                           side->broken ? SLICE_NONE : slice_of(stream->data, n));
        return DISSECT_OK;
    }
    while (stream->len && side->left && !side->broken)
        read_step(conn, u, stream);
    return DISSECT_OK;
}

void my_unpack_gap(struct my_unpack *u, enum dissect_dir dir, uint64_t bytes)
{
    struct unpack_side *side = &u->side[dir];
    if (!side->is_lost && side->left >= bytes &&
        side->left) { /* inside a packet: the next one can be read */
        side->left -= (uint32_t)bytes;
        if (side->is_plain)
            dissect_layer_gap(u->layer, dir, bytes);
        else
            lose(u, side, dir);
        return;
    }
    /* Compressed packets have no form to be found by: whatever comes is missing inside. */
    dissect_layer_gap(u->layer, dir, side->plain_left + bytes);
    side->plain_left = 0;
    side->is_lost = true;
}

void my_unpack_close(struct my_unpack *u)
{
    for (int i = 0; i < 2; i++)
        ZSTD_freeDCtx(u->side[i].zstd);
}
