/* From a stream to the fields of its entry: what HTTP/2 and gRPC add to http_entry.c (filter.md,
 * rows gRPC and h2_*), and the field table. */
#include "dissect/proto/http2_state.h"

enum http2_field {
    F_H2_STREAM_ID,
    F_H2_RESET_CODE,
    F_H2_RESET_NAME,
    F_H2_GOAWAY,
    F_H2_PUSHED,
    F_H2_WINDOW_STALLED_US,
    F_H2_PROTOCOL
};

const struct field_def http2_fields[HTTP2_FIELD_COUNT] = {
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

static void set_text(struct http2_stream *s, unsigned field, struct slice text)
{
    if (text.len)
        dissect_set_text(s->entry, OWN_FIELD(field), text);
}

/* A client's clock began a little before its request was on the wire. */
static bool gave_up(const struct http2_stream *s)
{
    int64_t timeout_us = grpc_timeout_us(http_header(&s->message[DIR_CLIENT], "grpc-timeout"));
    const struct dissect_span *request = dissect_entry_request(s->entry);
    if (timeout_us == 0 || !s->has_reset || s->reset_by != DIR_CLIENT || !request->first_ns)
        return false;
    return (s->reset_ns - request->first_ns) / 1000 >= timeout_us - timeout_us / 10;
}

/* A call whose request's header fields are not here goes by its number. */
static struct slice stream_name(const struct http2_stream *s)
{
    return arena_printf(dissect_entry_arena(s->entry), "stream %u", s->id);
}

static struct grpc_call grpc_call_of(const struct http2_stream *s)
{
    return (struct grpc_call){.request = &s->message[DIR_CLIENT],
                              .response = &s->message[DIR_SERVER],
                              .unknown = s->unknown_fields,
                              .gave_up = gave_up(s)};
}

const char *http2_status(const struct http2_stream *s)
{
    struct grpc_call call = grpc_call_of(s);
    return grpc_outcome(&call);
}

bool http2_deadline_exceeded(const struct http2_stream *s)
{
    struct grpc_call call = grpc_call_of(s);
    return grpc_deadline_exceeded(&call);
}

static void set_lone_summary(struct http2_stream *s, struct slice name)
{
    int code = s->message[DIR_SERVER].status_code;
    if (code)
        name = arena_printf(dissect_entry_arena(s->entry), "%.*s → %d", SLICE_ARGS(name), code);
    dissect_set_text(s->entry, FIELD_SUMMARY_ID, name);
}

void http2_fill_entry(struct dissect_conn *conn, const struct http2_state *state,
                      struct http2_stream *s)
{
    struct dissect_entry *entry = s->entry;
    dissect_entry_protocol(entry, "http");
    http_fill_entry(conn, entry, &s->message[DIR_CLIENT], &s->message[DIR_SERVER]);
    struct grpc_call call = grpc_call_of(s);
    if (!s->message[DIR_CLIENT].head_done)
        call.name = stream_name(s);
    if (grpc_is_call(call.request, call.response))
        grpc_fill_entry(entry, &call);
    else if (call.name.len)
        set_lone_summary(s, call.name);
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
