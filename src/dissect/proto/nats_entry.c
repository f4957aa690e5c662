/* From a NATS operation to the fields of its entry (filter.md, row NATS). */
#include "dissect/proto/http_entry.h"
#include "dissect/proto/nats_call.h"

enum {
    SUMMARY_PAYLOAD_MAX = 80,
    SUMMARY_TEXT_MAX = 160,
    MAX_HEADERS = 256
};

enum nats_field {
    OP,
    SUBJECT,
    QUEUE,
    REPLY_TO,
    SID,
    ERROR,
    PAYLOAD_SIZE,
    FIELDS
};
_Static_assert(FIELDS == (int)NATS_FIELD_COUNT, "the table is as long as its enum");

const struct field_def nats_fields[NATS_FIELD_COUNT] = {
    [OP] = {"nats_op", FIELD_TEXT, 0, 0, "operation: PUB, HPUB, MSG, HMSG, SUB, CONNECT, -ERR …",
            "nats_op == \"MSG\""},
    [SUBJECT] = {"nats_subject", FIELD_TEXT, 0, 0, "subject",
                 "nats_subject.startsWith(\"orders.\")"},
    [QUEUE] = {"nats_queue", FIELD_TEXT, 0, 0,
               "queue group of a subscription, and of the messages it gets",
               "nats_queue == \"workers\""},
    [REPLY_TO] = {"nats_reply_to", FIELD_TEXT, 0, 0, "subject that an answer is awaited on",
                  "nats_reply_to != \"\""},
    [SID] = {"nats_sid", FIELD_TEXT, 0, 0, "number of the subscription", "nats_sid == \"1\""},
    [ERROR] = {"nats_error", FIELD_TEXT, 0, 0, "text of an error",
               "nats_error.contains(\"Authorization\")"},
    [PAYLOAD_SIZE] = {"nats_payload_size", FIELD_INT, 0, 0, "bytes of the payload, without headers",
                      "nats_payload_size > 65536"},
};

static void set_text(struct dissect_entry *entry, unsigned field, struct slice text)
{
    if (text.len)
        dissect_set_text(entry, field, text);
}

/* One line, at most so long. */
static struct slice one_line(struct arena *arena, struct slice text, size_t most)
{
    size_t n = text.len < most ? text.len : most;
    while (n && n < text.len && (text.data[n] & 0xc0) == 0x80)
        n--;
    uint8_t *out = arena_alloc(arena, n + 4);
    if (!out)
        return SLICE_NONE;
    for (size_t i = 0; i < n; i++)
        out[i] = text.data[i] < ' ' || text.data[i] == 0x7f ? ' ' : text.data[i];
    if (n < text.len) {
        memcpy(out + n, "…", sizeof "…" - 1);
        n += sizeof "…" - 1;
    }
    return slice_of(out, n);
}

static struct slice next_line(struct slice *text)
{
    const uint8_t *end = text->len ? memchr(text->data, '\n', text->len) : NULL;
    struct slice line = slice_of(text->data, end ? (size_t)(end - text->data) : text->len);
    *text = slice_sub(*text, line.len + 1, SIZE_MAX);
    if (line.len && line.data[line.len - 1] == '\r')
        line.len--;
    return line;
}

/* "NATS/1.0 503 No Responders": the code, or 0. */
static int header_status(struct slice line)
{
    struct slice code = slice_trim(slice_sub(line, 8, SIZE_MAX));
    int v = 0;
    for (size_t i = 0; i < 3; i++) {
        if (i >= code.len || code.data[i] < '0' || code.data[i] > '9')
            return 0;
        v = v * 10 + (code.data[i] - '0');
    }
    return v;
}

/* Sets the headers (NATS ADR-4); returns their status code. */
static int set_headers(struct nats_call *call, struct slice text)
{
    struct arena *arena = dissect_entry_arena(call->entry);
    struct slice first = next_line(&text);
    if (!slice_starts_with(first, SLICE_LITERAL("NATS/1.0")))
        return 0;
    struct entry_pair *pairs = arena_alloc(arena, MAX_HEADERS * sizeof *pairs);
    size_t count = 0;
    while (pairs && text.len && count < MAX_HEADERS) {
        struct slice line = next_line(&text);
        const uint8_t *colon = line.len ? memchr(line.data, ':', line.len) : NULL;
        if (!colon)
            continue;
        size_t n = (size_t)(colon - line.data);
        pairs[count++] = (struct entry_pair){.key = slice_sub(line, 0, n),
                                             .value = slice_trim(slice_sub(line, n + 1, SIZE_MAX))};
    }
    if (count)
        dissect_set_map(call->entry, FIELD_REQUEST_HEADERS_ID, pairs,
                        http_join_repeats(arena, pairs, count));
    return header_status(first);
}

/* Returns the payload that is shown. */
static struct slice set_payload(struct nats_call *call, bool *ret_failed)
{
    struct dissect_entry *entry = call->entry;
    struct slice raw = gather_slice(&call->raw);
    struct slice payload = slice_sub(raw, call->line.header_size, SIZE_MAX);
    int code =
        call->line.header_size ? set_headers(call, slice_sub(raw, 0, call->line.header_size)) : 0;
    int64_t size = (int64_t)call->line.total_size - call->line.header_size;
    bool is_cut = call->raw.len < call->line.total_size || payload.len > DISSECT_BODY_CAP;
    dissect_set_int(entry, OWN_FIELD(PAYLOAD_SIZE), size);
    dissect_set_int(entry, FIELD_REQUEST_BODY_SIZE_ID, size);
    set_text(entry, FIELD_REQUEST_BODY_ID, slice_sub(payload, 0, DISSECT_BODY_CAP));
    if (is_cut) {
        dissect_set_bool(entry, FIELD_REQUEST_TRUNCATED_ID, true);
        dissect_set_bool(entry, FIELD_TRUNCATED_ID, true);
    }
    if (code)
        dissect_set_int(entry, FIELD_STATUS_CODE_ID, code);
    *ret_failed = code >= 500;
    return payload;
}

static struct slice describe(struct nats_call *call, struct slice payload)
{
    struct arena *arena = dissect_entry_arena(call->entry);
    const struct nats_line *line = &call->line;
    struct slice word = line->op == NATS_UNKNOWN ? one_line(arena, line->word, SUMMARY_TEXT_MAX)
                                                 : slice_str(nats_op_name(line->op));
    struct slice what = one_line(arena, line->subject, SUMMARY_TEXT_MAX);
    const char *arrow = call->is_answer ? "→ " : "";
    if (line->has_payload && payload.len && !gather_is_binary(payload)) {
        payload = one_line(arena, payload, SUMMARY_PAYLOAD_MAX);
        return arena_printf(arena, "%.*s %.*s: %.*s", SLICE_ARGS(word), SLICE_ARGS(what),
                            SLICE_ARGS(payload));
    }
    if (line->has_payload)
        return arena_printf(arena, "%.*s %.*s (%zu bytes)", SLICE_ARGS(word), SLICE_ARGS(what),
                            payload.len);
    if (line->op == NATS_SUB && line->queue.len)
        return arena_printf(arena, "SUB %.*s (queue %.*s)", SLICE_ARGS(what),
                            SLICE_ARGS(line->queue));
    if (line->op == NATS_UNSUB)
        what = line->sid;
    if (line->op == NATS_ERR)
        what = one_line(arena, line->rest, SUMMARY_TEXT_MAX);
    return arena_printf(arena, "%s%.*s%s%.*s", arrow, SLICE_ARGS(word), what.len ? " " : "",
                        SLICE_ARGS(what));
}

void nats_emit(struct dissect_conn *conn, struct nats_call *call, const char *status,
               const char *reason)
{
    struct dissect_entry *entry = call->entry;
    struct arena *arena = dissect_entry_arena(entry);
    const struct nats_line *line = &call->line;
    bool is_failed = call->error.len > 0 || line->op == NATS_UNKNOWN;
    bool has_failed_status = false;
    struct slice payload = line->has_payload ? set_payload(call, &has_failed_status) : SLICE_NONE;
    if (line->op == NATS_UNKNOWN)
        dissect_set_text(entry, OWN_FIELD(OP), slice_sub(line->word, 0, 32));
    else
        dissect_set_str(entry, OWN_FIELD(OP), nats_op_name(line->op));
    set_text(entry, OWN_FIELD(SUBJECT), line->subject);
    set_text(entry, OWN_FIELD(QUEUE), line->queue);
    set_text(entry, OWN_FIELD(REPLY_TO), line->reply_to);
    set_text(entry, OWN_FIELD(SID), line->sid);
    set_text(entry, OWN_FIELD(ERROR), call->error);
    if (line->op == NATS_INFO || line->op == NATS_CONNECT)
        set_text(entry, call->is_answer ? FIELD_RESPONSE_BODY_ID : FIELD_REQUEST_BODY_ID,
                 line->rest);
    struct slice asked = describe(call, payload);
    struct slice told = one_line(arena, call->answer, SUMMARY_TEXT_MAX);
    dissect_set_text(entry, FIELD_SUMMARY_ID,
                     arena_printf(arena, "%.*s%s%.*s", SLICE_ARGS(asked), told.len ? " → " : "",
                                  SLICE_ARGS(told)));
    if (!reason && (is_failed || has_failed_status))
        status = "error";
    dissect_set_status(entry, status, reason);
    dissect_entry_emit(conn, entry);
}
