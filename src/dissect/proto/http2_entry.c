/* From a stream to the fields of its entry: what HTTP/2 and gRPC add to http_entry.c (filter.md,
 * rows gRPC and h2_*), and the field table. */
#include "dissect/proto/http2_state.h"

enum http2_field {
    F_GRPC_SERVICE,
    F_GRPC_METHOD,
    F_GRPC_STATUS,
    F_GRPC_STATUS_NAME,
    F_GRPC_MESSAGE,
    F_GRPC_STREAMING,
    F_GRPC_TIMEOUT_US,
    F_DEADLINE_EXCEEDED,
    F_GRPC_REQUEST_MESSAGES,
    F_GRPC_RESPONSE_MESSAGES,
    F_GRPC_REQUEST_MESSAGE_SIZES,
    F_GRPC_RESPONSE_MESSAGE_SIZES,
    F_H2_STREAM_ID,
    F_H2_RESET_CODE,
    F_H2_RESET_NAME,
    F_H2_GOAWAY,
    F_H2_PUSHED,
    F_H2_WINDOW_STALLED_US,
    F_H2_PROTOCOL
};

const struct field_def http2_fields[HTTP2_FIELD_COUNT] = {
    [F_GRPC_SERVICE] = {"grpc_service", FIELD_TEXT, 0, 0, "package and service",
                        "grpc_service == \"shop.Carts\""},
    [F_GRPC_METHOD] = {"grpc_method", FIELD_TEXT, 0, 0, "method of the service",
                       "grpc_method == \"Get\""},
    [F_GRPC_STATUS] = {"grpc_status", FIELD_INT, FIELD_GUARD_ZERO, GRPC_STATUS_NONE,
                       "status of the call; -1: none came", "grpc && grpc_status != 0"},
    [F_GRPC_STATUS_NAME] = {"grpc_status_name", FIELD_TEXT, 0, 0, "name of that status",
                            "grpc_status_name == \"NOT_FOUND\""},
    [F_GRPC_MESSAGE] = {"grpc_message", FIELD_TEXT, 0, 0, "the server's text about the status",
                        "grpc_message.contains(\"timeout\")"},
    [F_GRPC_STREAMING] = {"grpc_streaming", FIELD_TEXT, 0, 0,
                          "unary, client, server or bidi, by the messages that were sent",
                          "grpc_streaming == \"server\""},
    [F_GRPC_TIMEOUT_US] = {"grpc_timeout_us", FIELD_INT, 0, 0, "the deadline that the client set",
                           "grpc_timeout_us > 0"},
    [F_DEADLINE_EXCEEDED] = {"deadline_exceeded", FIELD_BOOL, 0, 0,
                             "the server says so, or the client gave up at its deadline",
                             "deadline_exceeded"},
    [F_GRPC_REQUEST_MESSAGES] = {"grpc_request_messages", FIELD_INT, 0, 0,
                                 "messages from the client", "grpc_request_messages > 1"},
    [F_GRPC_RESPONSE_MESSAGES] = {"grpc_response_messages", FIELD_INT, 0, 0,
                                  "messages from the server", "grpc_response_messages > 1"},
    [F_GRPC_REQUEST_MESSAGE_SIZES] = {"grpc_request_message_sizes", FIELD_INT_LIST, 0, 0,
                                      "bytes of each, as sent; the first 1,000",
                                      "grpc_request_message_sizes.exists(n, n > 1000)"},
    [F_GRPC_RESPONSE_MESSAGE_SIZES] = {"grpc_response_message_sizes", FIELD_INT_LIST, 0, 0,
                                       "bytes of each, as sent; the first 1,000",
                                       "grpc_response_message_sizes.exists(n, n > 1000)"},
    [F_H2_STREAM_ID] = {"h2_stream_id", FIELD_INT, 0, 0, "HTTP/2 stream", "h2_stream_id == 1"},
    [F_H2_RESET_CODE] = {"h2_reset_code", FIELD_INT, 0, 0, "error code of its RST_STREAM",
                         "h2_reset_code == 8"},
    [F_H2_RESET_NAME] = {"h2_reset_name", FIELD_TEXT, 0, 0, "name of that code",
                         "h2_reset_name == \"CANCEL\""},
    [F_H2_GOAWAY] = {"h2_goaway", FIELD_BOOL, 0, 0, "a GOAWAY came while it was open", "h2_goaway"},
    [F_H2_PUSHED] = {"h2_pushed", FIELD_BOOL, 0, 0, "the server promised it (PUSH_PROMISE)",
                     "h2_pushed"},
    [F_H2_WINDOW_STALLED_US] = {"h2_window_stalled_us", FIELD_INT, 0, 0,
                                "µs that its data waited for a flow-control window",
                                "h2_window_stalled_us > 100000"},
    [F_H2_PROTOCOL] = {"h2_protocol", FIELD_TEXT, 0, 0, ":protocol of an extended CONNECT",
                       "h2_protocol == \"websocket\""}};
_Static_assert(F_H2_PROTOCOL + 1 == HTTP2_FIELD_COUNT, "a row a field");

static const char *reset_name(uint32_t code)
{
    static const char *const names[] = {"NO_ERROR",
                                        "PROTOCOL_ERROR",
                                        "INTERNAL_ERROR",
                                        "FLOW_CONTROL_ERROR",
                                        "SETTINGS_TIMEOUT",
                                        "STREAM_CLOSED",
                                        "FRAME_SIZE_ERROR",
                                        "REFUSED_STREAM",
                                        "CANCEL",
                                        "COMPRESSION_ERROR",
                                        "CONNECT_ERROR",
                                        "ENHANCE_YOUR_CALM",
                                        "INADEQUATE_SECURITY",
                                        "HTTP_1_1_REQUIRED"};
    return code < sizeof names / sizeof names[0] ? names[code] : "";
}

static bool is_grpc(const struct http2_stream *s)
{
    return s->grpc[DIR_CLIENT] || s->grpc[DIR_SERVER];
}

static void set_text(struct http2_stream *s, unsigned field, struct slice text)
{
    if (text.len)
        dissect_set_text(s->entry, OWN_FIELD(field), text);
}

const char *http2_status(const struct http2_stream *s)
{
    const struct http_message *response = &s->message[DIR_SERVER];
    const char *by_code = http_status_by_code(response);
    if (!is_grpc(s) || !response->begun)
        return by_code;
    int status = grpc_status(response);
    if (status != GRPC_STATUS_NONE)
        return status == 0 ? by_code : "error";
    /* A whole answer without a status is one all the same: UNKNOWN to the client. */
    return response->done && !s->unknown_fields ? "error" : by_code;
}

bool http2_deadline_exceeded(const struct http2_stream *s)
{
    if (!is_grpc(s))
        return false;
    if (grpc_status(&s->message[DIR_SERVER]) == GRPC_DEADLINE_EXCEEDED)
        return true;
    int64_t timeout_us = grpc_timeout_us(http_header(&s->message[DIR_CLIENT], "grpc-timeout"));
    const struct dissect_span *request = dissect_entry_request(s->entry);
    if (timeout_us == 0 || !s->has_reset || s->reset_by != DIR_CLIENT || !request->first_ns)
        return false;
    /* A client's clock began a little before its request was on the wire. */
    return (s->reset_ns - request->first_ns) / 1000 >= timeout_us - timeout_us / 10;
}

static void set_messages(struct http2_stream *s, enum dissect_dir dir)
{
    static const unsigned counts[] = {F_GRPC_REQUEST_MESSAGES, F_GRPC_RESPONSE_MESSAGES};
    static const unsigned sizes[] = {F_GRPC_REQUEST_MESSAGE_SIZES, F_GRPC_RESPONSE_MESSAGE_SIZES};
    const struct grpc_reader *reader = s->grpc[dir];
    if (!reader)
        return;
    dissect_set_int(s->entry, OWN_FIELD(counts[dir]), (int64_t)reader->messages);
    if (reader->size_count)
        dissect_set_int_list(s->entry, OWN_FIELD(sizes[dir]), reader->sizes, reader->size_count);
}

static const char *streaming(const struct http2_stream *s)
{
    bool many_asked = s->grpc[DIR_CLIENT] && s->grpc[DIR_CLIENT]->messages > 1;
    bool many_answered = s->grpc[DIR_SERVER] && s->grpc[DIR_SERVER]->messages > 1;
    if (many_asked)
        return many_answered ? "bidi" : "client";
    return many_answered ? "server" : "unary";
}

/* A call whose request's header fields are not here goes by its number. */
static struct slice stream_name(const struct http2_stream *s)
{
    return arena_printf(dissect_entry_arena(s->entry), "stream %u", s->id);
}

static void set_grpc_summary(struct http2_stream *s, struct slice path, int status)
{
    const struct http_message *response = &s->message[DIR_SERVER];
    struct arena *arena = dissect_entry_arena(s->entry);
    const char *name = grpc_status_name(status);
    struct slice asked = slice_sub(path, path.len && path.data[0] == '/', 256);
    if (!s->message[DIR_CLIENT].head_done)
        asked = stream_name(s);
    struct slice text;
    if (status != GRPC_STATUS_NONE && *name)
        text = arena_printf(arena, "%.*s → %s", SLICE_ARGS(asked), name);
    else if (status != GRPC_STATUS_NONE)
        text = arena_printf(arena, "%.*s → %d", SLICE_ARGS(asked), status);
    else if (response->status_code && response->status_code != 200)
        text = arena_printf(arena, "%.*s → HTTP %d", SLICE_ARGS(asked), response->status_code);
    else
        text = asked;
    if (text.len)
        dissect_set_text(s->entry, FIELD_SUMMARY_ID, text);
}

static void fill_grpc(struct http2_stream *s)
{
    const struct http_message *request = &s->message[DIR_CLIENT];
    const struct http_message *response = &s->message[DIR_SERVER];
    struct arena *arena = dissect_entry_arena(s->entry);
    struct slice service, method;
    int status = grpc_status(response);
    dissect_entry_protocol(s->entry, "grpc");
    if (grpc_split_path(request->target, &service, &method)) {
        set_text(s, F_GRPC_SERVICE, service);
        set_text(s, F_GRPC_METHOD, method);
    }
    if (status != GRPC_STATUS_NONE) {
        dissect_set_int(s->entry, OWN_FIELD(F_GRPC_STATUS), status);
        set_text(s, F_GRPC_STATUS_NAME, slice_str(grpc_status_name(status)));
    }
    struct slice message = http_header(response, "grpc-message");
    set_text(s, F_GRPC_MESSAGE, http_percent_decode(arena, message, false));
    dissect_set_str(s->entry, OWN_FIELD(F_GRPC_STREAMING), streaming(s));
    int64_t timeout_us = grpc_timeout_us(http_header(request, "grpc-timeout"));
    if (timeout_us)
        dissect_set_int(s->entry, OWN_FIELD(F_GRPC_TIMEOUT_US), timeout_us);
    if (http2_deadline_exceeded(s))
        dissect_set_bool(s->entry, OWN_FIELD(F_DEADLINE_EXCEEDED), true);
    set_messages(s, DIR_CLIENT);
    set_messages(s, DIR_SERVER);
    set_grpc_summary(s, request->target, status);
}

static void set_lone_summary(struct http2_stream *s)
{
    struct slice text = stream_name(s);
    int code = s->message[DIR_SERVER].status_code;
    if (code)
        text = arena_printf(dissect_entry_arena(s->entry), "%.*s → %d", SLICE_ARGS(text), code);
    dissect_set_text(s->entry, FIELD_SUMMARY_ID, text);
}

void http2_fill_entry(struct dissect_conn *conn, const struct http2_state *state,
                      struct http2_stream *s)
{
    struct dissect_entry *entry = s->entry;
    dissect_entry_protocol(entry, "http");
    http_fill_entry(conn, entry, &s->message[DIR_CLIENT], &s->message[DIR_SERVER]);
    if (is_grpc(s))
        fill_grpc(s);
    else if (!s->message[DIR_CLIENT].head_done)
        set_lone_summary(s);
    dissect_set_int(entry, OWN_FIELD(F_H2_STREAM_ID), s->id);
    if (s->has_reset) {
        dissect_set_int(entry, OWN_FIELD(F_H2_RESET_CODE), s->reset_code);
        set_text(s, F_H2_RESET_NAME, slice_str(reset_name(s->reset_code)));
    }
    if (s->goaway)
        dissect_set_bool(entry, OWN_FIELD(F_H2_GOAWAY), true);
    if (s->pushed)
        dissect_set_bool(entry, OWN_FIELD(F_H2_PUSHED), true);
    int64_t stalled_us = http2_window_stalled(state, s, dissect_now_ns(conn)) / 1000;
    if (stalled_us > 0)
        dissect_set_int(entry, OWN_FIELD(F_H2_WINDOW_STALLED_US), stalled_us);
    set_text(s, F_H2_PROTOCOL, s->connect_protocol);
}
