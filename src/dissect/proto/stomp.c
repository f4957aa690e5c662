/* STOMP (STOMP 1.0, 1.1, 1.2).
 *
 * Every frame of the client is an entry. One that asks for a receipt waits for the RECEIPT (or
 * ERROR) that names it in `receipt-id`; CONNECT waits for CONNECTED or ERROR; all others are not
 * answered by design and leave at once. Frames the server sends by itself (MESSAGE, an ERROR that
 * names nobody) are entries of their own with the server as requester.
 *
 * A header block is read when it is whole, a body as it comes. After a loss outside a body of known
 * length a direction goes on at the next NUL (or at the loss itself) behind which a frame begins.
 */
#include "base/hash.h"
#include "dissect/proto/gather.h"
#include "dissect/proto/stomp_frame.h"

enum {
    FIRST_LINE_MAX = 64, /* without a line end by then it is no frame */
    WAITING_MAX = 512,   /* calls without their receipt; the client is not read on meanwhile */
    SUMMARY_MAX = 160,
    HEADER_NEEDS = 64 /* bytes that surely tell whether a frame begins */
};

enum stomp_field {
    COMMAND,
    DESTINATION,
    SUBSCRIPTION,
    MESSAGE_ID,
    TRANSACTION,
    RECEIPT,
    RESPONSE,
    VERSION,
    ERROR,
    FIELDS
};

static const struct field_def stomp_fields[] = {
    [COMMAND] = {"stomp_command", FIELD_TEXT, 0, 0, "command of the frame that asks or delivers",
                 "stomp_command == \"SEND\""},
    [DESTINATION] = {"stomp_destination", FIELD_TEXT, 0, 0, "destination of the frame",
                     "stomp_destination.startsWith(\"/queue/\")"},
    [SUBSCRIPTION] = {"stomp_subscription", FIELD_TEXT, 0, 0,
                      "id of the subscription made, ended or delivered to",
                      "stomp_subscription == \"0\""},
    [MESSAGE_ID] = {"stomp_message_id", FIELD_TEXT, 0, 0,
                    "message delivered, or acknowledged by ACK and NACK",
                    "stomp_message_id == \"007\""},
    [TRANSACTION] = {"stomp_transaction", FIELD_TEXT, 0, 0, "transaction the frame belongs to",
                     "stomp_transaction == \"tx1\""},
    [RECEIPT] = {"stomp_receipt", FIELD_TEXT, 0, 0, "receipt asked for, or given",
                 "stomp_receipt == \"message-12345\""},
    [RESPONSE] = {"stomp_response", FIELD_TEXT, 0, 0, "command of the frame that answers",
                  "stomp_response == \"RECEIPT\""},
    [VERSION] = {"stomp_version", FIELD_TEXT, 0, 0, "version agreed on in CONNECTED",
                 "stomp_version == \"1.2\""},
    [ERROR] = {"stomp_error", FIELD_TEXT, 0, 0, "message header of an ERROR frame",
               "stomp_error.contains(\"denied\")"},
};
_Static_assert(sizeof stomp_fields / sizeof stomp_fields[0] == (size_t)FIELDS,
               "the table is as long as its enum");

/* A frame of the client with its answer, or a frame of the server; lives in its entry's arena. */
struct call {
    struct call *next;
    struct dissect_entry *entry;
    struct stomp_frame request, response; /* of a server's own frame: only `request` */
    struct gather request_body, response_body;
    uint64_t body_sizes[2]; /* of request and response, missing bytes not counted */
    uint64_t receipt_hash;
    struct slice receipt; /* waits for it; CONNECT: empty */
    bool damaged;         /* bytes are missing inside, or it did not end as it should */
};

enum phase {
    PHASE_BETWEEN, /* line ends (heart-beats), then a header block */
    PHASE_BODY,    /* `left` bytes */
    PHASE_TEXT,    /* a body that ends at a NUL */
    PHASE_NUL,     /* behind a body of known length */
    PHASE_LOST
};

struct side {
    struct call *call; /* whose frame is being read */
    uint64_t left;
    size_t scanned;
    enum phase phase;
    bool is_response;
    bool is_behind_gap; /* PHASE_LOST: the next byte may be the first of a frame */
};

struct state {
    struct side sides[2];
    struct call *oldest, *newest; /* wait for their answers */
    size_t waiting;
    uint64_t last_receipt_hash;
    bool begun;  /* who is the client has been looked at */
    bool is_1_0; /* CONNECTED named no version */
    bool lost;   /* bytes are missing in either direction */
    bool reuses; /* the client used a receipt id twice in a row: after a loss it proves nothing */
};

/* ── entries ── */

static void set_header(struct call *call, enum stomp_field field, const struct stomp_frame *frame,
                       const char *name)
{
    struct slice value = stomp_header(frame, name);
    if (value.len)
        dissect_set_text(call->entry, OWN_FIELD(field), value);
}

static void set_request(struct call *call)
{
    const struct stomp_frame *f = &call->request;
    bool acknowledges = slice_eq_nocase(f->command, SLICE_LITERAL("ACK")) ||
                        slice_eq_nocase(f->command, SLICE_LITERAL("NACK"));
    dissect_set_text(call->entry, OWN_FIELD(COMMAND), f->command);
    set_header(call, DESTINATION, f, "destination");
    set_header(call, TRANSACTION, f, "transaction");
    set_header(call, RECEIPT, f, f->kind <= STOMP_CLIENT ? "receipt" : "receipt-id");
    /* The `id` of ACK names a message (1.2), that of the others a subscription. */
    set_header(call, MESSAGE_ID, f, "message-id");
    set_header(call, acknowledges ? MESSAGE_ID : SUBSCRIPTION, f, "id");
    set_header(call, SUBSCRIPTION, f, "subscription");
    if (f->header_count)
        dissect_set_map(call->entry, FIELD_REQUEST_HEADERS_ID, f->headers, f->header_count);
}

static void set_answer(struct call *call, const struct stomp_frame *f)
{
    if (f->kind == STOMP_CONNECTED)
        set_header(call, VERSION, f, "version");
    if (f->kind == STOMP_ERROR)
        set_header(call, ERROR, f, "message");
}

static struct slice clipped(struct slice text)
{
    return slice_sub(text, 0, SUMMARY_MAX);
}

static struct slice summary(const struct call *call)
{
    struct arena *arena = dissect_entry_arena(call->entry);
    const struct stomp_frame *asked = &call->request, *came = &call->response;
    const struct stomp_frame *last = came->command.len ? came : asked;
    struct slice to = clipped(stomp_header(asked, "destination"));
    struct slice version = clipped(stomp_header(came, "version"));
    struct slice error =
        last->kind == STOMP_ERROR ? clipped(stomp_header(last, "message")) : SLICE_NONE;
    return arena_printf(arena, "%.*s%s%.*s%s%.*s%s%.*s%s%.*s", SLICE_ARGS(asked->command),
                        to.len ? " " : "", SLICE_ARGS(to), came->command.len ? " → " : "",
                        SLICE_ARGS(came->command), version.len ? " " : "", SLICE_ARGS(version),
                        error.len ? ": " : "", SLICE_ARGS(error));
}

static void set_body(struct call *call, const struct gather *body, bool is_response)
{
    uint64_t size = call->body_sizes[is_response];
    if (size)
        dissect_set_int(call->entry,
                        is_response ? FIELD_RESPONSE_BODY_SIZE_ID : FIELD_REQUEST_BODY_SIZE_ID,
                        (int64_t)size);
    if (body->len)
        dissect_set_text(call->entry, is_response ? FIELD_RESPONSE_BODY_ID : FIELD_REQUEST_BODY_ID,
                         gather_slice(body));
    if (body->cut) {
        dissect_set_bool(call->entry,
                         is_response ? FIELD_RESPONSE_TRUNCATED_ID : FIELD_REQUEST_TRUNCATED_ID,
                         true);
        dissect_set_bool(call->entry, FIELD_TRUNCATED_ID, true);
    }
}

static void emit(struct dissect_conn *conn, struct call *call, const char *status,
                 const char *reason)
{
    struct stomp_frame *answer = &call->response;
    set_request(call);
    set_body(call, &call->request_body, false);
    set_answer(call, &call->request);
    if (answer->command.len) {
        dissect_set_text(call->entry, OWN_FIELD(RESPONSE), answer->command);
        set_answer(call, answer);
        if (answer->header_count)
            dissect_set_map(call->entry, FIELD_RESPONSE_HEADERS_ID, answer->headers,
                            answer->header_count);
        set_body(call, &call->response_body, true);
    }
    if (call->request.truncated || answer->truncated)
        dissect_set_bool(call->entry, FIELD_TRUNCATED_ID, true);
    dissect_set_text(call->entry, FIELD_SUMMARY_ID, summary(call));
    dissect_set_status(call->entry, status, reason);
    dissect_entry_emit(conn, call->entry);
}

/* With all that will come. A half without its partner says so. */
static void emit_whole(struct dissect_conn *conn, const struct state *state, struct call *call)
{
    enum stomp_kind first = call->request.kind;
    bool late = dissect_is_late_join(conn), is_error = first == STOMP_ERROR;
    bool answers = is_error && stomp_header(&call->request, "receipt-id").len;
    bool is_alone = first == STOMP_RECEIPT || first == STOMP_CONNECTED || answers ||
                    (is_error && (state->lost || late));
    if (call->damaged)
        emit(conn, call, "incomplete", "capture_gap");
    else if (is_alone) /* what it answers was lost: perhaps that shows only later */
        emit(conn, call, "incomplete", late && !state->lost ? "window_start" : "capture_gap");
    else if (is_error || call->response.kind == STOMP_ERROR)
        emit(conn, call, "error", NULL);
    else
        emit(conn, call, "ok", NULL);
}

/* ── who answers whom ── */

static void wait_for_answer(struct dissect_conn *conn, struct state *state, struct call *call)
{
    call->receipt = stomp_header(&call->request, "receipt");
    bool connects = call->request.kind == STOMP_CONNECT;
    if (connects)
        call->receipt = SLICE_NONE;
    call->receipt_hash = hash_bytes(hash_fixed_key, call->receipt.data, call->receipt.len);
    if (call->receipt.len) {
        state->reuses |= call->receipt_hash == state->last_receipt_hash;
        state->last_receipt_hash = call->receipt_hash;
    }
    if (call->damaged || (!connects && call->receipt.len == 0)) {
        emit_whole(conn, state, call);
        return;
    }
    if (call->receipt.len && state->lost && state->reuses) {
        emit(conn, call, "incomplete", "capture_gap");
        return;
    }
    if (state->newest)
        state->newest->next = call;
    else
        state->oldest = call;
    state->newest = call;
    state->waiting++;
}

/* The oldest call that the frame answers, taken out of the list; NULL when there is none, or after
 * a loss more than one. Receipts come nearly always in order; the list has WAITING_MAX elements. */
static struct call *take_answered(struct state *state, const struct stomp_frame *frame)
{
    struct slice receipt = stomp_header(frame, "receipt-id");
    bool answers_connect =
        frame->kind == STOMP_CONNECTED || (frame->kind == STOMP_ERROR && receipt.len == 0);
    if (frame->kind == STOMP_MESSAGE || (!answers_connect && receipt.len == 0) ||
        (receipt.len && state->lost && state->reuses))
        return NULL;
    if (answers_connect)
        receipt = SLICE_NONE;
    uint64_t hash = hash_bytes(hash_fixed_key, receipt.data, receipt.len);
    struct call *found = NULL, *found_before = NULL, *before = NULL;
    for (struct call *call = state->oldest; call; before = call, call = call->next) {
        if (call->receipt_hash != hash || !slice_eq(call->receipt, receipt))
            continue;
        if (found)
            return NULL;
        found = call;
        found_before = before;
        if (!state->lost)
            break;
    }
    if (!found)
        return NULL;
    if (found_before)
        found_before->next = found->next;
    else
        state->oldest = found->next;
    if (state->newest == found)
        state->newest = found_before;
    found->next = NULL;
    /* behind a loss it may be the end of another call */
    found->damaged |= state->lost && frame->kind == STOMP_ERROR && receipt.len == 0;
    state->waiting--;
    return found;
}

/* ── reading ── */

static struct slice without_heart_beats(struct slice s)
{
    while (s.len && (s.data[0] == '\n' || s.data[0] == '\r'))
        s = slice_sub(s, 1, s.len);
    return s;
}

static void finish_frame(struct dissect_conn *conn, struct state *state, enum dissect_dir dir)
{
    struct side *side = &state->sides[dir];
    struct call *call = side->call;
    side->call = NULL;
    side->scanned = 0;
    side->phase = PHASE_BETWEEN;
    if (dir == DIR_CLIENT && call->request.kind <= STOMP_CLIENT)
        wait_for_answer(conn, state, call);
    else
        emit_whole(conn, state, call);
}

static struct dissect_span *frame_span(const struct side *side)
{
    return side->is_response ? dissect_entry_response(side->call->entry)
                             : dissect_entry_request(side->call->entry);
}

static struct stomp_frame *frame_of(const struct side *side)
{
    return side->is_response ? &side->call->response : &side->call->request;
}

static struct call *begin_call(struct dissect_conn *conn)
{
    struct dissect_entry *entry = dissect_entry_begin(conn);
    struct call *call = entry ? arena_zalloc(dissect_entry_arena(entry), sizeof *call) : NULL;
    if (entry && !call)
        dissect_entry_drop(conn, entry);
    if (call)
        call->entry = entry;
    return call;
}

/* Reads the block into an entry of its own; when it turns out to answer one that waits, the frame
 * is read again into that one. */
static enum dissect_result begin_frame(struct dissect_conn *conn, struct state *state,
                                       struct dissect_stream *stream, size_t n)
{
    struct side *side = &state->sides[stream->dir];
    struct slice block = slice_of(stream->data, n);
    struct call *call = begin_call(conn);
    if (!call)
        return DISSECT_MORE;
    if (!stomp_frame_read(block, state->is_1_0, dissect_entry_arena(call->entry), &call->request)) {
        dissect_entry_drop(conn, call->entry);
        return DISSECT_BAD;
    }
    struct call *answered = stream->dir == DIR_SERVER ? take_answered(state, &call->request) : NULL;
    side->is_response = answered != NULL;
    if (stream->dir == DIR_SERVER && call->request.kind == STOMP_CONNECTED)
        state->is_1_0 = stomp_header(&call->request, "version").len == 0;
    if (answered) {
        dissect_entry_drop(conn, call->entry);
        call = answered;
        stomp_frame_read(block, state->is_1_0, dissect_entry_arena(call->entry), &call->response);
    } else if (stream->dir == DIR_SERVER) {
        dissect_entry_reverse(call->entry);
    }
    side->call = call;
    const struct stomp_frame *frame = frame_of(side);
    dissect_take(conn, stream, dissect_entry_arena(call->entry), frame_span(side), n);
    dissect_set_int(call->entry,
                    side->is_response ? FIELD_RESPONSE_HEADERS_SIZE_ID
                                      : FIELD_REQUEST_HEADERS_SIZE_ID,
                    (int64_t)n);
    side->left = frame->body_size > 0 ? (uint64_t)frame->body_size : 0;
    side->phase = frame->body_size < 0 ? PHASE_TEXT : side->left ? PHASE_BODY : PHASE_NUL;
    return DISSECT_OK;
}

static enum dissect_result read_between(struct dissect_conn *conn, struct state *state,
                                        struct dissect_stream *stream)
{
    struct side *side = &state->sides[stream->dir];
    size_t n = 0;
    while (n < stream->len && (stream->data[n] == '\n' || stream->data[n] == '\r'))
        n++;
    if (n) {
        dissect_take(conn, stream, NULL, NULL, n);
        return DISSECT_OK;
    }
    struct slice s = slice_of(stream->data, stream->len);
    if (stream->dir == DIR_CLIENT && state->waiting >= WAITING_MAX)
        return DISSECT_MORE;
    n = stomp_header_length(s, &side->scanned);
    bool has_line = s.len && memchr(s.data, '\n', s.len < FIRST_LINE_MAX ? s.len : FIRST_LINE_MAX);
    if (n > DISSECT_HEADER_CAP || (n == 0 && s.len > DISSECT_HEADER_CAP) || s.data[0] == 0 ||
        (!has_line && s.len >= FIRST_LINE_MAX))
        return DISSECT_BAD;
    return n ? begin_frame(conn, state, stream, n) : DISSECT_MORE;
}

static void take_body(struct dissect_conn *conn, struct side *side, struct dissect_stream *stream,
                      size_t n)
{
    struct call *call = side->call;
    struct arena *arena = dissect_entry_arena(call->entry);
    struct gather *body = side->is_response ? &call->response_body : &call->request_body;
    /* What comes behind a gap is counted, never shown next to what came before it. */
    if (!call->damaged)
        gather_add(body, arena, slice_of(stream->data, n), DISSECT_BODY_CAP);
    call->body_sizes[side->is_response] += n;
    dissect_take(conn, stream, arena, frame_span(side), n);
}

static enum dissect_result read_body(struct dissect_conn *conn, struct state *state,
                                     struct dissect_stream *stream)
{
    struct side *side = &state->sides[stream->dir];
    struct arena *arena = dissect_entry_arena(side->call->entry);
    if (side->phase == PHASE_BODY) {
        size_t n = stream->len < side->left ? stream->len : (size_t)side->left;
        take_body(conn, side, stream, n);
        side->left -= n;
        if (side->left == 0)
            side->phase = PHASE_NUL;
        return DISSECT_OK;
    }
    const uint8_t *nul = memchr(stream->data, 0, stream->len);
    if (side->phase == PHASE_TEXT && nul != stream->data) {
        take_body(conn, side, stream, nul ? (size_t)(nul - stream->data) : stream->len);
        return DISSECT_OK;
    }
    bool is_nul = stream->data[0] == 0;
    if (is_nul)
        dissect_take(conn, stream, arena, frame_span(side), 1);
    side->call->damaged |= !is_nul;
    finish_frame(conn, state, stream->dir);
    if (!is_nul)
        side->phase = PHASE_LOST;
    return DISSECT_OK;
}

/* Looks at the byte behind a gap, then behind every NUL and the line ends that follow it. */
static enum dissect_result skip_to_frame(struct dissect_conn *conn, struct side *side,
                                         struct dissect_stream *stream)
{
    struct slice s = slice_of(stream->data, stream->len);
    size_t n = 0;
    if (side->is_behind_gap) {
        while (n < s.len && (s.data[n] == '\n' || s.data[n] == '\r'))
            n++;
        enum probe_result found =
            n < s.len ? stomp_frame_begins(slice_sub(s, n, HEADER_NEEDS), stream->dir)
                      : PROBE_MAYBE;
        if (found == PROBE_MAYBE && !stream->ended && n == 0)
            return DISSECT_MORE;
        if (found == PROBE_YES)
            side->phase = PHASE_BETWEEN;
        side->is_behind_gap = found != PROBE_NO && !stream->ended;
    }
    if (n == 0 && !side->is_behind_gap && side->phase == PHASE_LOST) {
        const uint8_t *nul = memchr(s.data, 0, s.len);
        n = nul ? (size_t)(nul - s.data) + 1 : s.len;
        side->is_behind_gap = nul != NULL;
    }
    dissect_take(conn, stream, NULL, NULL, n);
    return DISSECT_OK;
}

/* Joined late: the commands tell who the client is. */
static enum probe_result sides_are_swapped(struct dissect_conn *conn, struct state *state,
                                           const struct dissect_stream *stream)
{
    struct slice s = without_heart_beats(slice_of(stream->data, stream->len));
    if (s.len == 0 || state->begun || !dissect_is_late_join(conn))
        return PROBE_NO;
    enum dissect_dir other = stream->dir == DIR_CLIENT ? DIR_SERVER : DIR_CLIENT;
    enum probe_result swapped = stomp_frame_begins(s, other);
    enum probe_result right = stomp_frame_begins(s, stream->dir);
    state->begun = swapped == PROBE_YES || right == PROBE_YES;
    return right == PROBE_MAYBE && !stream->ended    ? PROBE_MAYBE
           : swapped == PROBE_MAYBE && stream->ended ? PROBE_NO
                                                     : swapped;
}

/* Nothing says that a late join begins at a frame. */
static void stomp_open(struct dissect_conn *conn, void *opaque)
{
    struct state *state = opaque;
    if (!dissect_is_late_join(conn))
        return;
    for (int dir = DIR_CLIENT; dir <= DIR_SERVER; dir++)
        state->sides[dir] = (struct side){.phase = PHASE_LOST, .is_behind_gap = true};
}

static enum dissect_result stomp_data(struct dissect_conn *conn, void *opaque,
                                      struct dissect_stream *stream)
{
    struct state *state = opaque;
    struct side *side = &state->sides[stream->dir];
    if (stream->len == 0)
        return DISSECT_OK;
    switch (sides_are_swapped(conn, state, stream)) {
    case PROBE_MAYBE:
        return DISSECT_MORE;
    case PROBE_YES:
        dissect_swap_sides(conn);
        return DISSECT_OK;
    case PROBE_NO:
        break;
    }
    /* A step that consumes nothing changes the phase, and the next one goes on from there. */
    for (;;) {
        enum phase phase = side->phase;
        size_t len = stream->len;
        enum dissect_result result = phase == PHASE_LOST      ? skip_to_frame(conn, side, stream)
                                     : phase == PHASE_BETWEEN ? read_between(conn, state, stream)
                                                              : read_body(conn, state, stream);
        if (result != DISSECT_OK || stream->len != len || side->phase == phase)
            return result;
    }
}

/* ── what is missing, and the end ── */

static void stomp_gap(struct dissect_conn *conn, void *opaque, enum dissect_dir dir, uint64_t bytes)
{
    struct state *state = opaque;
    struct side *side = &state->sides[dir];
    state->lost = true;
    side->scanned = 0;
    if (side->call) {
        side->call->damaged = true;
        frame_span(side)->gap_bytes += bytes;
        if (side->phase == PHASE_BODY && bytes < side->left) {
            struct gather *body =
                side->is_response ? &side->call->response_body : &side->call->request_body;
            body->cut = true;
            side->left -= bytes;
            return;
        }
        finish_frame(conn, state, dir);
    }
    side->phase = PHASE_LOST;
    side->is_behind_gap = true;
}

static void stomp_close(struct dissect_conn *conn, void *opaque, enum dissect_end end)
{
    struct state *state = opaque;
    const char *status = end == END_OF_DATA ? "open" : "no_response";
    const char *reason = dissect_end_reason(end);
    for (int dir = DIR_CLIENT; dir <= DIR_SERVER; dir++) {
        struct call *call = state->sides[dir].call;
        if (call)
            emit(conn, call, call->damaged ? "incomplete" : status,
                 call->damaged ? "capture_gap" : reason);
    }
    while (state->oldest) {
        struct call *call = state->oldest;
        state->oldest = call->next;
        emit(conn, call, state->lost ? "incomplete" : status, state->lost ? "capture_gap" : reason);
    }
}

/* ── detection: by content, the same answer for the same bytes, no YES to a neighbour ── */

/* What one side says; an empty one says nothing yet. */
static enum probe_result probe_side(struct slice s, bool ended, enum dissect_dir dir)
{
    s = without_heart_beats(s);
    enum probe_result found = s.len ? stomp_frame_begins(s, dir) : PROBE_MAYBE;
    return found == PROBE_MAYBE && ended ? PROBE_NO : found;
}

static enum probe_result stomp_probe(const struct probe_input *in)
{
    if (!in->is_late_join) {
        if (in->client.len == 0)
            return in->server.len || in->client_ended ? PROBE_NO : PROBE_MAYBE;
        enum probe_result found = stomp_connect_begins(in->client);
        return found == PROBE_MAYBE && in->client_ended ? PROBE_NO : found;
    }
    enum probe_result answer = PROBE_NO;
    for (int swapped = 0; swapped < 2; swapped++) {
        enum probe_result client =
            probe_side(in->client, in->client_ended, swapped ? DIR_SERVER : DIR_CLIENT);
        enum probe_result server =
            probe_side(in->server, in->server_ended, swapped ? DIR_CLIENT : DIR_SERVER);
        if (client == PROBE_YES || server == PROBE_YES)
            return PROBE_YES;
        /* Where one side is no frame the other alone would have to be: not worth the wait. */
        if (client == PROBE_MAYBE && server == PROBE_MAYBE)
            answer = PROBE_MAYBE;
    }
    return answer;
}

static const uint16_t stomp_ports[] = {61613, 0};

const struct dissector dissector_stomp = {
    .name = "stomp",
    .spec = "STOMP 1.2",
    .transports = DISSECT_TCP,
    .port_hints = stomp_ports,
    .fields = stomp_fields,
    .field_count = FIELDS,
    .state_bytes = sizeof(struct state),
    .probe = stomp_probe,
    .open = stomp_open,
    .data = stomp_data,
    .gap = stomp_gap,
    .close = stomp_close,
};
