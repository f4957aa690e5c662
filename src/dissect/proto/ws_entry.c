/* From a WebSocket message to the fields of its entry (filter.md, row WebSocket). */
#include "dissect/proto/ws_message.h"

enum {
    SUMMARY_TEXT_MAX = 160,
    PAYLOAD_DATA_MAX = 4096
};

enum ws_field {
    OPCODE,
    REQUEST,
    RESPONSE,
    REQUEST_PAYLOAD_DATA,
    REQUEST_PAYLOAD_LENGTH,
    RESPONSE_PAYLOAD_LENGTH,
    CLOSE_CODE,
    CLOSE_REASON,
    COMPRESSED,
    UNDECODED,
    PROTOCOL,
    FIELDS
};
_Static_assert(FIELDS == (int)WS_FIELD_COUNT, "the table is as long as its enum");

const struct field_def ws_fields[WS_FIELD_COUNT] = {
    [OPCODE] = {"ws_opcode", FIELD_TEXT, 0, 0,
                "text, binary, close, ping, pong; continuation: the message's beginning is missing",
                "ws_opcode == \"close\""},
    [REQUEST] = {"ws_request", FIELD_BOOL, 0, 0, "sent by the client", "ws_request"},
    [RESPONSE] = {"ws_response", FIELD_BOOL, 0, 0, "sent by the server", "ws_response"},
    [REQUEST_PAYLOAD_DATA] = {"ws_request_payload_data", FIELD_TEXT, 0, 0,
                              "what the client sent (first 4 KiB)",
                              "ws_request_payload_data.contains(\"subscribe\")"},
    [REQUEST_PAYLOAD_LENGTH] = {"ws_request_payload_length", FIELD_INT, 0, 0,
                                "bytes of the client's payload on the wire",
                                "ws_request_payload_length > 65536"},
    [RESPONSE_PAYLOAD_LENGTH] = {"ws_response_payload_length", FIELD_INT, 0, 0,
                                 "bytes of the server's payload on the wire",
                                 "ws_response_payload_length > 65536"},
    [CLOSE_CODE] = {"ws_close_code", FIELD_INT, 0, 0, "status code of a close frame",
                    "ws_close_code == 1011"},
    [CLOSE_REASON] = {"ws_close_reason", FIELD_TEXT, 0, 0, "reason of a close frame",
                      "ws_close_reason.contains(\"timeout\")"},
    [COMPRESSED] = {"ws_compressed", FIELD_BOOL, 0, 0, "compressed with permessage-deflate",
                    "ws_compressed"},
    [UNDECODED] = {"ws_undecoded", FIELD_TEXT, 0, 0,
                   "why a message is not shown whole: history (what it refers to was not "
                   "recorded), damage, cap or extension",
                   "ws_undecoded == \"history\""},
    [PROTOCOL] = {"ws_protocol", FIELD_TEXT, 0, 0, "subprotocol agreed on in the handshake",
                  "ws_protocol == \"graphql-transport-ws\""},
};

static struct slice shorten(struct slice text, size_t most)
{
    if (text.len <= most)
        return text;
    text.len = most;
    while (text.len && (text.data[text.len] & 0xc0) == 0x80) /* never inside a character */
        text.len--;
    return text;
}

static struct slice one_line(struct arena *arena, struct slice text)
{
    struct slice part = shorten(text, SUMMARY_TEXT_MAX);
    uint8_t *out = arena_alloc(arena, part.len + 4);
    if (!out)
        return SLICE_NONE;
    for (size_t i = 0; i < part.len; i++)
        out[i] = part.data[i] < ' ' || part.data[i] == 0x7f ? ' ' : part.data[i];
    size_t len = part.len;
    if (part.len < text.len) {
        memcpy(out + len, "…", sizeof "…" - 1);
        len += sizeof "…" - 1;
    }
    return slice_of(out, len);
}

static unsigned close_code(const struct ws_message *message)
{
    struct slice body = gather_slice(&message->body);
    return body.len >= 2 ? (unsigned)(body.data[0] << 8 | body.data[1]) : 0;
}

/* Everything but the normal end, a peer that goes away and codes of applications. */
static bool is_failure(unsigned code)
{
    return code >= 1002 && code <= 1015 && code != 1005;
}

static void set_summary(struct ws_message *message, enum dissect_dir dir)
{
    struct arena *arena = dissect_entry_arena(message->entry);
    struct slice body = gather_slice(&message->body);
    const char *arrow = dir == DIR_SERVER ? "→ " : "";
    const char *name = ws_opcode_name(message->opcode);
    struct slice summary;
    if (message->opcode == WS_CLOSE && body.len >= 2) {
        struct slice reason = one_line(arena, slice_sub(body, 2, SIZE_MAX));
        summary = arena_printf(arena, "%sclose %u%s%.*s", arrow, close_code(message),
                               reason.len ? " " : "", SLICE_ARGS(reason));
    } else if (message->opcode == WS_TEXT && body.len) {
        struct slice text = one_line(arena, body);
        summary = arena_printf(arena, "%stext %.*s", arrow, SLICE_ARGS(text));
    } else if (message->payload_bytes) {
        summary = arena_printf(arena, "%s%s (%llu bytes)", arrow, name,
                               (unsigned long long)message->payload_bytes);
    } else {
        summary = arena_printf(arena, "%s%s", arrow, name);
    }
    dissect_set_text(message->entry, FIELD_SUMMARY_ID, summary);
}

static void set_text(struct dissect_entry *entry, unsigned field, struct slice text)
{
    if (text.len)
        dissect_set_text(entry, field, text);
}

static void set_payload(struct ws_message *message, enum dissect_dir dir)
{
    struct dissect_entry *entry = message->entry;
    struct slice body = gather_slice(&message->body);
    bool is_request = dir == DIR_CLIENT;
    bool is_cut = message->body.cut || message->has_gap || message->undecoded;
    dissect_set_bool(entry, OWN_FIELD(is_request ? REQUEST : RESPONSE), true);
    dissect_set_int(entry, OWN_FIELD(is_request ? REQUEST_PAYLOAD_LENGTH : RESPONSE_PAYLOAD_LENGTH),
                    (int64_t)message->payload_bytes);
    dissect_set_int(entry, is_request ? FIELD_REQUEST_BODY_SIZE_ID : FIELD_RESPONSE_BODY_SIZE_ID,
                    (int64_t)message->payload_bytes);
    if (message->opcode == WS_CLOSE) /* the code has a field of its own */
        body = slice_sub(body, 2, SIZE_MAX);
    set_text(entry, is_request ? FIELD_REQUEST_BODY_ID : FIELD_RESPONSE_BODY_ID, body);
    if (is_request)
        set_text(entry, OWN_FIELD(REQUEST_PAYLOAD_DATA), shorten(body, PAYLOAD_DATA_MAX));
    if (is_cut) {
        dissect_set_bool(
            entry, is_request ? FIELD_REQUEST_TRUNCATED_ID : FIELD_RESPONSE_TRUNCATED_ID, true);
        dissect_set_bool(entry, FIELD_TRUNCATED_ID, true);
    }
}

void ws_emit(struct dissect_conn *conn, const struct ws_handshake *handshake,
             struct ws_message *message, enum dissect_dir dir, const char *status,
             const char *reason)
{
    struct dissect_entry *entry = message->entry;
    struct slice body = gather_slice(&message->body);
    if (!entry) {
        memset(message, 0, sizeof *message);
        return;
    }
    dissect_set_str(entry, OWN_FIELD(OPCODE), ws_opcode_name(message->opcode));
    if (message->opcode == WS_CLOSE && body.len >= 2) {
        dissect_set_int(entry, OWN_FIELD(CLOSE_CODE), close_code(message));
        set_text(entry, OWN_FIELD(CLOSE_REASON), slice_sub(body, 2, SIZE_MAX));
        if (!reason && is_failure(close_code(message)))
            status = "error";
    }
    bool is_json = message->opcode == WS_TEXT && body.len && body.data[0] == '{';
    if (is_json && ws_graphql_fill(entry, handshake->protocol, body, dir) && !reason)
        status = "error";
    if (message->compressed)
        dissect_set_bool(entry, OWN_FIELD(COMPRESSED), true);
    if (message->undecoded)
        dissect_set_str(entry, OWN_FIELD(UNDECODED), message->undecoded);
    set_text(entry, OWN_FIELD(PROTOCOL), handshake->protocol);
    set_text(entry, FIELD_PATH_ID, handshake->path);
    set_text(entry, FIELD_HOST_ID, handshake->host);
    set_payload(message, dir);
    set_summary(message, dir);
    dissect_set_status(entry, status, reason);
    dissect_entry_emit(conn, entry);
    memset(message, 0, sizeof *message);
}
