/* From LDAP messages to the fields of an entry (filter.md, row LDAP). */
#include "dissect/proto/ldap_call.h"

enum ldap_field {
    TYPE,
    SUMMARY,
    RESULT_CODE,
    RESULT,
    ERROR_MESSAGE,
    MATCHED_DN,
    REFERRALS,
    DN,
    MESSAGE_ID,
    SCOPE,
    FILTER,
    ATTRIBUTES,
    ENTRIES,
    REFERENCES,
    INTERMEDIATES,
    MECHANISM,
    SASL_STEP,
    OID,
    CONTROLS,
    RESPONSE_CONTROLS,
    REQUEST,
    RESPONSE,
    REQUEST_LENGTH,
    RESPONSE_LENGTH,
    TOTAL_SIZE,
    RETRIES,
    MALFORMED,
    FIELDS
};
_Static_assert(FIELDS == (int)LDAP_FIELD_COUNT, "the table is as long as its enum");

enum {
    LIST_MAX = 1000,
    TEXT_MAX = 64 * 1024
};

const struct field_def ldap_fields[LDAP_FIELD_COUNT] = {
    [TYPE] = {"ldap_type", FIELD_TEXT, 0, 0,
              "bind, unbind, search, modify, add, delete, modifyDN, compare, abandon, extended, "
              "intermediate or unsolicited",
              "ldap_type == \"search\""},
    [SUMMARY] = {"ldap_summary", FIELD_TEXT, 0, 0, "what was asked, in one line",
                 "ldap_summary.contains(\"ou=people\")"},
    [RESULT_CODE] = {"ldap_result_code", FIELD_INT, 0, -1, "result code (49: invalidCredentials)",
                     "ldap_result_code == 49"},
    [RESULT] = {"ldap_result", FIELD_TEXT, 0, 0, "name of that code",
                "ldap_result == \"noSuchObject\""},
    [ERROR_MESSAGE] = {"ldap_error_message", FIELD_TEXT, 0, 0, "diagnostic message of the server",
                       "ldap_error_message.contains(\"data 52e\")"},
    [MATCHED_DN] = {"ldap_matched_dn", FIELD_TEXT, 0, 0,
                    "nearest name that exists, where the one asked for does not",
                    "ldap_matched_dn != \"\""},
    [REFERRALS] = {"ldap_referrals", FIELD_LIST, 0, 0, "where the server sends the client to",
                   "size(ldap_referrals) > 0"},
    [DN] = {"ldap_dn", FIELD_TEXT, 0, 0,
            "name the operation is about: base of a search, name of a bind, entry of the others",
            "ldap_dn.endsWith(\"dc=example,dc=com\")"},
    [MESSAGE_ID] = {"ldap_message_id", FIELD_INT, FIELD_GUARD_ZERO, 0, "message id",
                    "ldap_message_id == 5"},
    [SCOPE] = {"ldap_scope", FIELD_TEXT, 0, 0, "base, one, sub or subordinates",
               "ldap_scope == \"sub\""},
    [FILTER] = {"ldap_filter", FIELD_TEXT, 0, 0, "filter of a search as RFC 4515 writes it",
                "ldap_filter.contains(\"(uid=\")"},
    [ATTRIBUTES] = {"ldap_attributes", FIELD_LIST, 0, 0, "attributes that a search asks for",
                    "\"memberOf\" in ldap_attributes"},
    [ENTRIES] = {"ldap_entries", FIELD_INT, 0, 0, "entries that a search returned",
                 "ldap_entries > 1000"},
    [REFERENCES] = {"ldap_references", FIELD_INT, 0, 0, "references that a search returned",
                    "ldap_references > 0"},
    [INTERMEDIATES] = {"ldap_intermediates", FIELD_INT, 0, 0, "intermediate responses",
                       "ldap_intermediates > 0"},
    [MECHANISM] = {"ldap_mechanism", FIELD_TEXT, 0, 0,
                   "of a bind: anonymous, unauthenticated, simple, or the SASL mechanism",
                   "ldap_mechanism == \"GSSAPI\""},
    [SASL_STEP] = {"ldap_sasl_step", FIELD_INT, 0, 0, "which step of a SASL bind this is, from 1",
                   "ldap_sasl_step > 1"},
    [OID] = {"ldap_oid", FIELD_TEXT, 0, 0, "name of an extended operation or notification",
             "ldap_oid == \"1.3.6.1.4.1.1466.20037\""},
    [CONTROLS] = {"ldap_controls", FIELD_LIST, 0, 0,
                  "controls of the request, \"(critical)\" behind those that are",
                  "\"paged results\" in ldap_controls"},
    [RESPONSE_CONTROLS] = {"ldap_response_controls", FIELD_LIST, 0, 0,
                           "controls of the last response",
                           "\"password policy\" in ldap_response_controls"},
    [REQUEST] = {"ldap_request", FIELD_BOOL, 0, 0, "the request was seen", "ldap_request"},
    [RESPONSE] = {"ldap_response", FIELD_BOOL, 0, 0, "a response was seen",
                  "ldap && !ldap_response"},
    [REQUEST_LENGTH] = {"ldap_request_length", FIELD_INT, 0, 0, "bytes of the request",
                        "ldap_request_length > 10000"},
    [RESPONSE_LENGTH] = {"ldap_response_length", FIELD_INT, 0, 0, "bytes of all its responses",
                         "ldap_response_length > 1000000"},
    [TOTAL_SIZE] = {"ldap_total_size", FIELD_INT, 0, 0, "bytes of request and responses",
                    "ldap_total_size > 1000000"},
    [RETRIES] = {"ldap_retries", FIELD_INT, 0, 0, "times the request was sent again (over UDP)",
                 "ldap_retries > 0"},
    [MALFORMED] = {"ldap_malformed", FIELD_BOOL, 0, 0, "a part could not be read",
                   "ldap_malformed"},
};

static void set_text(struct ldap_call *call, enum ldap_field field, struct slice text)
{
    if (text.len)
        dissect_set_text(call->entry, OWN_FIELD(field), text);
}

/* For a summary: short, in one line. */
static struct slice shown(struct arena *arena, struct slice s)
{
    bool is_long = s.len > LDAP_SUMMARY_MAX;
    size_t n = is_long ? LDAP_SUMMARY_MAX : s.len;
    while (is_long && n && (s.data[n] & 0xc0) == 0x80)
        n--;
    uint8_t *copy = arena_alloc(arena, n + 3);
    if (!copy)
        return SLICE_NONE;
    for (size_t i = 0; i < n; i++)
        copy[i] = s.data[i] < 0x20 || s.data[i] == 0x7f ? ' ' : s.data[i];
    if (is_long)
        memcpy(copy + n, "…", 3);
    return slice_of(copy, is_long ? n + 3 : n);
}

/* ── lists ── */

static void set_strings(struct ldap_call *call, enum ldap_field field, struct slice elements)
{
    struct arena *arena = dissect_entry_arena(call->entry);
    struct slice rest = elements;
    struct ber element;
    size_t count = 0, n = 0;
    while (count < LIST_MAX && ber_next(&rest, &element))
        count++;
    struct slice *items = count ? arena_calloc(arena, count, sizeof *items) : NULL;
    rest = elements;
    while (items && n < count && ber_next(&rest, &element) && !element.is_cut)
        items[n++] = arena_dup(arena, element.value);
    if (n)
        dissect_set_list(call->entry, OWN_FIELD(field), items, n);
}

static void set_controls(struct ldap_call *call, enum ldap_field field, struct slice controls)
{
    struct arena *arena = dissect_entry_arena(call->entry);
    struct slice items[32];
    struct ber control;
    size_t count = 0;
    while (count < sizeof items / sizeof items[0] && ber_next(&controls, &control)) {
        struct slice rest = control.value, oid = SLICE_NONE, critical = SLICE_NONE;
        if (!ber_next_is(&rest, BER_OCTET_STRING, &oid))
            continue;
        (void)ber_next_is(&rest, BER_BOOLEAN, &critical);
        struct slice name = ldap_oid_name(oid);
        bool is_critical = critical.len && critical.data[0];
        name = name.len ? name : oid;
        items[count++] =
            arena_printf(arena, "%.*s%s", SLICE_ARGS(name), is_critical ? " (critical)" : "");
    }
    struct slice *kept = count ? arena_calloc(arena, count, sizeof *kept) : NULL;
    if (!kept)
        return;
    memcpy(kept, items, count * sizeof *kept);
    dissect_set_list(call->entry, OWN_FIELD(field), kept, count);
}

/* ── requests ── */

static struct ldap_text text_in(struct ldap_call *call, size_t max)
{
    return (struct ldap_text){.arena = dissect_entry_arena(call->entry), .max = max};
}

static void malformed(struct ldap_call *call)
{
    if (!call->has_gap && !call->is_cut)
        dissect_set_bool(call->entry, OWN_FIELD(MALFORMED), true);
}

static void set_request_body(struct ldap_call *call, const struct ldap_text *text)
{
    call->is_cut |= text->out.cut;
    if (text->is_malformed)
        malformed(call);
    /* around a loss the pieces that are there would read as one text that nobody sent */
    if (text->out.len && !call->has_gap)
        dissect_set_text(call->entry, FIELD_REQUEST_BODY_ID, gather_slice(&text->out));
}

static void fill_bind(struct ldap_call *call, struct slice body)
{
    struct slice version = SLICE_NONE, name = SLICE_NONE, mechanism = SLICE_NONE;
    struct ber authentication = {.tag = 0};
    struct arena *arena = dissect_entry_arena(call->entry);
    bool is_whole = ber_next_is(&body, BER_INTEGER, &version) &&
                    ber_next_is(&body, BER_OCTET_STRING, &name) && ber_next(&body, &authentication);
    if (!is_whole)
        malformed(call);
    switch (authentication.tag) {
    case 0x80: /* RFC 4513 section 5.1 */
        mechanism = authentication.length ? SLICE_LITERAL("simple")
                    : name.len            ? SLICE_LITERAL("unauthenticated")
                                          : SLICE_LITERAL("anonymous");
        break;
    case 0xa3:
        call->is_sasl = true;
        (void)ber_next_is(&authentication.value, BER_OCTET_STRING, &mechanism);
        break;
    case 0x89:
    case 0x8a:
    case 0x8b: /* [MS-ADTS] section 5.1.1.1.3 */
        call->is_sasl = true;
        mechanism = SLICE_LITERAL("Sicily");
        break;
    default:
        break;
    }
    bool is_named_sasl = authentication.tag == 0xa3;
    set_text(call, DN, name);
    set_text(call, MECHANISM, mechanism);
    if (call->sasl_step && call->is_sasl)
        dissect_set_int(call->entry, OWN_FIELD(SASL_STEP), call->sasl_step);
    struct slice who = shown(arena, name), how = shown(arena, mechanism);
    call->about = arena_printf(arena, "%.*s%s%s%.*s", SLICE_ARGS(who), who.len ? " " : "",
                               is_named_sasl ? "SASL " : "", SLICE_ARGS(how));
}

static void fill_search(struct ldap_call *call, struct slice body)
{
    static const char *const scopes[] = {"base", "one", "sub", "subordinates"};
    struct slice dn = SLICE_NONE, scope = SLICE_NONE, skipped = SLICE_NONE, wanted = SLICE_NONE;
    struct ber filter = {.tag = 0};
    struct arena *arena = dissect_entry_arena(call->entry);
    struct ldap_text text = text_in(call, TEXT_MAX);
    int64_t number = -1;
    bool is_whole =
        ber_next_is(&body, BER_OCTET_STRING, &dn) && ber_next_is(&body, BER_ENUMERATED, &scope) &&
        ber_int(scope, &number) && ber_next_is(&body, BER_ENUMERATED, &skipped) &&
        ber_next_is(&body, BER_INTEGER, &skipped) && ber_next_is(&body, BER_INTEGER, &skipped) &&
        ber_next_is(&body, BER_BOOLEAN, &skipped);
    struct slice filter_at = body;
    is_whole = is_whole && ber_next(&body, &filter);
    if (is_whole && !filter.is_cut)
        ldap_put_filter(&text, filter_at);
    if (!is_whole || text.is_malformed)
        malformed(call);
    call->is_cut |= text.out.cut;
    const char *scope_name = number >= 0 && number < 4 ? scopes[number] : "";
    set_text(call, DN, dn);
    set_text(call, SCOPE, slice_str(scope_name));
    set_text(call, FILTER, gather_slice(&text.out));
    if (ber_next_is(&body, BER_SEQUENCE, &wanted))
        set_strings(call, ATTRIBUTES, wanted);
    struct slice base = shown(arena, dn), what = shown(arena, gather_slice(&text.out));
    call->about = arena_printf(arena, "%.*s%s%s%s%.*s", SLICE_ARGS(base), base.len ? " " : "",
                               scope_name, what.len ? " " : "", SLICE_ARGS(what));
}

static void fill_modify_dn(struct ldap_call *call, struct slice body)
{
    struct slice dn = SLICE_NONE, rdn = SLICE_NONE, drop = SLICE_NONE, superior = SLICE_NONE;
    struct arena *arena = dissect_entry_arena(call->entry);
    struct ldap_text text = text_in(call, TEXT_MAX);
    bool is_whole = ber_next_is(&body, BER_OCTET_STRING, &dn) &&
                    ber_next_is(&body, BER_OCTET_STRING, &rdn) &&
                    ber_next_is(&body, BER_BOOLEAN, &drop);
    bool is_moved = is_whole && ber_next_is(&body, 0x80, &superior);
    if (!is_whole)
        malformed(call);
    if (rdn.len)
        ldap_put_line(&text, SLICE_LITERAL("newrdn"), rdn, false);
    if (drop.len)
        ldap_put_line(&text, SLICE_LITERAL("deleteoldrdn"),
                      drop.data[0] ? SLICE_LITERAL("1") : SLICE_LITERAL("0"), false);
    if (is_moved)
        ldap_put_line(&text, SLICE_LITERAL("newsuperior"), superior, false);
    set_text(call, DN, dn);
    set_request_body(call, &text);
    struct slice from = shown(arena, dn), to = shown(arena, rdn), below = shown(arena, superior);
    call->about = arena_printf(arena, "%.*s to %.*s%s%.*s", SLICE_ARGS(from), SLICE_ARGS(to),
                               is_moved ? "," : "", SLICE_ARGS(below));
}

/* modify, add, compare: a name, and what is to be done with it. */
static void fill_named(struct ldap_call *call, struct slice body)
{
    struct slice dn = SLICE_NONE, inner = SLICE_NONE, name = SLICE_NONE, value = SLICE_NONE;
    struct arena *arena = dissect_entry_arena(call->entry);
    struct ldap_text text = text_in(call, DISSECT_BODY_CAP);
    bool is_whole =
        ber_next_is(&body, BER_OCTET_STRING, &dn) && ber_next_is(&body, BER_SEQUENCE, &inner);
    if (!is_whole)
        malformed(call);
    struct slice who = shown(arena, dn);
    call->about = who;
    if (call->op == LDAP_MODIFY) {
        ldap_put_changes(&text, inner);
    } else if (call->op == LDAP_ADD) {
        ldap_put_attributes(&text, inner);
    } else if (ber_next_is(&inner, BER_OCTET_STRING, &name)) {
        if (ber_next_is(&inner, BER_OCTET_STRING, &value))
            ldap_put_line(&text, name, value, ldap_is_secret(name));
        name = shown(arena, name);
        call->about = arena_printf(arena, "%.*s %.*s", SLICE_ARGS(who), SLICE_ARGS(name));
    }
    set_text(call, DN, dn);
    set_request_body(call, &text);
}

static void fill_extended(struct ldap_call *call, struct slice body)
{
    struct arena *arena = dissect_entry_arena(call->entry);
    if (!ber_next_is(&body, 0x80, &call->oid))
        malformed(call);
    struct slice name = ldap_oid_name(call->oid);
    set_text(call, OID, call->oid);
    call->is_start_tls = slice_eq_str(call->oid, "1.3.6.1.4.1.1466.20037");
    call->about = name.len ? name : shown(arena, call->oid);
}

void ldap_fill_request(struct ldap_call *call)
{
    struct arena *arena = dissect_entry_arena(call->entry);
    struct ldap_message m;
    int64_t id;
    call->is_cut |= call->request.cut;
    if (!ldap_parse(gather_slice(&call->request), &m))
        return;
    switch (call->op) {
    case LDAP_BIND:
        fill_bind(call, m.body);
        break;
    case LDAP_SEARCH:
        fill_search(call, m.body);
        break;
    case LDAP_MODIFY_DN:
        fill_modify_dn(call, m.body);
        break;
    case LDAP_MODIFY:
    case LDAP_ADD:
    case LDAP_COMPARE:
        fill_named(call, m.body);
        break;
    case LDAP_DELETE:
        if (m.is_cut)
            break;
        set_text(call, DN, m.body);
        call->about = shown(arena, m.body);
        break;
    case LDAP_ABANDON:
        if (ber_int(m.body, &id))
            call->about = arena_printf(arena, "message %lld", (long long)id);
        break;
    case LDAP_EXTENDED:
        fill_extended(call, m.body);
        break;
    default:
        break;
    }
    set_controls(call, CONTROLS, m.controls);
}

/* ── responses ── */

static void add_entry(struct ldap_call *call, struct slice body)
{
    struct slice dn = SLICE_NONE, attributes = SLICE_NONE;
    if (call->is_body_over)
        return;
    if (!ber_next_is(&body, BER_OCTET_STRING, &dn) ||
        !ber_next_is(&body, BER_SEQUENCE, &attributes)) {
        malformed(call);
        return;
    }
    ldap_put_line(&call->body, SLICE_LITERAL("dn"), dn, false);
    ldap_put_attributes(&call->body, attributes);
    gather_add(&call->body.out, call->body.arena, SLICE_LITERAL("\n"), call->body.max);
}

static void add_reference(struct ldap_call *call, struct slice body)
{
    struct ber url;
    if (call->is_body_over)
        return;
    while (!call->body.out.cut && ber_next(&body, &url) && !url.is_cut)
        ldap_put_line(&call->body, SLICE_LITERAL("ref"), url.value, false);
    gather_add(&call->body.out, call->body.arena, SLICE_LITERAL("\n"), call->body.max);
}

/* RFC 4532: the authorization identity. What other operations return is not shown: it may be a
 * password (RFC 3062). */
static void add_extended(struct ldap_call *call, struct slice rest)
{
    struct arena *arena = dissect_entry_arena(call->entry);
    struct slice oid = SLICE_NONE, value = SLICE_NONE;
    if (ber_next_is(&rest, 0x8a, &oid) && (call->is_unasked || !call->has_request)) {
        struct slice name = ldap_oid_name(oid);
        call->oid = arena_dup(arena, oid);
        set_text(call, OID, call->oid);
        call->about = shown(arena, name.len ? name : oid);
    }
    if (ber_next_is(&rest, 0x8b, &value) && slice_eq_str(call->oid, "1.3.6.1.4.1.4203.1.11.3"))
        dissect_set_text(call->entry, FIELD_RESPONSE_BODY_ID, arena_dup(arena, value));
}

static void add_result(struct ldap_call *call, const struct ldap_message *m)
{
    struct arena *arena = dissect_entry_arena(call->entry);
    struct ldap_result result;
    ldap_read_result(m->body, &result);
    call->code = result.code;
    if (result.code < 0)
        malformed(call);
    while (result.message.len && result.message.data[result.message.len - 1] == 0)
        result.message.len--; /* Active Directory ends it like a string of C */
    call->message = arena_dup(arena, result.message);
    set_text(call, ERROR_MESSAGE, call->message);
    if (m->head.op != LDAP_BIND_RESPONSE) /* Sicily: it carries a token there */
        set_text(call, MATCHED_DN, arena_dup(arena, result.matched_dn));
    if (result.referral.len)
        set_strings(call, REFERRALS, result.referral);
    if (m->head.op == LDAP_EXTENDED_RESPONSE)
        add_extended(call, result.rest);
    set_controls(call, RESPONSE_CONTROLS, m->controls);
    call->is_done = true;
}

void ldap_fill_response(struct ldap_call *call, struct slice message)
{
    struct ldap_message m;
    if (!ldap_parse(message, &m))
        return;
    if (!call->body.arena)
        call->body = text_in(call, DISSECT_BODY_CAP);
    switch (m.head.op) {
    case LDAP_SEARCH_ENTRY:
        call->entries++;
        add_entry(call, m.body);
        break;
    case LDAP_SEARCH_REFERENCE:
        call->references++;
        add_reference(call, m.body);
        break;
    case LDAP_INTERMEDIATE:
        call->intermediates++;
        break;
    default:
        add_result(call, &m);
    }
}

/* ── the entry ── */

static struct slice counted(struct arena *arena, uint64_t n, const char *one, const char *many)
{
    return arena_printf(arena, "%llu %s", (unsigned long long)n, n == 1 ? one : many);
}

static struct slice outcome(struct ldap_call *call)
{
    struct arena *arena = dissect_entry_arena(call->entry);
    bool is_search = call->op == LDAP_SEARCH && (call->entries || call->code == LDAP_SUCCESS);
    struct slice count = SLICE_NONE, more = SLICE_NONE;
    if (is_search)
        count = counted(arena, call->entries, "entry", "entries");
    if (call->references)
        more = counted(arena, call->references, "reference", "references");
    struct slice s = arena_printf(arena, "%.*s%s%.*s", SLICE_ARGS(count),
                                  count.len && more.len ? ", " : "", SLICE_ARGS(more));
    if (call->code < 0 || (call->code == LDAP_SUCCESS && is_search))
        return s;
    const char *name = ldap_result_name(call->code);
    struct slice result =
        name ? slice_str(name) : arena_printf(arena, "result %lld", (long long)call->code);
    struct slice why = call->code ? shown(arena, call->message) : SLICE_NONE;
    return arena_printf(arena, "%.*s%s%.*s%s%.*s", SLICE_ARGS(s), s.len ? ", " : "",
                        SLICE_ARGS(result), why.len ? ": " : "", SLICE_ARGS(why));
}

/* RFC 4511 appendix A.1: these, and what asks to go on, are no errors. */
static const char *status_of(const struct ldap_call *call)
{
    switch (call->code) {
    case LDAP_SUCCESS:
    case LDAP_COMPARE_FALSE:
    case LDAP_COMPARE_TRUE:
    case LDAP_REFERRAL:
    case LDAP_SASL_IN_PROGRESS:
        return "ok";
    default:
        return "error";
    }
}

static void set_sizes(const struct ldap_call *call)
{
    struct dissect_entry *entry = call->entry;
    int64_t request = (int64_t)(dissect_entry_request(entry)->bytes / (call->retries + 1));
    int64_t response = (int64_t)dissect_entry_response(entry)->bytes;
    if (request) {
        if (!call->is_unasked)
            dissect_set_bool(entry, OWN_FIELD(REQUEST), true);
        dissect_set_int(entry, OWN_FIELD(REQUEST_LENGTH), request);
    }
    if (response) {
        dissect_set_bool(entry, OWN_FIELD(RESPONSE), true);
        dissect_set_int(entry, OWN_FIELD(RESPONSE_LENGTH), response);
    }
    dissect_set_int(entry, OWN_FIELD(TOTAL_SIZE), request + response);
}

static void set_counts(struct ldap_call *call)
{
    struct dissect_entry *entry = call->entry;
    bool is_answered = call->is_done || call->entries || call->references;
    if (call->op == LDAP_SEARCH && is_answered) {
        dissect_set_int(entry, OWN_FIELD(ENTRIES), (int64_t)call->entries);
        dissect_set_int(entry, OWN_FIELD(REFERENCES), (int64_t)call->references);
    }
    if (call->retries)
        dissect_set_int(entry, OWN_FIELD(RETRIES), call->retries);
    if (call->intermediates)
        dissect_set_int(entry, OWN_FIELD(INTERMEDIATES), (int64_t)call->intermediates);
    if (call->body.out.len)
        dissect_set_text(entry, FIELD_RESPONSE_BODY_ID, gather_slice(&call->body.out));
    if (call->body.is_malformed)
        malformed(call);
    if (call->code >= 0) {
        dissect_set_int(entry, OWN_FIELD(RESULT_CODE), call->code);
        set_text(call, RESULT, slice_str(ldap_result_name(call->code)));
    }
}

void ldap_emit(struct dissect_conn *conn, struct ldap_call *call, const char *status,
               const char *reason)
{
    struct dissect_entry *entry = call->entry;
    struct arena *arena = dissect_entry_arena(entry);
    const char *type = call->is_unasked ? "unsolicited" : ldap_op_name(call->op);
    struct slice asked =
        arena_printf(arena, "%s%s%.*s", type, call->about.len ? " " : "", SLICE_ARGS(call->about));
    struct slice told = outcome(call);
    dissect_set_str(entry, OWN_FIELD(TYPE), type);
    set_text(call, SUMMARY, asked);
    dissect_set_text(entry, FIELD_SUMMARY_ID,
                     arena_printf(arena, "%.*s%s%.*s", SLICE_ARGS(asked), told.len ? " → " : "",
                                  SLICE_ARGS(told)));
    dissect_set_int(entry, OWN_FIELD(MESSAGE_ID), call->id);
    set_counts(call);
    set_sizes(call);
    if (call->is_cut || call->body.out.cut || call->has_gap)
        dissect_set_bool(entry, FIELD_TRUNCATED_ID, true);
    dissect_set_status(entry, status ? status : status_of(call), reason);
    dissect_entry_emit(conn, entry);
}
