/* The body of an HTTP/1 message as it comes (RFC 9112 sections 6 and 7): by length, in chunks,
 * until the end of the connection; and bodies that their heads announce and that never come. */
#include "dissect/proto/http1_state.h"

enum {
    CHUNK_LINE_MAX = 16 * 1024
};

/* ── bytes ── */

struct dissect_span *http1_span_of(const struct side *side, enum dissect_dir dir)
{
    if (!side->at || side->interim)
        return NULL;
    return dir == DIR_CLIENT ? dissect_entry_request(side->at->entry)
                             : dissect_entry_response(side->at->entry);
}

/* The length of the line that starts the stream, its end included; 0 when it is not whole. */
size_t http1_whole_line(struct side *side, const struct dissect_stream *stream)
{
    size_t from = 0;
    if (side->scanned > stream->offset)
        from = (size_t)(side->scanned - stream->offset);
    if (from > stream->len)
        from = stream->len;
    const uint8_t *lf = memchr(stream->data + from, '\n', stream->len - from);
    if (lf)
        return (size_t)(lf - stream->data) + 1;
    side->scanned = stream->offset + stream->len;
    return 0;
}

struct arena *http1_arena_of(const struct side *side)
{
    return side->at ? dissect_entry_arena(side->at->entry) : NULL;
}

void http1_take(struct dissect_conn *conn, struct side *side, struct dissect_stream *stream,
                size_t n)
{
    struct dissect_span *span = http1_span_of(side, stream->dir);
    dissect_take(conn, stream, span ? http1_arena_of(side) : NULL, span, n);
}

static size_t at_most(const struct dissect_stream *stream, uint64_t n)
{
    return n < stream->len ? (size_t)n : stream->len;
}

static void take_body(struct dissect_conn *conn, struct side *side, struct dissect_stream *stream,
                      size_t n)
{
    struct http_message *message = http1_message_of(side->at, stream->dir);
    size_t max = DISSECT_BODY_CAP;
    dissect_body_piece(conn, side->at->entry, stream->dir == DIR_CLIENT, slice_of(stream->data, n));
    if (message->framing == HTTP1_LENGTH && message->content_length < max)
        max = (size_t)message->content_length;
    if (message->grpc)
        grpc_reader_data(message->grpc, http1_arena_of(side), slice_of(stream->data, n));
    else if (message->has_gap)
        message->truncated = true;
    else
        gather_add(&message->body, http1_arena_of(side), slice_of(stream->data, n), max);
    message->truncated |= message->body.cut;
    message->body_size += n;
    http1_take(conn, side, stream, n);
}

/* ── bodies ── */

/* A client that was refused may go on with its next request instead of the body it announced
 * (RFC 9110 section 10.1.1). MORE: not decided yet. */
static enum dissect_result is_body_withheld(const struct side *side,
                                            const struct dissect_stream *stream, bool *ret_withheld)
{
    const struct exchange *x = side->at;
    *ret_withheld = false;
    if (stream->dir != DIR_CLIENT || !x->expects_continue || x->request.body_size ||
        !x->response.head_done || x->response.status_code < 300)
        return DISSECT_OK;
    size_t n = 0;
    while (n < stream->len && n < 16 && http1_is_token_char(stream->data[n]))
        n++;
    if (n == stream->len && n < 16 && !stream->ended)
        return DISSECT_MORE;
    *ret_withheld = n < stream->len && stream->data[n] == ' ' &&
                    http1_is_known_method(slice_of(stream->data, n));
    return DISSECT_OK;
}

/* An answer whose request is not known may be that of a HEAD, which has no body whatever its head
 * says: then the next answer follows. MORE: not decided yet. */
static enum dissect_result is_body_of_head(const struct side *side,
                                           const struct dissect_stream *stream, bool *ret_is)
{
    static const char next[] = "HTTP/1.";
    size_t n = stream->len < sizeof next - 1 ? stream->len : sizeof next - 1;
    *ret_is = false;
    if (stream->dir != DIR_SERVER || side->at->request.begun || side->at->response.body_size ||
        memcmp(stream->data, next, n) != 0)
        return DISSECT_OK;
    *ret_is = n == sizeof next - 1;
    return *ret_is || stream->ended ? DISSECT_OK : DISSECT_MORE;
}

static enum dissect_result read_length(struct dissect_conn *conn, struct http1_state *state,
                                       struct dissect_stream *stream)
{
    struct side *side = &state->side[stream->dir];
    bool withheld;
    if (is_body_withheld(side, stream, &withheld) == DISSECT_MORE)
        return DISSECT_MORE;
    if (!withheld) {
        size_t n = at_most(stream, side->left);
        side->left -= n;
        take_body(conn, side, stream, n);
    }
    if (withheld || side->left == 0)
        http1_message_done(conn, state, stream->dir);
    return DISSECT_OK;
}

/* chunk-size [chunk-ext] (RFC 9112 section 7.1). False: no such line. */
static bool parse_chunk_size(struct slice line, uint64_t *ret_size)
{
    uint64_t v = 0;
    size_t n = 0;
    while (n < line.len && (line.data[n] == ' ' || line.data[n] == '\t'))
        n++;
    size_t first = n;
    for (; n < line.len; n++) {
        uint8_t c = line.data[n];
        unsigned digit;
        if (c >= '0' && c <= '9')
            digit = c - '0';
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
            digit = (unsigned)(c | 0x20) - 'a' + 10;
        else
            break;
        if (v >> 59) /* beyond any length that could ever arrive */
            return false;
        v = v << 4 | digit;
    }
    if (n == first)
        return false;
    uint8_t stop = n < line.len ? line.data[n] : '\n';
    *ret_size = v;
    return stop == '\r' || stop == '\n' || stop == ';' || stop == ' ' || stop == '\t';
}

static enum dissect_result read_chunk_size(struct dissect_conn *conn, struct http1_state *state,
                                           struct dissect_stream *stream)
{
    struct side *side = &state->side[stream->dir];
    bool withheld;
    if (is_body_withheld(side, stream, &withheld) == DISSECT_MORE)
        return DISSECT_MORE;
    if (withheld) {
        http1_message_done(conn, state, stream->dir);
        return DISSECT_OK;
    }
    size_t n = http1_whole_line(side, stream);
    if (n == 0 && stream->len < CHUNK_LINE_MAX)
        return DISSECT_MORE;
    if (n == 0 || n > CHUNK_LINE_MAX || !parse_chunk_size(slice_of(stream->data, n), &side->left)) {
        http1_lose_side(conn, state, stream->dir, false);
        return DISSECT_OK;
    }
    http1_take(conn, side, stream, n);
    if (side->left) {
        side->phase = PHASE_CHUNK_DATA;
    } else {
        struct http_message *message = http1_message_of(side->at, stream->dir);
        message->head = (struct gather){0};
        side->phase = PHASE_TRAILERS;
    }
    return DISSECT_OK;
}

static enum dissect_result read_chunk_data(struct dissect_conn *conn, struct http1_state *state,
                                           struct dissect_stream *stream)
{
    struct side *side = &state->side[stream->dir];
    size_t n = at_most(stream, side->left);
    side->left -= n;
    take_body(conn, side, stream, n);
    if (side->left == 0)
        side->phase = PHASE_CHUNK_END;
    return DISSECT_OK;
}

static enum dissect_result read_chunk_end(struct dissect_conn *conn, struct http1_state *state,
                                          struct dissect_stream *stream)
{
    struct side *side = &state->side[stream->dir];
    size_t n = stream->data[0] == '\r' ? 2 : 1;
    if (stream->len < n)
        return DISSECT_MORE;
    if (stream->data[n - 1] != '\n') {
        http1_lose_side(conn, state, stream->dir, false);
        return DISSECT_OK;
    }
    http1_take(conn, side, stream, n);
    side->phase = PHASE_CHUNK_SIZE;
    return DISSECT_OK;
}

enum dissect_result http1_read_body(struct dissect_conn *conn, struct http1_state *state,
                                    struct dissect_stream *stream)
{
    struct side *side = &state->side[stream->dir];
    bool is_head = false;
    bool begins = side->phase != PHASE_CHUNK_DATA && side->phase != PHASE_CHUNK_END;
    if (begins && is_body_of_head(side, stream, &is_head) == DISSECT_MORE)
        return DISSECT_MORE;
    if (is_head) {
        http1_message_done(conn, state, stream->dir);
        return DISSECT_OK;
    }
    if (side->phase == PHASE_LENGTH)
        return read_length(conn, state, stream);
    if (side->phase == PHASE_CHUNK_SIZE)
        return read_chunk_size(conn, state, stream);
    if (side->phase == PHASE_CHUNK_DATA)
        return read_chunk_data(conn, state, stream);
    if (side->phase == PHASE_CHUNK_END)
        return read_chunk_end(conn, state, stream);
    take_body(conn, side, stream, stream->len);
    return DISSECT_OK;
}
