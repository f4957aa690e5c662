#include "hub/export_selection.h"

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <netinet/in.h>
#include <string.h>

enum {
    MAX_RESULT_BYTES = 256 * 1024 * 1024,
    MAX_QUESTION_BYTES = 128 * 1024
};

static bool take_end(const json_t *flow, const char *ip_key, const char *port_key,
                     uint8_t *ip_version, uint8_t ip[16], uint16_t *port)
{
    const char *text = json_string_value(json_object_get(flow, ip_key));
    json_int_t number = json_integer_value(json_object_get(flow, port_key));
    memset(ip, 0, 16);
    if (!text || number < 0 || number > 65535)
        return false;
    if (inet_pton(AF_INET, text, ip) == 1)
        *ip_version = 4;
    else if (inet_pton(AF_INET6, text, ip) == 1)
        *ip_version = 6;
    else
        return false;
    *port = (uint16_t)number;
    return true;
}

static uint8_t protocol_number(const char *name)
{
    static const struct {
        const char *name;
        uint8_t number;
    } protocols[] = {{"tcp", IPPROTO_TCP},
                     {"udp", IPPROTO_UDP},
                     {"sctp", IPPROTO_SCTP},
                     {"icmp", IPPROTO_ICMP},
                     {"icmpv6", IPPROTO_ICMPV6}};
    for (size_t i = 0; name && i < sizeof protocols / sizeof protocols[0]; i++)
        if (strcmp(protocols[i].name, name) == 0)
            return protocols[i].number;
    return 0;
}

static int take_flows(const struct buf *result, struct selection *selection)
{
    json_t *object = json_loadb((const char *)result->data, result->len, 0, NULL);
    const json_t *flows = json_object_get(object, "flows"), *flow;
    size_t i;
    int e = json_is_array(flows) ? 0 : -EPROTO;
    json_array_foreach(flows, i, flow)
    {
        struct selection_flow f = {
            .ip_protocol = protocol_number(json_string_value(json_object_get(flow, "protocol")))};
        uint8_t other;
        if (!take_end(flow, "a", "a_port", &f.ip_version, f.ip_a, &f.port_a) ||
            !take_end(flow, "b", "b_port", &other, f.ip_b, &f.port_b) || other != f.ip_version)
            e = -EPROTO;
        else
            e = selection_add_flow(selection, &f);
        if (e)
            break;
    }
    json_decref(object);
    return e;
}

/* {"node":…,"seq":…,"offsets":[…]} */
static int take_packets(void *ctx, const void *data, size_t n)
{
    struct selection *selection = ctx;
    json_t *object = json_loadb(data, n, 0, NULL);
    const char *node = json_string_value(json_object_get(object, "node"));
    json_int_t sequence = json_integer_value(json_object_get(object, "seq"));
    const json_t *offsets = json_object_get(object, "offsets"), *offset;
    size_t i;
    int e = node && sequence >= 0 && json_is_array(offsets) ? 0 : -EPROTO;
    json_array_foreach(offsets, i, offset)
    {
        if (e || !json_is_integer(offset) || json_integer_value(offset) < 0)
            break;
        e = selection_add_packet(selection, node, (uint64_t)sequence,
                                 (uint64_t)json_integer_value(offset));
    }
    json_decref(object);
    return e;
}

static int write_question(struct buf *out, const char *filter, int64_t from_ns, int64_t to_ns,
                          bool calls_only)
{
    struct buf object;
    struct json_writer w;
    buf_init(&object, MAX_QUESTION_BYTES);
    json_init(&w, &object);
    json_begin_object(&w);
    json_member_str(&w, "op", calls_only ? "packets" : "flows");
    json_member_str(&w, "filter", filter);
    if (from_ns != INT64_MIN)
        json_member_int(&w, "from_ns", from_ns);
    if (to_ns != INT64_MAX)
        json_member_int(&w, "to_ns", to_ns);
    json_end_object(&w);
    int e = buf_failed(&object);
    if (!e)
        e = buf_append(out, object.data + 1, object.len - 2);
    buf_done(&object);
    return e;
}

int export_selection_ask(struct queries *queries, const char *id, const char *name,
                         const char *filter, int64_t from_ns, int64_t to_ns, bool calls_only,
                         struct export_selection *ret_selection, struct api_problem *ret_problem)
{
    struct selection *selection = NULL;
    struct buf question, result;
    buf_init(&question, MAX_QUESTION_BYTES);
    buf_init(&result, MAX_RESULT_BYTES);
    int e = selection_new(calls_only ? SELECT_PACKETS : SELECT_FLOWS, &selection);
    if (!e)
        e = write_question(&question, filter, from_ns, to_ns, calls_only);
    *ret_problem = (struct api_problem){.offset = -1};
    struct api_listener listener = {.item = calls_only ? take_packets : NULL,
                                    .item_ctx = selection};
    if (!e)
        e = queries_ask(queries, id, name, buf_slice(&question), &listener, &result, ret_problem);
    if (!e && !calls_only)
        e = take_flows(&result, selection);
    if (!e)
        e = selection_seal(selection);
    buf_done(&question);
    buf_done(&result);
    if (e) {
        selection_free(selection);
        if (!ret_problem->status)
            problem_set(ret_problem, 502, "The connections of the matching calls cannot be told.");
        return e;
    }
    *ret_selection = (struct export_selection){
        .selection = selection, .connections = calls_only ? 0 : selection_count(selection)};
    return 0;
}
