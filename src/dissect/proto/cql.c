/* CQL, the native protocol of Cassandra, versions 3 to 5: requests and responses paired by stream
 * id, prepared statements by their id, events; the segments of version 5 are unwrapped into a
 * layer. Compressed bodies are not read: the entry then has the opcode and says `compressed`. */
#include <lz4.h>

#include "dissect/dissector.h"
#include "dissect/proto/cql_message.h"
#include "dissect/proto/sql_statements.h"
#include "dissect/proto/sql_template.h"

enum {
    KEEP_BYTES = 256 * 1024,
    UNPACKED_MAX = 1024 * 1024,
    BUCKETS = 256,
    SEGMENT_HEADER_BYTES = 6,
    SEGMENT_TRAILER_BYTES = 4,
    SUMMARY_QUERY_MAX = 160,
    SUMMARY_ERROR_MAX = 120,
    PROBE_BYTES = 4096
};

enum cql_field {
    OPCODE,
    QUERY,
    CONSISTENCY,
    ERROR_CODE,
    ROWS,
    FIELDS
};

static const struct field_def fields[FIELDS] = {
    [OPCODE] = {"cql_opcode", FIELD_TEXT, 0, 0, "QUERY, EXECUTE, BATCH …",
                "cql_opcode == \"EXECUTE\""},
    [QUERY] = {"cql_query", FIELD_TEXT, 0, 0, "text of the statement, also of a prepared one",
               "cql_query.contains(\"orders\")"},
    [CONSISTENCY] = {"cql_consistency", FIELD_TEXT, 0, 0, "consistency that was asked for",
                     "cql_consistency == \"LOCAL_QUORUM\""},
    [ERROR_CODE] = {"cql_error_code", FIELD_INT, 0, 0,
                    "code of the error (0x1200 is a read timeout)", "cql_error_code == 4608"},
    [ROWS] = {"cql_rows", FIELD_INT, 0, 0, "rows returned", "cql_rows > 1000"},
};

struct cql_call {
    struct cql_call *next; /* of its bucket */
    struct dissect_entry *entry;
    struct cql_header header;
    struct slice query, error;
    uint16_t consistency, statements;
    uint32_t error_code, rows;
    bool has_consistency, has_rows, is_event, is_compressed;
    bool answered, failed, has_gap, truncated;
};

struct cql_side {
    struct cql_call *call;
    struct cql_header header;
    uint32_t left;
    uint32_t segment_left, trailer_left; /* version 5 */
    bool in_frame, content_done, lost, lost_some;
};

struct cql_state {
    struct cql_side side[2];
    struct cql_call *waiting[BUCKETS];
    struct sql_statements statements;
    struct dissect_layer *layer; /* reads what is inside segments */
    bool wants_layer, is_compressed, is_judged, any_entry;
};

/* ── entries ── */

static void set_text(struct dissect_entry *entry, unsigned field, struct slice text)
{
    if (text.len)
        dissect_set_text(entry, field, text);
}

static struct slice outcome(struct arena *arena, const struct cql_call *call)
{
    if (call->failed)
        return arena_printf(arena, "error 0x%04x%s%.*s", call->error_code,
                            call->error.len ? ": " : "",
                            SLICE_ARGS(sql_one_line(arena, call->error, SUMMARY_ERROR_MAX)));
    if (call->has_rows)
        return arena_printf(arena, "%u row%s", call->rows, call->rows == 1 ? "" : "s");
    return call->answered ? SLICE_LITERAL("ok") : SLICE_NONE;
}

static void emit(struct dissect_conn *conn, struct cql_call *call, const char *status,
                 const char *reason)
{
    struct dissect_entry *entry = call->entry;
    struct arena *arena = dissect_entry_arena(entry);
    const char *name = cql_opcode_name(call->header.opcode);
    const char *level = cql_consistency_name(call->consistency);
    struct slice template = sql_template(arena, call->query, SQL_CQL);
    struct slice shown = sql_has_secret(call->query) ? template : call->query;
    struct slice query = sql_one_line(arena, slice_trim(shown), SUMMARY_QUERY_MAX);
    struct slice told = outcome(arena, call);
    bool plain = query.len && call->header.opcode == CQL_QUERY;
    struct slice said = query;
    if (!plain)
        said = arena_printf(arena, "%s%s%s%.*s", name ? name : "",
                            call->is_compressed ? " (compressed)" : "", query.len ? " " : "",
                            SLICE_ARGS(query));
    set_text(entry, OWN_FIELD(OPCODE), slice_str(name));
    set_text(entry, OWN_FIELD(QUERY), call->query);
    set_text(entry, FIELD_QUERY_TEMPLATE_ID, template);
    set_text(entry, FIELD_REQUEST_BODY_ID, call->query);
    set_text(entry, FIELD_RESPONSE_BODY_ID, call->error);
    if (call->has_consistency && level)
        dissect_set_str(entry, OWN_FIELD(CONSISTENCY), level);
    if (call->failed)
        dissect_set_int(entry, OWN_FIELD(ERROR_CODE), call->error_code);
    if (call->has_rows)
        dissect_set_int(entry, OWN_FIELD(ROWS), call->rows);
    if (call->truncated)
        dissect_set_bool(entry, FIELD_TRUNCATED_ID, true);
    dissect_set_text(entry, FIELD_SUMMARY_ID,
                     arena_printf(arena, "%.*s%s%.*s", SLICE_ARGS(said), told.len ? " → " : "",
                                  SLICE_ARGS(told)));
    dissect_set_status(entry, status, reason);
    dissect_entry_emit(conn, entry);
}

static struct cql_call *begin_call(struct dissect_conn *conn, struct cql_state *state,
                                   const struct cql_header *header)
{
    struct dissect_entry *entry = dissect_entry_begin(conn);
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

static struct cql_call *take_waiting(struct cql_state *state, uint16_t stream)
{
    struct cql_call **link = &state->waiting[stream % BUCKETS];
    while (*link && (*link)->header.stream != stream)
        link = &(*link)->next;
    struct cql_call *call = *link;
    if (call)
        *link = call->next;
    return call;
}

/* ── frames ── */

static bool begin_request(struct dissect_conn *conn, struct cql_state *state,
                          const struct cql_header *header)
{
    struct cql_side *side = &state->side[DIR_CLIENT];
    /* The id is used again: the answer to the one before was lost. */
    struct cql_call *before = take_waiting(state, header->stream);
    if (before)
        emit(conn, before, "incomplete", "capture_gap");
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

/* LZ4: the length before compression, then a block. Nothing else decompresses to that very length,
 * so the connection's STARTUP is not needed. Empty when it is not LZ4, cut, or too large. */
static struct slice unpack(struct arena *arena, struct slice body)
{
    struct cursor c = cursor_of(body.data, body.len);
    uint32_t len = cursor_be32(&c);
    if (c.bad || !len || len > UNPACKED_MAX || len / DISSECT_DECODE_RATIO > body.len)
        return SLICE_NONE;
    uint8_t *out = arena_alloc(arena, len);
    if (!out)
        return SLICE_NONE;
    int n = LZ4_decompress_safe((const char *)c.pos, (char *)out, (int)cursor_left(&c), (int)len);
    return n == (int)len ? slice_of(out, len) : SLICE_NONE;
}

static void request_content(struct cql_state *state, struct cql_call *call, struct slice body,
                            bool cut)
{
    struct arena *arena = dissect_entry_arena(call->entry);
    struct cql_request request;
    call->truncated |= cut;
    if (call->is_compressed) {
        body = unpack(arena, body);
        if (!body.len)
            return;
        call->is_compressed = false;
    }
    cql_parse_request(&call->header, body, &request);
    call->query = arena_dup(arena, request.query);
    call->consistency = request.consistency;
    call->has_consistency = request.has_consistency;
    call->statements = request.statements;
    const struct sql_statement *s =
        request.id.len ? sql_statement_find(&state->statements, request.id) : NULL;
    if (s) {
        call->query = arena_dup(arena, s->part[SQL_TEXT]);
        call->truncated |= s->text_cut;
    }
}

static void response_content(struct dissect_conn *conn, struct cql_state *state,
                             struct cql_call *call, struct slice body)
{
    struct cql_side *side = &state->side[DIR_SERVER];
    struct cql_response response;
    call->answered = true;
    call->failed = side->header.opcode == CQL_ERROR;
    if (side->header.flags & CQL_COMPRESSED && body.len) {
        body = unpack(dissect_entry_arena(call->entry), body);
        if (!body.len)
            return;
    }
    cql_parse_response(&side->header, body, &response);
    call->error_code = response.error_code;
    call->rows = response.rows;
    call->has_rows = response.has_rows;
    if (call->failed)
        call->error = arena_dup(dissect_entry_arena(call->entry), response.message);
    if (call->header.opcode == CQL_PREPARE && response.id.len && call->query.len) {
        struct arena *arena = dissect_arena(conn);
        struct sql_statement *s = sql_statement_put(&state->statements, arena, response.id);
        if (s)
            sql_statement_set(&state->statements, arena, s, SQL_TEXT, call->query);
    }
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
        emit(conn, call, "incomplete", late ? "window_start" : "capture_gap");
    else
        emit(conn, call, call->failed ? "error" : "ok", call->has_gap ? "capture_gap" : NULL);
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
        struct cql_call **bucket = &state->waiting[call->header.stream % BUCKETS];
        call->next = *bucket;
        *bucket = call;
        return;
    }
    response_ends(conn, state, call);
    if (!state->wants_layer)
        return;
    struct dissect_layer_spec spec = {.dissector = "cql", .params = SLICE_LITERAL("segments")};
    state->wants_layer = false;
    state->layer = dissect_layer_open(conn, &spec);
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

/* ── segments of version 5 ── 17 bits of length, a bit that says whether it is self-contained, a
 * CRC of 24 bits; the payload; a CRC of 32 bits. */
static enum dissect_result read_segment(struct cql_state *state, struct dissect_stream *stream)
{
    struct cql_side *side = &state->side[stream->dir];
    if (side->segment_left == 0 && side->trailer_left == 0) {
        if (stream->len < SEGMENT_HEADER_BYTES)
            return DISSECT_MORE;
        side->segment_left = stream->data[0] | (uint32_t)stream->data[1] << 8 |
                             (uint32_t)(stream->data[2] & 1) << 16;
        side->trailer_left = SEGMENT_TRAILER_BYTES;
        dissect_layer_take(state->layer, stream, SEGMENT_HEADER_BYTES, SLICE_NONE);
        return DISSECT_OK;
    }
    bool payload = side->segment_left != 0;
    uint32_t *left = payload ? &side->segment_left : &side->trailer_left;
    size_t n = stream->len < *left ? stream->len : *left;
    *left -= (uint32_t)n;
    dissect_layer_take(state->layer, stream, n, payload ? slice_of(stream->data, n) : SLICE_NONE);
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
    if (!in->is_late_join || result == PROBE_YES || !in->server.len)
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
        if (other && dissect_is_late_join(conn) && !state->any_entry) {
            dissect_swap_sides(conn);
            return DISSECT_OK;
        }
        state->is_judged = true;
    }
    if (state->layer)
        return read_segment(state, stream);
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
        bool inside = bytes <= side->segment_left;
        side->segment_left -= inside ? (uint32_t)bytes : side->segment_left;
        if (!inside) /* segments have no form to be found by */
            side->segment_left = UINT32_MAX;
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
        emit(conn, call, "incomplete", "capture_gap");
    *side = (struct cql_side){.lost = true, .lost_some = true};
}

static void cql_close(struct dissect_conn *conn, void *opaque, enum dissect_end end)
{
    static const char *const reasons[] = {[END_CLOSED] = "closed",
                                          [END_RESET_BY_CLIENT] = "client_cancel",
                                          [END_RESET_BY_SERVER] = "server_reset",
                                          [END_TIMEOUT] = "timeout"};
    struct cql_state *state = opaque;
    bool is_over = end != END_OF_DATA, lost = state->side[DIR_SERVER].lost_some;
    const char *reason = is_over ? reasons[end] : NULL;
    for (size_t i = 0; i < BUCKETS; i++)
        while (state->waiting[i]) {
            struct cql_call *call = state->waiting[i];
            state->waiting[i] = call->next;
            if (lost)
                emit(conn, call, "incomplete", "capture_gap");
            else
                emit(conn, call, is_over ? "no_response" : "open", reason);
        }
    for (int i = 0; i < 2; i++)
        if (state->side[i].call)
            emit(conn, state->side[i].call, is_over ? "error" : "open",
                 is_over ? reason : "window_end");
}

static const uint16_t cql_ports[] = {9042, 9142, 0};

const struct dissector dissector_cql = {
    .name = "cql",
    .spec = "CQL native protocol 3 to 5",
    .transports = DISSECT_TCP,
    .port_hints = cql_ports,
    .fields = fields,
    .field_count = FIELDS,
    .state_bytes = sizeof(struct cql_state),
    .probe = cql_probe,
    .data = cql_data,
    .gap = cql_gap,
    .close = cql_close,
};
