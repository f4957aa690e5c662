/* From AMQP methods and messages to the fields of their entry (filter.md, row AMQP). */
#include <errno.h>

#include "dissect/proto/amqp_call.h"

enum {
    NAME_MAX_SHOWN = 120
};

enum amqp_field {
    METHOD,
    RESPONSE_METHOD,
    SUMMARY,
    REQUEST,
    RESPONSE,
    REQUEST_LENGTH,
    RESPONSE_LENGTH,
    TOTAL_SIZE,
    EXCHANGE,
    ROUTING_KEY,
    QUEUE,
    CONSUMER_TAG,
    CHANNEL,
    REPLY_CODE,
    REPLY_TEXT,
    DELIVERY_TAG,
    FIELDS
};
_Static_assert(FIELDS == (int)AMQP_FIELD_COUNT, "the table is as long as its enum");

const struct field_def amqp_fields[AMQP_FIELD_COUNT] = {
    [METHOD] = {"amqp_method", FIELD_TEXT, 0, 0, "method that asked, or that carries the message",
                "amqp_method == \"basic.publish\""},
    [RESPONSE_METHOD] = {"amqp_response_method", FIELD_TEXT, 0, 0,
                         "method that answered: queue.declare-ok, basic.ack, channel.close …",
                         "amqp_response_method == \"basic.nack\""},
    [SUMMARY] = {"amqp_summary", FIELD_TEXT, 0, 0, "the method and what it is about, in one line",
                 "amqp_summary.contains(\"orders\")"},
    [REQUEST] = {"amqp_request", FIELD_BOOL, 0, 0, "the request or message was seen",
                 "amqp_request"},
    [RESPONSE] = {"amqp_response", FIELD_BOOL, 0, 0, "an answer was seen",
                  "amqp && !amqp_response"},
    [REQUEST_LENGTH] = {"amqp_request_length", FIELD_INT, 0, 0,
                        "bytes of the request, all its frames", "amqp_request_length > 100000"},
    [RESPONSE_LENGTH] = {"amqp_response_length", FIELD_INT, 0, 0,
                         "bytes of the answer, all its frames", "amqp_response_length > 100000"},
    [TOTAL_SIZE] = {"amqp_total_size", FIELD_INT, 0, 0, "bytes of both", "amqp_total_size > 1000"},
    [EXCHANGE] = {"amqp_exchange", FIELD_TEXT, 0, 0, "exchange", "amqp_exchange == \"orders\""},
    [ROUTING_KEY] = {"amqp_routing_key", FIELD_TEXT, 0, 0, "routing key",
                     "amqp_routing_key.startsWith(\"order.\")"},
    [QUEUE] = {"amqp_queue", FIELD_TEXT, 0, 0, "queue, also one that the server named",
               "amqp_queue == \"invoices\""},
    [CONSUMER_TAG] = {"amqp_consumer_tag", FIELD_TEXT, 0, 0, "consumer",
                      "amqp_consumer_tag != \"\""},
    [CHANNEL] = {"amqp_channel", FIELD_INT, 0, 0, "number of the channel", "amqp_channel == 1"},
    [REPLY_CODE] = {"amqp_reply_code", FIELD_INT, 0, 0,
                    "code of a close or return: 200, 312, 404 …", "amqp_reply_code == 404"},
    [REPLY_TEXT] = {"amqp_reply_text", FIELD_TEXT, 0, 0, "its text",
                    "amqp_reply_text.contains(\"NOT_FOUND\")"},
    [DELIVERY_TAG] = {"amqp_delivery_tag", FIELD_INT, 0, 0,
                      "number of a delivery, or of a publish that is confirmed",
                      "amqp_delivery_tag == 1"},
};

static struct slice either(const struct amqp_call *call, const char *name)
{
    struct slice found = amqp_argument(&call->request.arguments, name);
    return found.len ? found : amqp_argument(&call->response.arguments, name);
}

static void set_text(struct amqp_call *call, unsigned field, struct slice text)
{
    if (text.len)
        dissect_set_text(call->entry, OWN_FIELD(field), text);
}

static struct slice shorten(struct slice text)
{
    if (text.len <= NAME_MAX_SHOWN)
        return text;
    text.len = NAME_MAX_SHOWN;
    while (text.len && (text.data[text.len] & 0xc0) == 0x80) /* never inside a character */
        text.len--;
    return text;
}

static struct slice exchange_of(const struct amqp_call *call)
{
    struct slice exchange = either(call, "exchange");
    return exchange.len ? exchange : either(call, "source");
}

/* What the call is about: "orders/order.new", "queue invoices", "NOT_FOUND …". */
static struct slice subject(struct arena *arena, const struct amqp_call *call)
{
    struct slice exchange = shorten(exchange_of(call)), key = shorten(either(call, "routing-key"));
    struct slice queue = shorten(either(call, "queue")), text = SLICE_NONE;
    struct slice tag = shorten(either(call, "consumer-tag"));
    struct slice destination = shorten(either(call, "destination"));
    struct slice host = shorten(either(call, "virtual-host"));
    struct slice reply = shorten(amqp_argument(&call->request.arguments, "reply-text"));
    if (queue.len)
        text = arena_printf(arena, " queue %.*s", SLICE_ARGS(queue));
    if (destination.len)
        text = arena_printf(arena, " %.*s", SLICE_ARGS(destination));
    if (exchange.len || key.len)
        text = arena_printf(arena, "%.*s %.*s%s%.*s", SLICE_ARGS(text), SLICE_ARGS(exchange),
                            key.len ? "/" : "", SLICE_ARGS(key));
    else if (!queue.len && tag.len)
        text = arena_printf(arena, " consumer %.*s", SLICE_ARGS(tag));
    else if (!queue.len && host.len)
        text = arena_printf(arena, " %.*s", SLICE_ARGS(host));
    if (reply.len)
        text = arena_printf(arena, "%.*s %.*s", SLICE_ARGS(text), SLICE_ARGS(reply));
    return text;
}

static struct slice size_text(struct arena *arena, const struct amqp_part *part)
{
    if (!part->has_header)
        return SLICE_NONE;
    return arena_printf(arena, " (%llu B)", (unsigned long long)part->body_size);
}

static void set_summary(struct amqp_call *call)
{
    struct arena *arena = dissect_entry_arena(call->entry);
    const struct amqp_method *asked = call->request.method, *answered = call->response.method;
    struct slice about = subject(arena, call);
    struct slice size = size_text(arena, &call->request);
    struct slice came = size_text(arena, &call->response);
    struct slice reply = shorten(amqp_argument(&call->response.arguments, "reply-text"));
    struct slice text = arena_printf(arena, "%s%.*s%.*s", asked ? asked->name : "",
                                     SLICE_ARGS(about), SLICE_ARGS(size));
    text = slice_trim(text);
    set_text(call, SUMMARY, text);
    if (answered)
        text =
            arena_printf(arena, "%.*s%s%s%.*s%s%.*s", SLICE_ARGS(text), text.len ? " → " : "→ ",
                         answered->name, SLICE_ARGS(came), reply.len ? " " : "", SLICE_ARGS(reply));
    dissect_set_text(call->entry, FIELD_SUMMARY_ID, text);
}

static void set_part(struct amqp_call *call, const struct amqp_part *part, bool is_response)
{
    struct dissect_entry *entry = call->entry;
    struct slice body = gather_slice(&part->body);
    struct slice coding = amqp_argument(&part->arguments, "content-encoding");
    bool cut = part->body.cut || part->arguments.more;
    if (part->arguments.count)
        dissect_set_map(entry, is_response ? FIELD_RESPONSE_HEADERS_ID : FIELD_REQUEST_HEADERS_ID,
                        part->arguments.pairs, part->arguments.count);
    if (part->has_header)
        dissect_set_int(entry,
                        is_response ? FIELD_RESPONSE_BODY_SIZE_ID : FIELD_REQUEST_BODY_SIZE_ID,
                        (int64_t)(part->body_size < INT64_MAX ? part->body_size : INT64_MAX));
    if (body.len && coding.len && !part->body_missing) {
        struct slice decoded;
        bool truncated;
        int r = dissect_decode_body(dissect_entry_arena(entry), coding, body, &decoded, &truncated);
        if (r == 0 || (cut && decoded.len && r != -ENOTSUP)) {
            body = decoded;
            cut |= truncated;
        }
    }
    if (body.len)
        dissect_set_text(entry, is_response ? FIELD_RESPONSE_BODY_ID : FIELD_REQUEST_BODY_ID, body);
    if (cut) {
        dissect_set_bool(
            entry, is_response ? FIELD_RESPONSE_TRUNCATED_ID : FIELD_REQUEST_TRUNCATED_ID, true);
        dissect_set_bool(entry, FIELD_TRUNCATED_ID, true);
    }
}

static void set_sizes(struct dissect_entry *entry)
{
    int64_t request = (int64_t)dissect_entry_request(entry)->bytes;
    int64_t response = (int64_t)dissect_entry_response(entry)->bytes;
    if (request) {
        dissect_set_bool(entry, OWN_FIELD(REQUEST), true);
        dissect_set_int(entry, OWN_FIELD(REQUEST_LENGTH), request);
    }
    if (response) {
        dissect_set_bool(entry, OWN_FIELD(RESPONSE), true);
        dissect_set_int(entry, OWN_FIELD(RESPONSE_LENGTH), response);
    }
    dissect_set_int(entry, OWN_FIELD(TOTAL_SIZE), request + response);
}

/* A close with another code than 200, a return or a nack is an error. */
static const char *status_of(const struct amqp_call *call)
{
    struct slice code = either(call, "reply-code");
    const struct amqp_method *answered = call->response.method;
    if (code.len && !slice_eq_str(code, "200") && !slice_eq_str(code, "0"))
        return "error";
    return answered && answered->id == AMQP_BASIC_NACK ? "error" : "ok";
}

void amqp_emit(struct dissect_conn *conn, struct amqp_call *call, const char *status,
               const char *reason)
{
    struct dissect_entry *entry = call->entry;
    const struct amqp_arguments *asked = &call->request.arguments;
    const struct amqp_method *method = call->request.method;
    if (method)
        dissect_set_str(entry, OWN_FIELD(METHOD), method->name);
    if (call->response.method)
        dissect_set_str(entry, OWN_FIELD(RESPONSE_METHOD), call->response.method->name);
    set_text(call, EXCHANGE, exchange_of(call));
    set_text(call, ROUTING_KEY, either(call, "routing-key"));
    set_text(call, QUEUE, either(call, "queue"));
    set_text(call, CONSUMER_TAG, either(call, "consumer-tag"));
    dissect_set_int(entry, OWN_FIELD(CHANNEL), call->channel);
    if (either(call, "reply-code").len) {
        bool from_request = amqp_argument(asked, "reply-code").len;
        uint64_t code =
            amqp_argument_number(from_request ? asked : &call->response.arguments, "reply-code");
        dissect_set_int(entry, OWN_FIELD(REPLY_CODE), (int64_t)code);
        set_text(call, REPLY_TEXT, either(call, "reply-text"));
    }
    uint64_t tag = call->publish_tag ? call->publish_tag
                                     : amqp_argument_number(amqp_argument(asked, "delivery-tag").len
                                                                ? asked
                                                                : &call->response.arguments,
                                                            "delivery-tag");
    if (tag)
        dissect_set_int(entry, OWN_FIELD(DELIVERY_TAG), (int64_t)(tag & INT64_MAX));
    set_part(call, &call->request, false);
    set_part(call, &call->response, true);
    set_sizes(entry);
    set_summary(call);
    dissect_set_status(entry, status ? status : status_of(call), reason);
    dissect_entry_emit(conn, entry);
}

void amqp_emit_header(struct dissect_conn *conn, struct amqp_call *call, struct slice asked,
                      struct slice answered, const char *status, const char *reason)
{
    struct dissect_entry *entry = call->entry;
    struct arena *arena = dissect_entry_arena(entry);
    dissect_set_str(entry, OWN_FIELD(METHOD), "protocol-header");
    if (answered.len)
        dissect_set_str(entry, OWN_FIELD(RESPONSE_METHOD), "protocol-header");
    set_text(call, SUMMARY, asked);
    dissect_set_text(entry, FIELD_SUMMARY_ID,
                     arena_printf(arena, "%.*s%s%.*s", SLICE_ARGS(asked), answered.len ? " → " : "",
                                  SLICE_ARGS(answered)));
    set_sizes(entry);
    dissect_set_status(entry, status, reason);
    dissect_entry_emit(conn, entry);
}
