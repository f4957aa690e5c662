/* CQL, the native protocol of Cassandra, versions 3 to 5: requests and responses paired by stream
 * id, prepared statements by their id, events; the segments of version 5 are unwrapped into a
 * layer. Bodies compressed with something else than LZ4 or Snappy are not read: the entry then has
 * the opcode and says `compressed`. */
#include <lz4.h>

#include "dissect/dissector.h"
#include "dissect/proto/cql_entry.h"
#include "dissect/proto/cql_segment.h"
#include "dissect/proto/snappy.h"
#include "dissect/proto/sql_template.h"

enum {
    KEEP_BYTES = 256 * 1024,
    UNPACKED_MAX = 1024 * 1024
};

enum cql_compression {
    COMPRESSION_UNKNOWN, /* STARTUP was not recorded */
    COMPRESSION_NONE,
    COMPRESSION_LZ4,
    COMPRESSION_SNAPPY
};

struct cql_side {
    struct cql_call *call;
    struct cql_header header;
    uint32_t left;
    bool in_frame, content_done, lost, lost_some;
};

struct cql_state {
    struct cql_side side[2];
    struct waiting waiting;
    struct sql_statements statements;
    struct dissect_layer *layer; /* reads what is inside segments */
    uint8_t *plain;              /* of a compressed segment */
    enum cql_compression compression;
    bool in_lz4; /* segments are compressed */
    bool wants_layer, is_judged, any_entry;
};

/* ── calls ── */

/* NULL: nothing waits on this stream. */
static struct cql_call *take_waiting(struct cql_state *state, uint16_t stream)
{
    return (struct cql_call *)waiting_take(&state->waiting, stream);
}

/* When there is no room for one more, calls whose answers did not come make it: their server was
 * not recorded. */
static struct dissect_entry *begin_entry(struct dissect_conn *conn, struct cql_state *state)
{
    struct dissect_entry *entry = dissect_entry_begin(conn);
    struct cql_call *given_up = entry ? NULL : (struct cql_call *)waiting_take_any(&state->waiting);
    if (!given_up)
        return entry;
    cql_emit(conn, given_up, "incomplete", "capture_gap");
    return dissect_entry_begin(conn);
}

static struct cql_call *begin_call(struct dissect_conn *conn, struct cql_state *state,
                                   const struct cql_header *header)
{
    struct dissect_entry *entry = begin_entry(conn, state);
    struct cql_call *call = entry ? arena_zalloc(dissect_entry_arena(entry), sizeof *call) : NULL;
    if (entry && !call)
        dissect_entry_drop(conn, entry);
    if (!call)
        return NULL;
    call->entry = entry;
    call->header = *header;
    call->is_compressed = header->flags & CQL_COMPRESSED;
    state->any_entry = true;
    return call;
}

/* ── segments of version 5 ── */

/* Where the next segment may begin: at 0 as long as nothing was lost, then the next header whose
 * sum is right. False: more bytes are needed. */
static bool find_segment(const struct cql_state *state, struct slice s, size_t *ret_at,
                         struct cql_segment *ret)
{
    for (*ret_at = 0; *ret_at < s.len; ++*ret_at) {
        int found = cql_segment_parse(slice_sub(s, *ret_at, s.len), state->in_lz4, ret);
        if (found)
            return found > 0;
    }
    return false;
}

/* Bytes that are in no segment. */
static void skip_bytes(struct dissect_conn *conn, struct cql_state *state,
                       struct dissect_stream *stream, size_t n)
{
    dissect_take(conn, stream, NULL, NULL, n);
    dissect_layer_gap(state->layer, stream->dir, n);
}

static enum dissect_result read_segment(struct dissect_conn *conn, struct cql_state *state,
                                        struct dissect_stream *stream)
{
    struct cql_segment segment;
    struct slice payload;
    size_t at;
    bool found = find_segment(state, slice_of(stream->data, stream->len), &at, &segment);
    if (at) {
        skip_bytes(conn, state, stream, at);
        return DISSECT_OK;
    }
    if (!found || stream->len < segment.bytes)
        return DISSECT_MORE;
    if (!cql_segment_check(&segment, stream->data)) {
        skip_bytes(conn, state, stream, segment.bytes);
        return DISSECT_OK;
    }
    if (state->in_lz4 && !state->plain)
        state->plain = arena_alloc(dissect_arena(conn), CQL_SEGMENT_PAYLOAD_MAX);
    if (cql_segment_payload(&segment, stream->data, state->plain, &payload))
        dissect_layer_take(state->layer, stream, segment.bytes, payload);
    else
        skip_bytes(conn, state, stream, segment.bytes);
    return DISSECT_OK;
}

static void open_segments(struct dissect_conn *conn, struct cql_state *state, bool late)
{
    struct dissect_layer_spec spec = {.dissector = "cql", .late_join = late};
    state->wants_layer = false;
    state->in_lz4 = state->compression == COMPRESSION_LZ4;
    state->layer = dissect_layer_open(conn, &spec);
}

/* A segment with an envelope of this direction in it; of a compressed one all has to be there. 1;
 * 0: no; −1: more bytes are needed to tell. */
static int begins_segment(struct slice s, bool is_response, bool compressed)
{
    struct cql_segment segment;
    struct cql_header header;
    int found = cql_segment_parse(s, compressed, &segment);
    if (found <= 0)
        return found;
    bool whole = s.len >= segment.bytes;
    if (whole && !cql_segment_check(&segment, s.data))
        return 0;
    if (segment.plain_bytes)
        return whole ? 1 : -1;
    if (segment.payload_bytes < CQL_HEADER_BYTES)
        return 0;
    struct slice payload = slice_sub(s, segment.header_bytes, s.len);
    found = cql_parse_header(payload, is_response, &header);
    return found > 0 ? header.version >= 5 : found;
}

static int is_segment(struct slice s, bool is_response)
{
    int plain = begins_segment(s, is_response, false);
    int packed = begins_segment(s, is_response, true);
    return plain > 0 || packed > 0 ? 1 : plain < 0 || packed < 0 ? -1 : 0;
}

/* ── frames ── */

static bool begin_request(struct dissect_conn *conn, struct cql_state *state,
                          const struct cql_header *header)
{
    struct cql_side *side = &state->side[DIR_CLIENT];
    /* The id is used again: the answer to the one before was lost. */
    struct cql_call *before = take_waiting(state, header->stream);
    if (before)
        cql_emit(conn, before, "incomplete", "capture_gap");
    side->call = begin_call(conn, state, header);
    return side->call != NULL;
}

static bool begin_response(struct dissect_conn *conn, struct cql_state *state,
                           const struct cql_header *header)
{
    struct cql_side *side = &state->side[DIR_SERVER];
    bool is_event = header->opcode == CQL_EVENT;
    side->call = is_event ? NULL : take_waiting(state, header->stream);
    if (side->call)
        return true;
    side->call = begin_call(conn, state, header);
    if (side->call)
        side->call->is_event = is_event;
    return side->call != NULL;
}

/* The length before compression, then a block. */
static bool unpack_lz4(struct arena *arena, struct slice body, struct slice *ret)
{
    struct cursor c = cursor_of(body.data, body.len);
    uint32_t len = cursor_be32(&c);
    if (c.bad || !len || len > UNPACKED_MAX || len / DISSECT_DECODE_RATIO > body.len)
        return false;
    uint8_t *out = arena_alloc(arena, len);
    if (!out)
        return false;
    int n = LZ4_decompress_safe((const char *)c.pos, (char *)out, (int)cursor_left(&c), (int)len);
    *ret = slice_of(out, len);
    return n == (int)len;
}

/* As STARTUP said. When that was not recorded: LZ4 if the block becomes just as long as it says,
 * which no other block does, else Snappy. */
static bool unpack(const struct cql_state *state, struct arena *arena, struct slice body,
                   struct slice *ret)
{
    bool cut = false;
    if (state->compression != COMPRESSION_SNAPPY && unpack_lz4(arena, body, ret))
        return true;
    return state->compression != COMPRESSION_LZ4 &&
           snappy_decode(arena, body, UNPACKED_MAX, ret, &cut) == 0 && !cut && ret->len;
}

static void note_compression(struct cql_state *state, const struct cql_header *header,
                             struct slice body)
{
    struct cql_request startup;
    cql_parse_request(header, body, &startup);
    state->compression =
        slice_eq_nocase(startup.compression, SLICE_LITERAL("lz4"))      ? COMPRESSION_LZ4
        : slice_eq_nocase(startup.compression, SLICE_LITERAL("snappy")) ? COMPRESSION_SNAPPY
        : startup.compression.len                                       ? COMPRESSION_UNKNOWN
                                                                        : COMPRESSION_NONE;
}

static void request_content(struct cql_state *state, struct cql_call *call, struct slice body,
                            bool cut)
{
    call->truncated |= cut;
    if (call->header.opcode == CQL_STARTUP)
        note_compression(state, &call->header, body);
    if (call->is_compressed) {
        if (cut || !unpack(state, dissect_entry_arena(call->entry), body, &body))
            return;
        call->is_compressed = false;
    }
    cql_fill_request(call, &state->statements, body);
}

static void response_content(struct dissect_conn *conn, struct cql_state *state,
                             struct cql_call *call, struct slice body)
{
    struct cql_side *side = &state->side[DIR_SERVER];
    call->answered = true;
    call->failed = side->header.opcode == CQL_ERROR;
    if (side->header.flags & CQL_COMPRESSED && body.len &&
        !unpack(state, dissect_entry_arena(call->entry), body, &body)) {
        call->result.cut = true; /* what it says is not known */
        return;
    }
    cql_fill_response(call, &side->header, body, &state->statements, dissect_arena(conn));
}

static void response_ends(struct dissect_conn *conn, struct cql_state *state, struct cql_call *call)
{
    uint8_t opcode = state->side[DIR_SERVER].header.opcode;
    bool is_alone = call->header.opcode == opcode && !call->is_event; /* its request was not seen */
    bool late = dissect_is_late_join(conn) && !state->side[DIR_CLIENT].lost_some;
    bool began = call->header.opcode == CQL_STARTUP && !call->failed;
    if (began && call->header.version >= 5)
        state->wants_layer = true;
    if (is_alone)
        cql_emit(conn, call, "incomplete", late ? "window_start" : "capture_gap");
    else
        cql_emit(conn, call, call->failed ? "error" : "ok", call->has_gap ? "capture_gap" : NULL);
}

static void frame_ends(struct dissect_conn *conn, struct cql_state *state, enum dissect_dir dir)
{
    struct cql_side *side = &state->side[dir];
    struct cql_call *call = side->call;
    side->call = NULL;
    side->in_frame = false;
    if (!call)
        return;
    if (dir == DIR_CLIENT) {
        waiting_put(&state->waiting, &call->waiting, call->header.stream);
        return;
    }
    response_ends(conn, state, call);
    if (state->wants_layer)
        open_segments(conn, state, false);
}

static void take(struct dissect_conn *conn, struct cql_state *state, struct dissect_stream *stream,
                 size_t n)
{
    struct cql_call *call = state->side[stream->dir].call;
    struct dissect_span *span = NULL;
    if (call)
        span = stream->dir == DIR_CLIENT ? dissect_entry_request(call->entry)
                                         : dissect_entry_response(call->entry);
    dissect_take(conn, stream, call ? dissect_entry_arena(call->entry) : NULL, span, n);
}

static enum dissect_result read_body(struct dissect_conn *conn, struct cql_state *state,
                                     struct dissect_stream *stream)
{
    struct cql_side *side = &state->side[stream->dir];
    if (!side->content_done) {
        size_t keep = side->left < KEEP_BYTES ? side->left : KEEP_BYTES;
        if (stream->len < keep && !stream->ended)
            return DISSECT_MORE;
        struct slice body = slice_of(stream->data, keep);
        if (stream->len >= keep && side->call && stream->dir == DIR_CLIENT)
            request_content(state, side->call, body, keep < side->left);
        else if (stream->len >= keep && side->call)
            response_content(conn, state, side->call, body);
        side->content_done = true;
    }
    size_t n = stream->len < side->left ? stream->len : side->left;
    side->left -= (uint32_t)n;
    take(conn, state, stream, n);
    if (side->left == 0)
        frame_ends(conn, state, stream->dir);
    return DISSECT_OK;
}

static enum dissect_result begin_frame(struct dissect_conn *conn, struct cql_state *state,
                                       struct dissect_stream *stream)
{
    struct cql_side *side = &state->side[stream->dir];
    struct cql_header header;
    bool is_response = stream->dir == DIR_SERVER;
    int found = cql_parse_header(slice_of(stream->data, stream->len), is_response, &header);
    if (found < 0)
        return DISSECT_MORE;
    if (found == 0 && !state->any_entry)
        return DISSECT_NOT_MINE;
    if (found == 0) { /* the next header is looked for */
        side->lost = side->lost_some = true;
        dissect_take(conn, stream, NULL, NULL, 1);
        return DISSECT_OK;
    }
    bool room =
        is_response ? begin_response(conn, state, &header) : begin_request(conn, state, &header);
    if (!room)
        return DISSECT_MORE;
    side->header = header;
    side->left = header.length;
    side->in_frame = true;
    side->lost = false;
    side->content_done = false;
    take(conn, state, stream, CQL_HEADER_BYTES);
    if (side->left)
        return DISSECT_OK;
    if (side->call && is_response)
        response_content(conn, state, side->call, SLICE_NONE);
    frame_ends(conn, state, stream->dir);
    return DISSECT_OK;
}

/* ── detection ── */

/* A frame that nothing else looks like: the first two of a connection, or a statement. */
static enum probe_result is_request(struct slice s, bool ended)
{
    struct cql_header header;
    int found = cql_parse_header(s, false, &header);
    if (found <= 0)
        return found == 0 || ended ? PROBE_NO : PROBE_MAYBE;
    struct slice body = slice_sub(s, CQL_HEADER_BYTES, SIZE_MAX);
    if (header.opcode == CQL_OPTIONS)
        return header.length == 0 ? PROBE_YES : PROBE_NO;
    size_t need = header.length < 64 ? header.length : 64;
    if (body.len < need && !ended)
        return PROBE_MAYBE;
    struct cursor c = cursor_of(body.data, body.len);
    if (header.opcode == CQL_STARTUP) {
        cursor_skip(&c, 2 + 2);
        for (size_t i = 0; i < 4; i++) {
            uint8_t letter = cursor_u8(&c); /* CQL_VERSION, COMPRESSION, DRIVER_NAME … */
            if ((letter < 'A' || letter > 'Z') && letter != '_')
                return PROBE_NO;
        }
        return PROBE_YES;
    }
    if (header.flags & CQL_COMPRESSED)
        return PROBE_NO;
    if (header.opcode == CQL_EXECUTE)
        return header.length > 18 && cursor_be16(&c) == 16 ? PROBE_YES : PROBE_NO;
    if (header.opcode != CQL_QUERY && header.opcode != CQL_PREPARE)
        return PROBE_NO;
    uint32_t n = cursor_be32(&c);
    struct slice text = slice_of(c.pos, cursor_left(&c));
    return n <= header.length - 4 && sql_looks_like_statement(text) ? PROBE_YES : PROBE_NO;
}

static enum probe_result cql_probe(const struct probe_input *in)
{
    enum probe_result result = in->client.len   ? is_request(in->client, in->client_ended)
                               : in->server.len ? PROBE_NO
                                                : PROBE_MAYBE;
    if (!in->is_late_join || result == PROBE_YES)
        return result;
    int client = is_segment(in->client, false);
    int server = is_segment(in->server, true), reversed = is_segment(in->server, false);
    if (client > 0 || server > 0 || reversed > 0)
        return PROBE_YES;
    if ((client < 0 && in->client.len && !in->client_ended) ||
        (reversed < 0 && in->server.len && !in->server_ended))
        result = PROBE_MAYBE;
    if (!in->server.len)
        return result;
    enum probe_result swapped = is_request(in->server, in->server_ended);
    return swapped > result ? swapped : result;
}

/* ── the dissector ── */

static enum dissect_result cql_data(struct dissect_conn *conn, void *opaque,
                                    struct dissect_stream *stream)
{
    struct cql_state *state = opaque;
    if (stream->len == 0)
        return DISSECT_OK;
    if (!state->is_judged) {
        struct cql_header header;
        struct slice s = slice_of(stream->data, stream->len);
        bool other = cql_parse_header(s, stream->dir == DIR_CLIENT, &header) > 0;
        if (stream->len < CQL_HEADER_BYTES && !stream->ended)
            return DISSECT_MORE;
        bool is_response = stream->dir == DIR_SERVER, late = dissect_is_late_join(conn);
        int mine = late && !other ? is_segment(s, is_response) : 0;
        int theirs = late && !other ? is_segment(s, !is_response) : 0;
        if (mine <= 0 && theirs <= 0 && mine + theirs < 0 && !stream->ended)
            return DISSECT_MORE;
        if (late && !state->any_entry && (other || (theirs > 0 && mine <= 0))) {
            dissect_swap_sides(conn);
            return DISSECT_OK;
        }
        if (mine > 0) {
            if (begins_segment(s, is_response, true) > 0)
                state->compression = COMPRESSION_LZ4;
            open_segments(conn, state, true);
        }
        state->is_judged = true;
    }
    if (state->layer)
        return read_segment(conn, state, stream);
    if (state->side[stream->dir].in_frame)
        return read_body(conn, state, stream);
    return begin_frame(conn, state, stream);
}

static void cql_gap(struct dissect_conn *conn, void *opaque, enum dissect_dir dir, uint64_t bytes)
{
    struct cql_state *state = opaque;
    struct cql_side *side = &state->side[dir];
    struct cql_call *call = side->call;
    if (state->layer) {
        dissect_layer_gap(state->layer, dir, bytes);
        return;
    }
    if (call) {
        struct dissect_span *span = dir == DIR_CLIENT ? dissect_entry_request(call->entry)
                                                      : dissect_entry_response(call->entry);
        span->gap_bytes += bytes < side->left ? bytes : side->left;
        call->has_gap = call->truncated = true;
    }
    if (side->in_frame && bytes <= side->left) {
        side->left -= (uint32_t)bytes;
        if (call && !side->content_done && dir == DIR_SERVER) {
            call->answered = true;
            call->failed = side->header.opcode == CQL_ERROR;
        }
        side->content_done = true;
        if (side->left == 0)
            frame_ends(conn, state, dir);
        return;
    }
    side->call = NULL;
    if (call)
        cql_emit(conn, call, "incomplete", "capture_gap");
    *side = (struct cql_side){.lost = true, .lost_some = true};
}

static void cql_close(struct dissect_conn *conn, void *opaque, enum dissect_end end)
{
    struct cql_state *state = opaque;
    bool is_over = end != END_OF_DATA, lost = state->side[DIR_SERVER].lost_some;
    const char *reason = dissect_end_reason(end);
    struct cql_call *call;
    while ((call = (struct cql_call *)waiting_take_any(&state->waiting))) {
        if (lost)
            cql_emit(conn, call, "incomplete", "capture_gap");
        else
            cql_emit(conn, call, is_over ? "no_response" : "open", reason);
    }
    for (int i = 0; i < 2; i++)
        if (state->side[i].call)
            cql_emit(conn, state->side[i].call, is_over ? "error" : "open",
                     is_over ? reason : "window_end");
}

static const uint16_t cql_ports[] = {9042, 9142, 0};

const struct dissector dissector_cql = {
    .name = "cql",
    .spec = "CQL native protocol 3 to 5",
    .transports = DISSECT_TCP,
    .port_hints = cql_ports,
    .fields = cql_fields,
    .field_count = CQL_FIELD_COUNT,
    .state_bytes = sizeof(struct cql_state),
    .probe = cql_probe,
    .data = cql_data,
    .gap = cql_gap,
    .close = cql_close,
};
