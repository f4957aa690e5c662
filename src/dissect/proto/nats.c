/* NATS: the client protocol (docs.nats.io, "NATS Client Protocol"; headers: ADR-4).
 *
 * Every operation is an entry; what the server delivers (MSG, HMSG) has it as the requester. In
 * verbose mode an operation waits for its +OK or -ERR, in order; PING waits for PONG. INFO and
 * unasked errors stand in the response. Payloads are consumed as they come. */
#include "dissect/proto/nats_call.h"

enum {
    LINE_MAX_BYTES = 128 * 1024, /* INFO and CONNECT can be long */
    RAW_MAX_BYTES = DISSECT_BODY_CAP + 64 * 1024,
    MAX_WAITING = 640,
    MAX_UNKNOWN = 32,  /* operations without a word of the server: there are no confirmations */
    MAX_QUEUES = 1024, /* subscriptions with a queue group that are remembered */
    BUCKETS = 64
};

/* Whether operations are confirmed. Nobody knows where CONNECT was not recorded, until the server
 * says something: what comes first behind an operation is its confirmation, or there are none. */
enum nats_mode {
    MODE_UNKNOWN,
    MODE_QUIET,
    MODE_VERBOSE
};

enum nats_phase {
    PHASE_LINE,
    PHASE_PAYLOAD,
    PHASE_END,  /* the line end behind a payload */
    PHASE_JOIN, /* late: a line may begin here */
    PHASE_LOST  /* the next line end is looked for, then a line */
};

struct nats_queue {
    struct nats_queue *next;
    struct slice sid, queue;
};

struct nats_side {
    enum nats_phase phase;
    uint64_t scanned; /* no line end before this stream offset */
    uint64_t left;    /* of the payload */
    struct nats_call *at;
    struct nats_call *pings, *last_ping; /* that this side sent */
};

struct nats_state {
    struct nats_side side[2];
    struct nats_call *oldest, *newest; /* verbose: wait for +OK */
    size_t waiting, queues;
    struct nats_queue *buckets[BUCKETS]; /* by sid */
    enum nats_mode mode;
    bool unsure, any_entry, is_secured;
};

/* ── calls ── */

static struct slice keep(struct arena *arena, struct slice text)
{
    return text.len ? arena_dup(arena, text) : SLICE_NONE;
}

static struct nats_call *begin_call(struct dissect_conn *conn, struct nats_state *state,
                                    const struct nats_line *line, enum dissect_dir dir)
{
    struct dissect_entry *entry = dissect_entry_begin(conn);
    struct arena *arena = entry ? dissect_entry_arena(entry) : NULL;
    struct nats_call *call = entry ? arena_zalloc(arena, sizeof *call) : NULL;
    if (!call) {
        dissect_entry_drop(conn, entry);
        return NULL;
    }
    call->entry = entry;
    call->line = *line;
    call->line.word = keep(arena, line->word);
    call->line.subject = keep(arena, line->subject);
    call->line.reply_to = keep(arena, line->reply_to);
    call->line.queue = keep(arena, line->queue);
    call->line.sid = keep(arena, line->sid);
    call->line.rest = line->has_payload ? SLICE_NONE : keep(arena, line->rest);
    call->is_answer = line->op == NATS_INFO || line->op == NATS_ERR || line->op == NATS_OK ||
                      line->op == NATS_PONG;
    if (call->is_answer != (dir == DIR_SERVER)) /* a PING or message of the server, a lone PONG */
        dissect_entry_reverse(entry);
    state->any_entry = true;
    return call;
}

static struct dissect_span *span_of(const struct nats_call *call)
{
    return call->is_answer ? dissect_entry_response(call->entry)
                           : dissect_entry_request(call->entry);
}

static void take(struct dissect_conn *conn, struct dissect_stream *stream, struct nats_call *call,
                 size_t n)
{
    dissect_take(conn, stream, call ? dissect_entry_arena(call->entry) : NULL,
                 call ? span_of(call) : NULL, n);
}

static void emit(struct dissect_conn *conn, struct nats_call *call)
{
    nats_emit(conn, call, call->has_gap ? "incomplete" : "ok",
              call->has_gap ? "capture_gap" : NULL);
}

/* After a loss nobody knows which +OK answers what. */
static void stop_pairing(struct dissect_conn *conn, struct nats_state *state)
{
    state->unsure = true;
    while (state->oldest) {
        struct nats_call *call = state->oldest;
        state->oldest = call->next;
        nats_emit(conn, call, "incomplete", "capture_gap");
    }
    for (int dir = 0; dir < 2; dir++)
        while (state->side[dir].pings) {
            struct nats_call *call = state->side[dir].pings;
            state->side[dir].pings = call->next;
            nats_emit(conn, call, "incomplete", "capture_gap");
        }
    state->newest = NULL;
    state->waiting = 0;
}

/* CONNECT, or what the server says, tells whether operations are confirmed. */
static void learn_mode(struct dissect_conn *conn, struct nats_state *state, enum nats_mode mode)
{
    if (state->mode == MODE_UNKNOWN && mode == MODE_QUIET)
        while (state->oldest) {
            struct nats_call *call = state->oldest;
            state->oldest = call->next;
            state->waiting--;
            emit(conn, call);
        }
    state->mode = mode;
}

static void append(struct nats_call **first, struct nats_call **last, struct nats_call *call)
{
    if (*first)
        (*last)->next = call;
    else
        *first = call;
    *last = call;
}

/* The operation is whole: it waits for its answer or leaves. */
static void operation_done(struct dissect_conn *conn, struct nats_state *state,
                           enum dissect_dir dir, struct nats_call *call)
{
    struct nats_side *side = &state->side[dir];
    bool is_ping = call->line.op == NATS_PING;
    bool is_confirmed =
        state->mode != MODE_QUIET && dir == DIR_CLIENT && call->line.op != NATS_UNKNOWN;
    if (call->is_answer || !(is_ping || is_confirmed)) {
        emit(conn, call);
        return;
    }
    if (state->waiting == MAX_WAITING) /* the other direction was not recorded */
        stop_pairing(conn, state);
    if (state->unsure && (is_ping || state->mode == MODE_VERBOSE)) {
        call->has_gap = true; /* its answer cannot be told from others */
        emit(conn, call);
        return;
    }
    if (state->mode == MODE_UNKNOWN && state->waiting == MAX_UNKNOWN) {
        learn_mode(conn, state, MODE_QUIET);
        operation_done(conn, state, dir, call);
        return;
    }
    state->waiting++;
    if (is_ping)
        append(&side->pings, &side->last_ping, call);
    else
        append(&state->oldest, &state->newest, call);
}

/* ── queue groups ── */

static struct nats_queue **queue_of(struct nats_state *state, struct slice sid)
{
    unsigned h = 0;
    for (size_t i = 0; i < sid.len && i < 16; i++)
        h = h * 31 + sid.data[i];
    struct nats_queue **link = &state->buckets[h % BUCKETS];
    while (*link && !slice_eq((*link)->sid, sid))
        link = &(*link)->next;
    return link;
}

static void follow_subscription(struct dissect_conn *conn, struct nats_state *state,
                                struct nats_line *line)
{
    struct arena *arena = dissect_arena(conn);
    struct nats_queue **link = queue_of(state, line->sid);
    if (line->op == NATS_SUB && line->queue.len && !*link && state->queues < MAX_QUEUES) {
        struct nats_queue *queue = arena_zalloc(arena, sizeof *queue);
        if (!queue)
            return;
        queue->sid = keep(arena, line->sid);
        queue->queue = keep(arena, line->queue);
        state->queues++;
        *link = queue;
    } else if (line->op == NATS_SUB && *link) { /* the number is used again */
        (*link)->queue = keep(arena, line->queue);
    } else if ((line->op == NATS_MSG || line->op == NATS_HMSG) && *link) {
        line->queue = (*link)->queue;
    }
}

/* ── answers ── */

static bool answer(struct dissect_conn *conn, struct nats_state *state,
                   struct dissect_stream *stream, const struct nats_line *line, size_t size)
{
    bool is_pong = line->op == NATS_PONG;
    struct nats_side *asked = &state->side[!stream->dir];
    struct nats_call *call = is_pong ? asked->pings : state->oldest;
    if (!call || (!is_pong && stream->dir != DIR_SERVER))
        return false;
    if (is_pong)
        asked->pings = call->next;
    else
        state->oldest = call->next;
    state->waiting--;
    struct arena *arena = dissect_entry_arena(call->entry);
    if (line->op == NATS_ERR) {
        call->error = keep(arena, line->rest);
        call->answer = arena_printf(arena, "-ERR %.*s", SLICE_ARGS(call->error));
    } else {
        call->answer = slice_str(nats_op_name(line->op));
    }
    dissect_take(conn, stream, arena, dissect_entry_response(call->entry), size);
    emit(conn, call);
    return true;
}

/* An error of the connection, which no operation caused. */
static bool is_unasked(struct slice error)
{
    static const char *const texts[] = {"Stale Connection",      "Slow Consumer",
                                        "Server Shutdown",       "Authentication Timeout",
                                        "Authorization Timeout", "Maximum Connections Exceeded"};
    struct slice text = slice_sub(slice_trim(error), 1, SIZE_MAX); /* behind the quote */
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (slice_starts_with(text, slice_str(texts[i])))
            return true;
    return false;
}

/* CONNECT was not recorded: what the server says tells. */
static void hear_server(struct dissect_conn *conn, struct nats_state *state,
                        const struct nats_line *line)
{
    if (state->mode != MODE_UNKNOWN || line->op == NATS_INFO ||
        (line->op == NATS_ERR && is_unasked(line->rest)))
        return;
    if (line->op == NATS_OK || line->op == NATS_ERR) {
        if (state->unsure || dissect_is_late_join(conn))
            stop_pairing(conn, state);
        learn_mode(conn, state, MODE_VERBOSE);
    } else if (state->oldest) {
        learn_mode(conn, state, MODE_QUIET);
    }
}

static bool mentions(struct slice text, const char *word)
{
    return text.len && memmem(text.data, text.len, word, strlen(word));
}

/* "verbose" is true unless it is said otherwise. */
static bool asks_for_confirmation(struct slice json)
{
    const uint8_t *p = json.len ? memmem(json.data, json.len, "\"verbose\"", 9) : NULL;
    if (!p)
        return true;
    struct slice rest = slice_trim(slice_sub(json, (size_t)(p - json.data) + 9, SIZE_MAX));
    if (rest.len && rest.data[0] == ':')
        rest = slice_trim(slice_sub(rest, 1, SIZE_MAX));
    return !slice_starts_with(rest, SLICE_LITERAL("false"));
}

/* ── lines and payloads ── */

/* The length of the line that starts the stream, its end included; 0: not whole. */
static size_t whole_line(struct nats_side *side, const struct dissect_stream *stream)
{
    size_t from = side->scanned > stream->offset ? (size_t)(side->scanned - stream->offset) : 0;
    from = from < stream->len ? from : stream->len;
    const uint8_t *lf = memchr(stream->data + from, '\n', stream->len - from);
    side->scanned = stream->offset + stream->len;
    if (!lf)
        return 0;
    side->scanned = 0;
    return (size_t)(lf - stream->data) + 1;
}

static enum dissect_result read_operation(struct dissect_conn *conn, struct nats_state *state,
                                          struct dissect_stream *stream, size_t size)
{
    struct nats_side *side = &state->side[stream->dir];
    struct nats_line line;
    bool is_known = nats_line_parse(slice_of(stream->data, size), &line);
    if (!is_known)
        line.op = NATS_UNKNOWN;
    line.has_payload &= is_known;
    if (line.word.len == 0) {
        dissect_take(conn, stream, NULL, NULL, size);
        return DISSECT_OK;
    }
    if (!is_known && !state->any_entry)
        return DISSECT_NOT_MINE;
    bool is_error = line.op == NATS_ERR && !is_unasked(line.rest);
    bool is_answer = line.op == NATS_OK || is_error || line.op == NATS_PONG;
    if (stream->dir == DIR_SERVER)
        hear_server(conn, state, &line);
    if (is_answer && answer(conn, state, stream, &line, size))
        return DISSECT_OK;
    if (line.op == NATS_OK) { /* of something that was not recorded */
        dissect_take(conn, stream, NULL, NULL, size);
        return DISSECT_OK;
    }
    if (line.op == NATS_SUB || line.op == NATS_MSG || line.op == NATS_HMSG)
        follow_subscription(conn, state, &line);
    struct nats_call *call = begin_call(conn, state, &line, stream->dir);
    if (call && line.op == NATS_ERR)
        call->error = call->line.rest;
    if (call && is_answer) /* of something that was lost, unless nothing is confirmed */
        call->has_gap = !(is_error && state->mode == MODE_QUIET);
    if (line.op == NATS_CONNECT)
        learn_mode(conn, state, asks_for_confirmation(line.rest) ? MODE_VERBOSE : MODE_QUIET);
    take(conn, stream, call, size);
    if (line.has_payload) {
        side->at = call;
        side->left = line.total_size;
        side->phase = side->left ? PHASE_PAYLOAD : PHASE_END;
    } else if (call) {
        operation_done(conn, state, stream->dir, call);
    }
    return DISSECT_OK;
}

static enum dissect_result read_line(struct dissect_conn *conn, struct nats_state *state,
                                     struct dissect_stream *stream)
{
    /* TLS begins behind INFO, without a word. */
    if (stream->dir == DIR_CLIENT && stream->data[0] == 0x16 && !state->is_secured) {
        dissect_switch(conn, "tlsx");
        return DISSECT_OK;
    }
    if (stream->dir == DIR_CLIENT)
        state->is_secured = true;
    size_t size = whole_line(&state->side[stream->dir], stream);
    if (size == 0)
        return stream->len < LINE_MAX_BYTES ? DISSECT_MORE
               : state->any_entry           ? DISSECT_BAD
                                            : DISSECT_NOT_MINE;
    return read_operation(conn, state, stream, size);
}

static void payload_done(struct dissect_conn *conn, struct nats_state *state, enum dissect_dir dir)
{
    struct nats_call *call = state->side[dir].at;
    state->side[dir].at = NULL;
    if (call)
        operation_done(conn, state, dir, call);
}

static void read_payload(struct dissect_conn *conn, struct nats_state *state,
                         struct dissect_stream *stream)
{
    struct nats_side *side = &state->side[stream->dir];
    struct nats_call *call = side->at;
    size_t n = stream->len < side->left ? stream->len : (size_t)side->left;
    if (call && !call->has_gap)
        gather_add(&call->raw, dissect_entry_arena(call->entry), slice_of(stream->data, n),
                   RAW_MAX_BYTES);
    side->left -= n;
    take(conn, stream, call, n);
    if (side->left == 0)
        side->phase = PHASE_END;
}

/* ── late joins and gaps ── */

/* A whole line that this side may send. */
static bool is_line(struct slice text, enum dissect_dir dir)
{
    struct nats_line line;
    return nats_line_parse(text, &line) && nats_is_sent_by(line.op, dir);
}

static enum dissect_result read_lost(struct dissect_conn *conn, struct nats_state *state,
                                     struct dissect_stream *stream)
{
    struct nats_side *side = &state->side[stream->dir];
    size_t size = whole_line(side, stream);
    if (size == 0) {
        bool is_hopeless = stream->len >= LINE_MAX_BYTES || stream->ended;
        if (is_hopeless)
            dissect_take(conn, stream, NULL, NULL, stream->len);
        return is_hopeless ? DISSECT_OK : DISSECT_MORE;
    }
    if (side->phase == PHASE_JOIN && is_line(slice_of(stream->data, size), stream->dir)) {
        side->phase = PHASE_LINE;
        return read_operation(conn, state, stream, size);
    }
    side->phase = PHASE_JOIN; /* behind a line end one may begin */
    dissect_take(conn, stream, NULL, NULL, size);
    return DISSECT_OK;
}

/* A payload must end with its line; what follows one that does not is not trusted. */
static enum dissect_result read_end(struct dissect_conn *conn, struct nats_state *state,
                                    struct dissect_stream *stream)
{
    struct nats_side *side = &state->side[stream->dir];
    size_t n = stream->data[0] == '\r' ? 2 : 1;
    if (stream->len < n && !stream->ended)
        return DISSECT_MORE;
    if (stream->len >= n && stream->data[n - 1] == '\n') {
        take(conn, stream, side->at, n);
        side->phase = PHASE_LINE;
        payload_done(conn, state, stream->dir);
        return DISSECT_OK;
    }
    if (side->at)
        nats_emit(conn, side->at, "error", NULL);
    side->at = NULL;
    side->phase = PHASE_LOST;
    return read_lost(conn, state, stream);
}

/* The evidence of one side's first line: 2 is enough, 1 needs the other side. −1: no line. */
static int weigh(struct slice bytes, enum dissect_dir dir, bool *ret_more)
{
    struct nats_line line;
    const uint8_t *lf = bytes.len ? memchr(bytes.data, '\n', bytes.len) : NULL;
    struct slice text = slice_of(bytes.data, lf ? (size_t)(lf - bytes.data) + 1 : bytes.len);
    bool is_parsed = text.len && nats_line_parse(text, &line);
    if (!lf) {
        static const char *const words[] = {"INFO {", "CONNECT {", "PUB ",  "HPUB ",
                                            "SUB ",   "UNSUB ",    "MSG ",  "HMSG ",
                                            "PING\r", "PONG\r",    "+OK\r", "-ERR "};
        for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
            size_t n = strlen(words[i]) < bytes.len ? strlen(words[i]) : bytes.len;
            *ret_more |= n == 0 || strncasecmp((const char *)bytes.data, words[i], n) == 0;
        }
        bool is_info = bytes.len && is_parsed && line.op == NATS_INFO;
        return is_info && mentions(bytes, "\"server_id\"") ? 2 : *ret_more ? 0 : -1;
    }
    if (!is_parsed || !nats_is_sent_by(line.op, dir))
        return -1;
    if (line.op == NATS_INFO)
        return mentions(text, "\"server_id\"") ? 2 : -1;
    if (line.op == NATS_CONNECT)
        return mentions(text, "\"verbose\"") || mentions(text, "\"lang\"") ? 2 : -1;
    if (line.has_payload || line.op == NATS_SUB)
        return bytes.data[text.len - 2] == '\r' ? 2 : 0;
    return 1;
}

static enum probe_result nats_probe(const struct probe_input *in)
{
    /* The server speaks first. */
    for (int swapped = 0; swapped < 1 + in->is_late_join; swapped++) {
        bool more = false;
        int client = weigh(in->client, swapped ? DIR_SERVER : DIR_CLIENT, &more);
        int server = weigh(in->server, swapped ? DIR_CLIENT : DIR_SERVER, &more);
        bool is_begin = in->is_late_join || in->server.len;
        if (is_begin && (client == 2 || server == 2) && (in->is_late_join || server != -1))
            return PROBE_YES;
        if (in->is_late_join && client == 1 && server == 1)
            return PROBE_YES;
        if (in->client.len + in->server.len && more && client >= 0 && server >= 0)
            return PROBE_MAYBE;
    }
    return PROBE_NO;
}

/* ── what the engine calls ── */

static void nats_open(struct dissect_conn *conn, void *opaque)
{
    struct nats_state *state = opaque;
    if (dissect_is_late_join(conn))
        state->side[0].phase = state->side[1].phase = PHASE_JOIN;
}

static enum dissect_result nats_data(struct dissect_conn *conn, void *opaque,
                                     struct dissect_stream *stream)
{
    struct nats_state *state = opaque;
    if (stream->len == 0)
        return DISSECT_OK;
    switch (state->side[stream->dir].phase) {
    case PHASE_LINE:
        return read_line(conn, state, stream);
    case PHASE_PAYLOAD:
        read_payload(conn, state, stream);
        return DISSECT_OK;
    case PHASE_END:
        return read_end(conn, state, stream);
    case PHASE_JOIN:
    case PHASE_LOST:
        return read_lost(conn, state, stream);
    }
    return DISSECT_BAD;
}

static void nats_gap(struct dissect_conn *conn, void *opaque, enum dissect_dir dir, uint64_t bytes)
{
    struct nats_state *state = opaque;
    struct nats_side *side = &state->side[dir];
    struct nats_call *call = side->at;
    side->scanned = 0;
    uint64_t inside = side->phase == PHASE_PAYLOAD && bytes < side->left ? bytes : side->left;
    if (call && (side->phase == PHASE_PAYLOAD || side->phase == PHASE_END)) {
        span_of(call)->gap_bytes += inside;
        call->has_gap = true;
    }
    if (side->phase == PHASE_PAYLOAD && bytes <= side->left) {
        side->left -= bytes;
        side->phase = side->left ? PHASE_PAYLOAD : PHASE_END;
        return;
    }
    side->left = 0;
    payload_done(conn, state, dir);
    stop_pairing(conn, state);
    side->phase = PHASE_LOST;
}

static void nats_close(struct dissect_conn *conn, void *opaque, enum dissect_end end)
{
    struct nats_state *state = opaque;
    bool is_open = end == END_OF_DATA;
    learn_mode(conn, state, MODE_QUIET);
    struct nats_call *lists[] = {state->oldest, state->side[0].pings, state->side[1].pings};
    for (int i = 0; i < 3; i++)
        for (struct nats_call *call = lists[i], *next; call; call = next) {
            next = call->next;
            nats_emit(conn, call, is_open ? "open" : "no_response", dissect_end_reason(end));
        }
    for (int dir = 0; dir < 2; dir++)
        if (state->side[dir].at)
            nats_emit(conn, state->side[dir].at, is_open ? "open" : "error",
                      is_open ? "window_end" : dissect_end_reason(end));
}

static const uint16_t nats_ports[] = {4222, 0};

const struct dissector dissector_nats = {
    .name = "nats",
    .spec = "NATS Client Protocol, NATS ADR-4",
    .transports = DISSECT_TCP,
    .port_hints = nats_ports,
    .fields = nats_fields,
    .field_count = NATS_FIELD_COUNT,
    .state_bytes = sizeof(struct nats_state),
    .probe = nats_probe,
    .open = nats_open,
    .data = nats_data,
    .gap = nats_gap,
    .close = nats_close,
};
