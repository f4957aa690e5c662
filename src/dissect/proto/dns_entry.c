/* From a DNS call to the fields of its entry (filter.md, row DNS). */
#include "dissect/proto/dns_call.h"

enum {
    SUMMARY_ANSWERS = 3
};

enum dns_field {
    QUESTIONS,
    QUESTION_TYPES,
    ANSWERS,
    REQUEST,
    RESPONSE,
    REQUEST_LENGTH,
    RESPONSE_LENGTH,
    TOTAL_SIZE,
    RCODE,
    RCODE_NAME,
    TTL_MIN,
    AUTHORITATIVE,
    RETRIES,
    ID,
    OPCODE,
    AUTHORITIES,
    ADDITIONALS,
    CLIENT_SUBNET,
    MALFORMED,
    FIELDS
};
_Static_assert(FIELDS == (int)DNS_FIELD_COUNT, "the table is as long as its enum");

const struct field_def dns_fields[DNS_FIELD_COUNT] = {
    [QUESTIONS] = {"dns_questions", FIELD_LIST, 0, 0, "names asked for",
                   "\"example.com\" in dns_questions"},
    [QUESTION_TYPES] = {"dns_question_types", FIELD_LIST, 0, 0, "types asked for",
                        "\"AAAA\" in dns_question_types"},
    [ANSWERS] = {"dns_answers", FIELD_LIST, 0, 0, "data of the answer section's records",
                 "\"10.96.0.10\" in dns_answers"},
    [REQUEST] = {"dns_request", FIELD_BOOL, 0, 0, "the query was seen", "dns_request"},
    [RESPONSE] = {"dns_response", FIELD_BOOL, 0, 0, "a response was seen", "dns && !dns_response"},
    [REQUEST_LENGTH] = {"dns_request_length", FIELD_INT, 0, 0, "bytes of the query",
                        "dns_request_length > 512"},
    [RESPONSE_LENGTH] = {"dns_response_length", FIELD_INT, 0, 0, "bytes of the response",
                         "dns_response_length > 1232"},
    [TOTAL_SIZE] = {"dns_total_size", FIELD_INT, 0, 0, "bytes of query and response",
                    "dns_total_size > 4096"},
    [RCODE] = {"dns_rcode", FIELD_INT, 0, -1, "response code with its EDNS extension",
               "dns_rcode == 3"},
    [RCODE_NAME] = {"dns_rcode_name", FIELD_TEXT, 0, 0, "NOERROR, NXDOMAIN, SERVFAIL …",
                    "dns_rcode_name == \"NXDOMAIN\""},
    [TTL_MIN] = {"dns_ttl_min", FIELD_INT, 0, 0, "smallest TTL of the answers, in seconds",
                 "dns_ttl_min < 10 && size(dns_answers) > 0"},
    [AUTHORITATIVE] = {"dns_authoritative", FIELD_BOOL, 0, 0, "the answer is authoritative",
                       "dns_authoritative"},
    [RETRIES] = {"dns_retries", FIELD_INT, 0, 0, "times the query was sent again",
                 "dns_retries > 0"},
    [ID] = {"dns_id", FIELD_INT, 0, 0, "transaction id", "dns_id == 4660"},
    [OPCODE] = {"dns_opcode", FIELD_TEXT, 0, 0, "QUERY, NOTIFY, UPDATE …",
                "dns_opcode == \"UPDATE\""},
    [AUTHORITIES] = {"dns_authorities", FIELD_LIST, 0, 0,
                     "records of the authority section (UPDATE: the updates)",
                     "size(dns_authorities) > 0"},
    [ADDITIONALS] = {"dns_additionals", FIELD_LIST, 0, 0, "records of the additional section",
                     "size(dns_additionals) > 0"},
    [CLIENT_SUBNET] = {"dns_client_subnet", FIELD_TEXT, 0, 0, "EDNS client subnet",
                       "dns_client_subnet.startsWith(\"192.0.2.\")"},
    [MALFORMED] = {"dns_malformed", FIELD_BOOL, 0, 0, "a part of it could not be read",
                   "dns_malformed"},
};

static void set_questions(struct dissect_entry *entry, const struct dns_message *m)
{
    struct arena *arena = dissect_entry_arena(entry);
    size_t n = m->question_count;
    struct slice *names = n ? arena_alloc(arena, n * sizeof *names) : NULL;
    struct slice *types = n ? arena_alloc(arena, n * sizeof *types) : NULL;
    char scratch[16];
    if (!names || !types)
        return;
    for (size_t i = 0; i < n; i++) {
        names[i] = m->questions[i].name;
        types[i] = arena_printf(arena, "%s", dns_type_name(m->questions[i].type, scratch));
    }
    dissect_set_list(entry, OWN_FIELD(QUESTIONS), names, n);
    dissect_set_list(entry, OWN_FIELD(QUESTION_TYPES), types, n);
}

static void set_records(struct dissect_entry *entry, unsigned field, const struct dns_message *m,
                        enum dns_section section)
{
    struct arena *arena = dissect_entry_arena(entry);
    size_t n = 0;
    char type[16];
    struct slice *lines = m->record_count[section]
                              ? arena_alloc(arena, m->record_count[section] * sizeof *lines)
                              : NULL;
    for (size_t i = 0; lines && i < m->record_count[section]; i++) {
        const struct dns_record *r = &m->records[section][i];
        if (r->type == DNS_TYPE_OPT)
            continue;
        lines[n] = arena_printf(arena, "%.*s %u %s %.*s", SLICE_ARGS(r->name), r->ttl,
                                dns_type_name(r->type, type), SLICE_ARGS(r->rdata));
        n += lines[n].data != NULL;
    }
    if (n)
        dissect_set_list(entry, OWN_FIELD(field), lines, n);
}

static void set_answers(struct dns_call *call)
{
    const struct dns_message *m = &call->response;
    struct arena *arena = dissect_entry_arena(call->entry);
    size_t n = m->record_count[DNS_ANSWER];
    uint32_t ttl_min = UINT32_MAX;
    struct slice *items = n ? arena_alloc(arena, n * sizeof *items) : NULL;
    for (size_t i = 0; items && i < n; i++) {
        items[i] = m->records[DNS_ANSWER][i].rdata;
        if (m->records[DNS_ANSWER][i].ttl < ttl_min)
            ttl_min = m->records[DNS_ANSWER][i].ttl;
    }
    if (!items)
        return;
    dissect_set_int(call->entry, OWN_FIELD(TTL_MIN), ttl_min);
    if (call->transfer_answers)
        dissect_set_list(call->entry, OWN_FIELD(ANSWERS), call->transfer_answers,
                         call->transfer_records);
    else
        dissect_set_list(call->entry, OWN_FIELD(ANSWERS), items, n);
}

static void put_outcome(struct dns_text *out, const struct dns_call *call)
{
    const struct dns_message *m = &call->response;
    size_t n = m->record_count[DNS_ANSWER];
    char scratch[16];
    dns_put(out, " → ");
    if (m->rcode || n == 0) {
        dns_put(out, "%s", dns_rcode_name(m->rcode, scratch));
        return;
    }
    for (size_t i = 0; i < n && i < SUMMARY_ANSWERS; i++) {
        struct slice data = slice_sub(m->records[DNS_ANSWER][i].rdata, 0, 120);
        while (data.len && data.len == 120 && (data.data[data.len - 1] & 0x80))
            data.len--;
        dns_put(out, "%s%.*s", i ? ", " : "", SLICE_ARGS(data));
    }
    size_t all = call->transfer_answers ? call->transfer_records : n;
    if (all > SUMMARY_ANSWERS)
        dns_put(out, " (+%zu)", all - SUMMARY_ANSWERS);
}

static void set_summary(struct dns_call *call, const struct dns_message *asked)
{
    char buffer[2048];
    char scratch[16];
    struct dns_text out = {.data = buffer, .cap = sizeof buffer};
    if (asked->opcode != DNS_QUERY)
        dns_put(&out, "%s ", dns_opcode_name(asked->opcode, scratch));
    if (asked->question_count)
        dns_put(&out, "%s %.*s", dns_type_name(asked->questions[0].type, scratch),
                SLICE_ARGS(asked->questions[0].name));
    else if (call->response.record_count[DNS_ANSWER])
        dns_put(&out, "%s %.*s", dns_type_name(call->response.records[DNS_ANSWER][0].type, scratch),
                SLICE_ARGS(call->response.records[DNS_ANSWER][0].name));
    if (asked->question_count > 1)
        dns_put(&out, " (+%zu)", asked->question_count - 1);
    if (call->response.is_response)
        put_outcome(&out, call);
    struct slice text = slice_of(buffer, out.len);
    while (text.len && text.data[0] == ' ')
        text = slice_sub(text, 1, SIZE_MAX);
    dissect_set_text(call->entry, FIELD_SUMMARY_ID,
                     arena_dup(dissect_entry_arena(call->entry), text));
}

static void set_response(struct dns_call *call)
{
    const struct dns_message *m = &call->response;
    struct dissect_entry *entry = call->entry;
    struct arena *arena = dissect_entry_arena(entry);
    char scratch[16];
    size_t bytes = dissect_entry_response(entry)->bytes;
    dissect_set_bool(entry, OWN_FIELD(RESPONSE), true);
    dissect_set_int(entry, OWN_FIELD(RESPONSE_LENGTH), (int64_t)bytes);
    dissect_set_int(entry, OWN_FIELD(RCODE), m->rcode);
    dissect_set_int(entry, FIELD_STATUS_CODE_ID, m->rcode);
    dissect_set_text(entry, OWN_FIELD(RCODE_NAME),
                     arena_printf(arena, "%s", dns_rcode_name(m->rcode, scratch)));
    dissect_set_bool(entry, OWN_FIELD(AUTHORITATIVE), m->is_authoritative);
    set_answers(call);
    set_records(entry, AUTHORITIES, m, DNS_AUTHORITY);
    set_records(entry, ADDITIONALS, m, DNS_ADDITIONAL);
    dissect_set_text(entry, FIELD_RESPONSE_BODY_ID, dns_message_text(arena, m));
}

static void set_request(struct dns_call *call)
{
    const struct dns_message *m = &call->request;
    struct dissect_entry *entry = call->entry;
    struct arena *arena = dissect_entry_arena(entry);
    dissect_set_bool(entry, OWN_FIELD(REQUEST), true);
    dissect_set_int(entry, OWN_FIELD(REQUEST_LENGTH), (int64_t)dissect_entry_request(entry)->bytes);
    if (call->retries)
        dissect_set_int(entry, OWN_FIELD(RETRIES), call->retries);
    if (!call->response.is_response) {
        set_records(entry, AUTHORITIES, m, DNS_AUTHORITY);
        set_records(entry, ADDITIONALS, m, DNS_ADDITIONAL);
    }
    dissect_set_text(entry, FIELD_REQUEST_BODY_ID, dns_message_text(arena, m));
}

static const char *status_of(const struct dns_message *response)
{
    return response->rcode == 0 || response->rcode == 3 ? "ok" : "error";
}

void dns_emit(struct dissect_conn *conn, struct dns_call *call, const char *status,
              const char *reason)
{
    struct dissect_entry *entry = call->entry;
    bool has_request = dissect_entry_request(entry)->bytes > 0;
    bool has_response = dissect_entry_response(entry)->bytes > 0;
    const struct dns_message *asked = has_request ? &call->request : &call->response;
    const struct dns_message *told = has_response ? &call->response : &call->request;
    char scratch[16];
    if (has_request)
        set_request(call);
    if (has_response)
        set_response(call);
    set_questions(entry, asked);
    dissect_set_int(entry, OWN_FIELD(ID), asked->id);
    dissect_set_text(
        entry, OWN_FIELD(OPCODE),
        arena_printf(dissect_entry_arena(entry), "%s", dns_opcode_name(asked->opcode, scratch)));
    dissect_set_int(
        entry, OWN_FIELD(TOTAL_SIZE),
        (int64_t)(dissect_entry_request(entry)->bytes + dissect_entry_response(entry)->bytes));
    struct slice subnet = asked->client_subnet.len ? asked->client_subnet : told->client_subnet;
    if (subnet.len)
        dissect_set_text(entry, OWN_FIELD(CLIENT_SUBNET), subnet);
    if (call->request.malformed || call->response.malformed)
        dissect_set_bool(entry, OWN_FIELD(MALFORMED), true);
    if (call->request.cut || call->response.cut)
        dissect_set_bool(entry, FIELD_TRUNCATED_ID, true);
    set_summary(call, asked);
    dissect_set_status(entry, status ? status : status_of(&call->response), reason);
    dissect_entry_emit(conn, entry);
}
