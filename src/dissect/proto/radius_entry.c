/* From a RADIUS call to the fields of its entry (filter.md, row RADIUS). */
#include "dissect/proto/radius_call.h"

enum radius_field {
    CODE,
    CODE_NAME,
    USERNAME,
    REQUEST,
    RESPONSE,
    REQUEST_LENGTH,
    RESPONSE_LENGTH,
    TOTAL_SIZE,
    RESPONSE_CODE,
    RESPONSE_CODE_NAME,
    ID,
    RETRIES,
    MALFORMED,
    FIELDS
};
_Static_assert(FIELDS == (int)RADIUS_FIELD_COUNT, "the table is as long as its enum");

const struct field_def radius_fields[RADIUS_FIELD_COUNT] = {
    [CODE] = {"radius_code", FIELD_INT, 0, 0,
              "code of the request (of the response where no request was seen)",
              "radius_code == 1"},
    [CODE_NAME] = {"radius_code_name", FIELD_TEXT, 0, 0,
                   "Access-Request, Accounting-Request, CoA-Request …",
                   "radius_code_name == \"Access-Request\""},
    [USERNAME] = {"radius_username", FIELD_TEXT, 0, 0, "User-Name", "radius_username == \"bob\""},
    [REQUEST] = {"radius_request", FIELD_BOOL, 0, 0, "the request was seen", "radius_request"},
    [RESPONSE] = {"radius_response", FIELD_BOOL, 0, 0, "a response was seen",
                  "radius && !radius_response"},
    [REQUEST_LENGTH] = {"radius_request_length", FIELD_INT, 0, 0, "bytes of the request",
                        "radius_request_length > 1000"},
    [RESPONSE_LENGTH] = {"radius_response_length", FIELD_INT, 0, 0, "bytes of the response",
                         "radius_response_length > 1000"},
    [TOTAL_SIZE] = {"radius_total_size", FIELD_INT, 0, 0, "bytes of request and response",
                    "radius_total_size > 2000"},
    [RESPONSE_CODE] = {"radius_response_code", FIELD_INT, 0, -1, "code of the response",
                       "radius_response_code == 3"},
    [RESPONSE_CODE_NAME] = {"radius_response_code_name", FIELD_TEXT, 0, 0,
                            "Access-Accept, Access-Reject, Access-Challenge …",
                            "radius_response_code_name == \"Access-Reject\""},
    [ID] = {"radius_id", FIELD_INT, 0, 0, "identifier", "radius_id == 5"},
    [RETRIES] = {"radius_retries", FIELD_INT, 0, 0, "times the request was sent again",
                 "radius_retries > 0"},
    [MALFORMED] = {"radius_malformed", FIELD_BOOL, 0, 0, "an attribute could not be read",
                   "radius_malformed"},
};

static void set_summary(struct radius_call *call)
{
    const struct radius_message *q = &call->request, *a = &call->response;
    struct arena *arena = dissect_entry_arena(call->entry);
    const char *kind = NULL, *cause = NULL;
    struct slice name = SLICE_NONE, asked = SLICE_NONE;
    if (q->length) {
        name = radius_find(q, RADIUS_USER_NAME);
        kind = radius_value_name(RADIUS_ACCT_STATUS_TYPE, radius_find(q, RADIUS_ACCT_STATUS_TYPE));
        asked = arena_printf(arena, "%s%s%s%s%.*s", radius_code_name(q->code), kind ? " " : "",
                             kind ? kind : "", name.len ? " " : "", SLICE_ARGS(name));
    }
    if (a->length == 0) {
        dissect_set_text(call->entry, FIELD_SUMMARY_ID, asked);
        return;
    }
    cause = radius_value_name(RADIUS_ERROR_CAUSE, radius_find(a, RADIUS_ERROR_CAUSE));
    dissect_set_text(call->entry, FIELD_SUMMARY_ID,
                     arena_printf(arena, "%.*s%s%s%s%s", SLICE_ARGS(asked), asked.len ? " → " : "",
                                  radius_code_name(a->code), cause ? " " : "", cause ? cause : ""));
}

static void set_username(struct radius_call *call)
{
    struct slice name = SLICE_NONE;
    if (call->request.length)
        name = radius_find(&call->request, RADIUS_USER_NAME);
    if (!name.data && call->response.length)
        name = radius_find(&call->response, RADIUS_USER_NAME);
    if (name.data)
        dissect_set_text(call->entry, OWN_FIELD(USERNAME), name);
}

static void set_request(struct radius_call *call)
{
    struct dissect_entry *entry = call->entry;
    dissect_set_bool(entry, OWN_FIELD(REQUEST), true);
    dissect_set_int(entry, OWN_FIELD(REQUEST_LENGTH), call->request.length);
    if (call->retries)
        dissect_set_int(entry, OWN_FIELD(RETRIES), call->retries);
    dissect_set_text(entry, FIELD_REQUEST_BODY_ID,
                     radius_attributes_text(dissect_entry_arena(entry), &call->request));
}

static void set_response(struct radius_call *call)
{
    struct dissect_entry *entry = call->entry;
    dissect_set_bool(entry, OWN_FIELD(RESPONSE), true);
    dissect_set_int(entry, OWN_FIELD(RESPONSE_LENGTH), call->response.length);
    dissect_set_int(entry, OWN_FIELD(RESPONSE_CODE), call->response.code);
    dissect_set_str(entry, OWN_FIELD(RESPONSE_CODE_NAME), radius_code_name(call->response.code));
    dissect_set_text(entry, FIELD_RESPONSE_BODY_ID,
                     radius_attributes_text(dissect_entry_arena(entry), &call->response));
}

/* A refusal is what whoever asked did not want; a challenge only asks back. */
static const char *status_of(uint8_t code)
{
    bool is_refusal =
        code == RADIUS_ACCESS_REJECT || code == RADIUS_DISCONNECT_NAK || code == RADIUS_COA_NAK;
    return is_refusal ? "error" : "ok";
}

void radius_emit(struct dissect_conn *conn, struct radius_call *call, const char *status,
                 const char *reason)
{
    struct dissect_entry *entry = call->entry;
    const struct radius_message *said = call->request.length ? &call->request : &call->response;
    if (call->request.length)
        set_request(call);
    if (call->response.length)
        set_response(call);
    set_username(call);
    dissect_set_int(entry, OWN_FIELD(CODE), said->code);
    dissect_set_str(entry, OWN_FIELD(CODE_NAME), radius_code_name(said->code));
    dissect_set_int(entry, OWN_FIELD(ID), said->id);
    dissect_set_int(entry, OWN_FIELD(TOTAL_SIZE), call->request.length + call->response.length);
    if (call->request.is_malformed || call->response.is_malformed)
        dissect_set_bool(entry, OWN_FIELD(MALFORMED), true);
    if (call->request.is_cut || call->response.is_cut)
        dissect_set_bool(entry, FIELD_TRUNCATED_ID, true);
    set_summary(call);
    dissect_set_status(entry, status ? status : status_of(call->response.code), reason);
    dissect_entry_emit(conn, entry);
}
