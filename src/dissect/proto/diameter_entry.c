/* From a Diameter call to the fields of its entry (filter.md, row Diameter). */
#include "dissect/proto/diameter_call.h"

enum diameter_field {
    METHOD,
    SUMMARY,
    COMMAND_CODE,
    APPLICATION_ID,
    APPLICATION,
    RESULT_CODE,
    RESULT,
    RESULT_VENDOR,
    ERROR_MESSAGE,
    SESSION_ID,
    ORIGIN_HOST,
    ORIGIN_REALM,
    DESTINATION_HOST,
    DESTINATION_REALM,
    USERNAME,
    REQUEST_TYPE,
    HOP_BY_HOP_ID,
    END_TO_END_ID,
    RETRANSMITTED,
    REQUEST,
    RESPONSE,
    REQUEST_LENGTH,
    RESPONSE_LENGTH,
    TOTAL_SIZE,
    MALFORMED,
    FIELDS
};
_Static_assert(FIELDS == (int)DIAMETER_FIELD_COUNT, "the table is as long as its enum");

enum {
    SHOWN_MAX = 160, /* of a text in a summary */
    FIRST_ERROR = 3000
};

const struct field_def diameter_fields[DIAMETER_FIELD_COUNT] = {
    [METHOD] = {"diameter_method", FIELD_TEXT, 0, 0,
                "name of the command: Credit-Control, Update-Location …",
                "diameter_method == \"Credit-Control\""},
    [SUMMARY] = {"diameter_summary", FIELD_TEXT, 0, 0, "what was asked, in one line",
                 "diameter_summary.contains(\"INITIAL_REQUEST\")"},
    [COMMAND_CODE] = {"diameter_command_code", FIELD_INT, 0, 0, "code of the command",
                      "diameter_command_code == 272"},
    [APPLICATION_ID] = {"diameter_application_id", FIELD_INT, FIELD_GUARD_ZERO, 0, "application id",
                        "diameter_application_id == 16777251"},
    [APPLICATION] = {"diameter_application", FIELD_TEXT, 0, 0, "name of the application",
                     "diameter_application == \"3GPP Gx\""},
    [RESULT_CODE] = {"diameter_result_code", FIELD_INT, 0, 0,
                     "Result-Code, else Experimental-Result-Code", "diameter_result_code >= 3000"},
    [RESULT] = {"diameter_result", FIELD_TEXT, 0, 0, "name of that code",
                "diameter_result == \"DIAMETER_TOO_BUSY\""},
    [RESULT_VENDOR] = {"diameter_result_vendor", FIELD_INT, 0, 0,
                       "vendor of an Experimental-Result (10415: 3GPP)",
                       "diameter_result_vendor == 10415"},
    [ERROR_MESSAGE] = {"diameter_error_message", FIELD_TEXT, 0, 0, "Error-Message of the answer",
                       "diameter_error_message != \"\""},
    [SESSION_ID] = {"diameter_session_id", FIELD_TEXT, 0, 0, "Session-Id",
                    "diameter_session_id.startsWith(\"pgw.example\")"},
    [ORIGIN_HOST] = {"diameter_origin_host", FIELD_TEXT, 0, 0, "Origin-Host of the request",
                     "diameter_origin_host == \"mme.example\""},
    [ORIGIN_REALM] = {"diameter_origin_realm", FIELD_TEXT, 0, 0, "Origin-Realm of the request",
                      "diameter_origin_realm == \"example\""},
    [DESTINATION_HOST] = {"diameter_destination_host", FIELD_TEXT, 0, 0, "Destination-Host",
                          "diameter_destination_host == \"hss.example\""},
    [DESTINATION_REALM] = {"diameter_destination_realm", FIELD_TEXT, 0, 0, "Destination-Realm",
                           "diameter_destination_realm == \"example\""},
    [USERNAME] = {"diameter_username", FIELD_TEXT, 0, 0, "User-Name (an IMSI in 3GPP)",
                  "diameter_username == \"001010000000001\""},
    [REQUEST_TYPE] = {"diameter_request_type", FIELD_TEXT, 0, 0, "CC-Request-Type",
                      "diameter_request_type == \"UPDATE_REQUEST\""},
    [HOP_BY_HOP_ID] = {"diameter_hop_by_hop_id", FIELD_INT, FIELD_GUARD_ZERO, 0,
                       "hop-by-hop identifier", "diameter_hop_by_hop_id == 305419896"},
    [END_TO_END_ID] = {"diameter_end_to_end_id", FIELD_INT, FIELD_GUARD_ZERO, 0,
                       "end-to-end identifier: the same on every hop",
                       "diameter_end_to_end_id == 305419896"},
    [RETRANSMITTED] = {"diameter_retransmitted", FIELD_BOOL, 0, 0,
                       "the request says that it may have been sent before",
                       "diameter_retransmitted"},
    [REQUEST] = {"diameter_request", FIELD_BOOL, 0, 0, "the request was seen", "diameter_request"},
    [RESPONSE] = {"diameter_response", FIELD_BOOL, 0, 0, "the answer was seen",
                  "diameter && !diameter_response"},
    [REQUEST_LENGTH] = {"diameter_request_length", FIELD_INT, 0, 0, "bytes of the request",
                        "diameter_request_length > 1000"},
    [RESPONSE_LENGTH] = {"diameter_response_length", FIELD_INT, 0, 0, "bytes of the answer",
                         "diameter_response_length > 1000"},
    [TOTAL_SIZE] = {"diameter_total_size", FIELD_INT, 0, 0, "bytes of request and answer",
                    "diameter_total_size > 2000"},
    [MALFORMED] = {"diameter_malformed", FIELD_BOOL, 0, 0, "an AVP could not be read",
                   "diameter_malformed"},
};

static struct slice avps_of(const struct diameter_part *part)
{
    return slice_sub(gather_slice(&part->bytes), DIAMETER_HEADER_BYTES, SIZE_MAX);
}

static void set_text(struct diameter_call *call, enum diameter_field field, struct slice text)
{
    if (text.len)
        dissect_set_text(call->entry, OWN_FIELD(field), text);
}

/* For a summary: short, in one line. */
static struct slice shown(struct arena *arena, struct slice s)
{
    struct slice copy = arena_dup(arena, slice_sub(s, 0, SHOWN_MAX));
    uint8_t *bytes = (uint8_t *)(uintptr_t)copy.data;
    for (size_t i = 0; i < copy.len; i++)
        if (bytes[i] < 0x20 || bytes[i] >= 0x7f)
            bytes[i] = '?';
    return copy;
}

/* ── the result ── */

struct result {
    uint32_t code, vendor;
    const char *name;
};

static struct result find_result(struct slice avps)
{
    struct result r = {0};
    if (diameter_u32(diameter_find(avps, DIAMETER_RESULT_CODE), &r.code)) {
        r.name = diameter_result_name(r.code);
        return r;
    }
    r.code = 0;
    struct slice group = diameter_find(avps, DIAMETER_EXPERIMENTAL_RESULT);
    if (!diameter_u32(diameter_find(group, DIAMETER_EXPERIMENTAL_RESULT_CODE), &r.code)) {
        r.code = 0;
        return r;
    }
    if (!diameter_u32(diameter_find(group, DIAMETER_VENDOR_ID), &r.vendor))
        r.vendor = 0;
    r.name = diameter_experimental_name(r.vendor, r.code);
    return r;
}

static struct slice outcome(struct diameter_call *call, const struct result *result)
{
    struct arena *arena = dissect_entry_arena(call->entry);
    if (!call->answer.is_there)
        return SLICE_NONE;
    if (result->name)
        return slice_str(result->name);
    if (result->code)
        return arena_printf(arena, "result %u", result->code);
    return SLICE_LITERAL("answer");
}

/* ── parts ── */

static void set_body(struct diameter_call *call, const struct diameter_part *part, unsigned field)
{
    struct diameter_text text = {.arena = dissect_entry_arena(call->entry),
                                 .max = DIAMETER_MESSAGE_MAX};
    diameter_put_avps(&text, avps_of(part));
    if (text.out.len)
        dissect_set_text(call->entry, field, gather_slice(&text.out));
    bool is_part =
        part->has_gap || part->bytes.cut || text.out.cut || part->bytes.len < part->head.bytes;
    if (is_part)
        dissect_set_bool(call->entry, FIELD_TRUNCATED_ID, true);
    else if (text.is_malformed)
        dissect_set_bool(call->entry, OWN_FIELD(MALFORMED), true);
}

static struct slice request_type(struct slice avps)
{
    uint32_t type;
    if (!diameter_u32(diameter_find(avps, DIAMETER_CC_REQUEST_TYPE), &type))
        return SLICE_NONE;
    return slice_str(diameter_value_name(DIAMETER_CC_REQUEST_TYPE, 0, type));
}

/* What the summary says behind the command: who, or whom it is about. */
static struct slice subject(struct slice avps)
{
    static const uint32_t codes[] = {DIAMETER_USER_NAME, DIAMETER_SESSION_ID, DIAMETER_ORIGIN_HOST};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        struct slice value = diameter_find(avps, codes[i]);
        if (value.len)
            return value;
    }
    return SLICE_NONE;
}

static void set_names(struct diameter_call *call, struct slice avps)
{
    static const struct {
        enum diameter_field field;
        uint32_t code;
    } names[] = {{SESSION_ID, DIAMETER_SESSION_ID},
                 {ORIGIN_HOST, DIAMETER_ORIGIN_HOST},
                 {ORIGIN_REALM, DIAMETER_ORIGIN_REALM},
                 {DESTINATION_HOST, DIAMETER_DESTINATION_HOST},
                 {DESTINATION_REALM, DIAMETER_DESTINATION_REALM},
                 {USERNAME, DIAMETER_USER_NAME}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        set_text(call, names[i].field, diameter_find(avps, names[i].code));
    set_text(call, REQUEST_TYPE, request_type(avps));
}

static struct slice summarize(struct diameter_call *call, const struct diameter_part *said)
{
    struct arena *arena = dissect_entry_arena(call->entry);
    const char *command = diameter_command_name(said->head.command);
    struct slice method =
        command ? slice_str(command) : arena_printf(arena, "command %u", said->head.command);
    struct slice type = request_type(avps_of(said));
    struct slice about = shown(arena, subject(avps_of(said)));
    set_text(call, METHOD, method);
    return arena_printf(arena, "%.*s%s%.*s%s%.*s", SLICE_ARGS(method), type.len ? " " : "",
                        SLICE_ARGS(type), about.len ? " " : "", SLICE_ARGS(about));
}

static void set_ids(struct diameter_call *call, const struct diameter_head *head)
{
    struct dissect_entry *entry = call->entry;
    dissect_set_int(entry, OWN_FIELD(COMMAND_CODE), head->command);
    dissect_set_int(entry, OWN_FIELD(APPLICATION_ID), head->application);
    set_text(call, APPLICATION, slice_str(diameter_application_name(head->application)));
    dissect_set_int(entry, OWN_FIELD(HOP_BY_HOP_ID), head->hop_by_hop);
    dissect_set_int(entry, OWN_FIELD(END_TO_END_ID), head->end_to_end);
    if (head->flags & DIAMETER_RETRANSMITTED)
        dissect_set_bool(entry, OWN_FIELD(RETRANSMITTED), true);
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

static void set_result(struct diameter_call *call, const struct result *result)
{
    struct dissect_entry *entry = call->entry;
    if (result->code)
        dissect_set_int(entry, OWN_FIELD(RESULT_CODE), result->code);
    if (result->vendor)
        dissect_set_int(entry, OWN_FIELD(RESULT_VENDOR), result->vendor);
    set_text(call, RESULT, slice_str(result->name));
    set_text(call, ERROR_MESSAGE, diameter_find(avps_of(&call->answer), DIAMETER_ERROR_MESSAGE));
}

void diameter_emit(struct dissect_conn *conn, struct diameter_call *call, const char *status,
                   const char *reason)
{
    struct dissect_entry *entry = call->entry;
    struct arena *arena = dissect_entry_arena(entry);
    const struct diameter_part *said = call->request.is_there ? &call->request : &call->answer;
    struct result result = find_result(avps_of(&call->answer));
    struct slice asked = summarize(call, said), told = outcome(call, &result);
    set_ids(call, &said->head);
    set_names(call, avps_of(said));
    set_text(call, SUMMARY, asked);
    dissect_set_text(entry, FIELD_SUMMARY_ID,
                     arena_printf(arena, "%.*s%s%.*s", SLICE_ARGS(asked), told.len ? " → " : "",
                                  SLICE_ARGS(told)));
    if (call->request.is_there)
        set_body(call, &call->request, FIELD_REQUEST_BODY_ID);
    if (call->answer.is_there) {
        set_body(call, &call->answer, FIELD_RESPONSE_BODY_ID);
        set_result(call, &result);
    }
    set_sizes(entry);
    bool is_error = result.code >= FIRST_ERROR || call->answer.head.flags & DIAMETER_ERROR;
    dissect_set_status(entry, status ? status : is_error ? "error" : "ok", reason);
    dissect_entry_emit(conn, entry);
}
