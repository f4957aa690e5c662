/* A replica's connection: the snapshot (RDB) that a primary sends, then its commands. */
#include "dissect/proto/redis_state.h"

enum {
    HEADER_MAX = 64 /* a longer line is no length of a snapshot */
};

enum dissect_result redis_read_rdb_header(struct dissect_conn *conn, struct redis_state *state,
                                          struct dissect_stream *stream)
{
    int64_t len;
    const uint8_t *lf = memchr(stream->data, '\n', stream->len);
    if (!lf)
        return stream->len > HEADER_MAX ? DISSECT_BAD : DISSECT_MORE;
    size_t n = (size_t)(lf - stream->data) + 1;
    struct slice line = slice_of(stream->data, n - 1);
    if (line.len && line.data[line.len - 1] == '\r')
        line.len--;
    if (line.len == 0) {
        dissect_take(conn, stream, NULL, NULL, n);
        return DISSECT_OK;
    }
    if (line.len == 5 + MARK_BYTES && slice_starts_with(line, SLICE_LITERAL("$EOF:"))) {
        memcpy(state->mark, line.data + 5, MARK_BYTES);
        state->server_mode = SERVER_RDB_TO_MARK;
    } else if (line.data[0] == '$' && resp_parse_number(slice_sub(line, 1, SIZE_MAX), &len) &&
               len >= 0) {
        state->rdb_left = (uint64_t)len;
        state->server_mode = len ? SERVER_RDB : SERVER_COMMANDS;
    } else {
        return DISSECT_BAD;
    }
    dissect_take(conn, stream, NULL, NULL, n);
    return DISSECT_OK;
}

enum dissect_result redis_read_rdb(struct dissect_conn *conn, struct redis_state *state,
                                   struct dissect_stream *stream)
{
    size_t n = stream->len;
    if (state->server_mode == SERVER_RDB) {
        if (n > state->rdb_left)
            n = (size_t)state->rdb_left;
        state->rdb_left -= n;
        if (state->rdb_left == 0)
            state->server_mode = SERVER_COMMANDS;
        dissect_take(conn, stream, NULL, NULL, n);
        return DISSECT_OK;
    }
    const uint8_t *mark = memmem(stream->data, n, state->mark, MARK_BYTES);
    if (mark) {
        state->server_mode = SERVER_COMMANDS;
        n = (size_t)(mark - stream->data) + MARK_BYTES;
    } else if (n < MARK_BYTES) {
        return DISSECT_MORE;
    } else {
        n -= MARK_BYTES - 1;
    }
    dissect_take(conn, stream, NULL, NULL, n);
    return DISSECT_OK;
}

enum dissect_result redis_read_replicated(struct dissect_conn *conn, struct redis_state *state,
                                          struct dissect_stream *stream)
{
    struct redis_side *side = &state->side[DIR_SERVER];
    while (!side->at && stream->len && (stream->data[0] == '\r' || stream->data[0] == '\n'))
        dissect_take(conn, stream, NULL, NULL, 1);
    if (stream->len == 0)
        return DISSECT_OK;
    if (!side->at) {
        if (!resp_has_line(&side->parser, stream))
            return DISSECT_MORE;
        side->at = redis_begin_call(conn, state);
        if (!side->at)
            return DISSECT_MORE;
        side->at->command.is_command = true;
        dissect_entry_reverse(side->at->entry);
    }
    struct redis_call *call = side->at;
    struct resp_target target = {.conn = conn,
                                 .arena = dissect_entry_arena(call->entry),
                                 .span = dissect_entry_request(call->entry),
                                 .value = &call->command};
    uint64_t before = stream->offset;
    enum resp_result result = resp_read(&side->parser, &target, stream, true);
    if (result == RESP_DONE) {
        call->known = redis_command_find(gather_slice(&call->command.kept[0]));
        call->command_done = true;
        side->at = NULL;
        redis_emit(conn, call, "ok", NULL);
    } else if (result == RESP_BAD) {
        side->at = NULL;
        dissect_entry_drop(conn, call->entry);
    }
    if (result == RESP_BAD)
        return DISSECT_BAD;
    return result == RESP_MORE && stream->offset == before ? DISSECT_MORE : DISSECT_OK;
}
