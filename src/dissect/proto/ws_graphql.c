/* GraphQL over WebSocket: the subprotocols graphql-transport-ws (npm graphql-ws) and graphql-ws
 * (npm subscriptions-transport-ws). Every message is {"type": …, "id": …, "payload": …}. */
#include "dissect/proto/graphql.h"
#include "dissect/proto/ws_message.h"

/* The member `wanted` of the object; the scan stands before its value. */
static bool find_member(struct json_scan *scan, const char *wanted)
{
    struct slice name;
    if (json_scan_peek(scan) != JSON_OBJECT || !json_scan_enter(scan))
        return false;
    while (json_scan_member(scan, &name)) {
        if (slice_eq_str(name, wanted))
            return true;
        json_scan_skip(scan);
    }
    return false;
}

static bool is_one_of(struct slice text, const char *a, const char *b)
{
    return slice_eq_str(text, a) || slice_eq_str(text, b);
}

bool ws_graphql_fill(struct dissect_entry *entry, struct slice protocol, struct slice body,
                     enum dissect_dir dir)
{
    struct arena *arena = dissect_entry_arena(entry);
    struct graphql_call call = {0};
    struct graphql_errors errors = {.count = 0};
    struct slice type;
    bool expected = is_one_of(protocol, "graphql-transport-ws", "graphql-ws");
    if (!expected && (protocol.len || dir == DIR_SERVER)) /* a handshake that was not recorded */
        return false;
    struct json_scan scan = json_scan_of(body);
    if (!find_member(&scan, "type") || !json_scan_string(&scan, arena, &type))
        return false;
    scan = json_scan_of(body);
    if (!find_member(&scan, "payload"))
        return false;
    if (dir == DIR_CLIENT && is_one_of(type, "subscribe", "start")) {
        if (!graphql_scan_request(arena, &scan, expected, &call))
            return false;
    } else if (dir == DIR_SERVER && is_one_of(type, "next", "data")) {
        graphql_scan_response(arena, &scan, &errors);
    } else if (dir == DIR_SERVER && slice_eq_str(type, "error")) {
        graphql_scan_errors(arena, &scan, &errors);
    }
    graphql_set_fields(entry, &call, &errors);
    return errors.count > 0;
}
