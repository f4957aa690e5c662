#include "dissect/proto/grpc_entry.h"

enum {
    SUMMARY_PATH_MAX = 256
};

const char *grpc_outcome(const struct grpc_call *call)
{
    const struct http_message *response = call->response;
    const char *by_code = http_status_by_code(response);
    if (!grpc_is_call(call->request, response) || !response->begun)
        return by_code;
    int status = grpc_status(response);
    if (status != GRPC_STATUS_NONE)
        return status == 0 ? by_code : "error";
    /* A whole answer without a status is one all the same: UNKNOWN to the client. */
    return response->done && !call->unknown ? "error" : by_code;
}

bool grpc_deadline_exceeded(const struct grpc_call *call)
{
    return grpc_is_call(call->request, call->response) &&
           (call->gave_up || grpc_status(call->response) == GRPC_DEADLINE_EXCEEDED);
}

static void set_text(struct dissect_entry *entry, unsigned field, struct slice text)
{
    if (text.len)
        dissect_set_text(entry, field, text);
}

static void set_messages(struct dissect_entry *entry, const struct grpc_reader *reader,
                         unsigned count_field, unsigned sizes_field)
{
    if (!reader)
        return;
    dissect_set_int(entry, count_field, (int64_t)reader->messages);
    if (reader->size_count)
        dissect_set_int_list(entry, sizes_field, reader->sizes, reader->size_count);
}

static const char *streaming(const struct grpc_call *call)
{
    const struct grpc_reader *asked = call->request->grpc, *answered = call->response->grpc;
    bool many_answered = answered && answered->messages > 1;
    if (asked && asked->messages > 1)
        return many_answered ? "bidi" : "client";
    return many_answered ? "server" : "unary";
}

static void set_summary(struct dissect_entry *entry, const struct grpc_call *call, int status)
{
    struct slice path = call->request->target;
    int code = call->response->status_code;
    struct arena *arena = dissect_entry_arena(entry);
    const char *name = grpc_status_name(status);
    struct slice asked = slice_sub(path, path.len && path.data[0] == '/', SUMMARY_PATH_MAX);
    if (call->name.len)
        asked = call->name;
    const char *space = asked.len ? " " : "";
    struct slice text = asked;
    if (status != GRPC_STATUS_NONE && *name)
        text = arena_printf(arena, "%.*s%s→ %s", SLICE_ARGS(asked), space, name);
    else if (status != GRPC_STATUS_NONE)
        text = arena_printf(arena, "%.*s%s→ %d", SLICE_ARGS(asked), space, status);
    else if (code && code != 200)
        text = arena_printf(arena, "%.*s%s→ HTTP %d", SLICE_ARGS(asked), space, code);
    set_text(entry, FIELD_SUMMARY_ID, text);
}

void grpc_fill_entry(struct dissect_entry *entry, const struct grpc_call *call)
{
    struct arena *arena = dissect_entry_arena(entry);
    struct slice service, method;
    int status = grpc_status(call->response);
    dissect_entry_protocol(entry, "grpc");
    if (grpc_split_path(call->request->target, &service, &method)) {
        set_text(entry, FIELD_GRPC_SERVICE_ID, service);
        set_text(entry, FIELD_GRPC_METHOD_ID, method);
    }
    if (status != GRPC_STATUS_NONE) {
        dissect_set_int(entry, FIELD_GRPC_STATUS_ID, status);
        set_text(entry, FIELD_GRPC_STATUS_NAME_ID, slice_str(grpc_status_name(status)));
    }
    struct slice message = http_header(call->response, "grpc-message");
    set_text(entry, FIELD_GRPC_MESSAGE_ID, http_percent_decode(arena, message, false));
    dissect_set_str(entry, FIELD_GRPC_STREAMING_ID, streaming(call));
    int64_t timeout_us = grpc_timeout_us(http_header(call->request, "grpc-timeout"));
    if (timeout_us)
        dissect_set_int(entry, FIELD_GRPC_TIMEOUT_US_ID, timeout_us);
    if (grpc_deadline_exceeded(call))
        dissect_set_bool(entry, FIELD_GRPC_DEADLINE_EXCEEDED_ID, true);
    set_messages(entry, call->request->grpc, FIELD_GRPC_REQUEST_MESSAGES_ID,
                 FIELD_GRPC_REQUEST_MESSAGE_SIZES_ID);
    set_messages(entry, call->response->grpc, FIELD_GRPC_RESPONSE_MESSAGES_ID,
                 FIELD_GRPC_RESPONSE_MESSAGE_SIZES_ID);
    set_summary(entry, call, status);
}
