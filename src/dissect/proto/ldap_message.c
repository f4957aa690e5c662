/* The envelope of LDAP messages, and what the bytes of a message look like. */
#include "dissect/proto/ldap_message.h"

enum {
    MAX_ID_OCTETS = 4,
    CONTROLS = 0xa0,
    PATTERN_MAX = 7
};

struct op_def {
    uint8_t op, request; /* 0: this is one */
    bool is_final;
    const char *name;
    uint8_t pattern[PATTERN_MAX]; /* tags its value begins with; 0 ends */
};

static const struct op_def ops[] = {
    {LDAP_BIND, 0, false, "bind", {BER_INTEGER, BER_OCTET_STRING}},
    {LDAP_UNBIND, 0, false, "unbind", {0}},
    {LDAP_SEARCH,
     0,
     false,
     "search",
     {BER_OCTET_STRING, BER_ENUMERATED, BER_ENUMERATED, BER_INTEGER, BER_INTEGER, BER_BOOLEAN}},
    {LDAP_MODIFY, 0, false, "modify", {BER_OCTET_STRING, BER_SEQUENCE}},
    {LDAP_ADD, 0, false, "add", {BER_OCTET_STRING, BER_SEQUENCE}},
    {LDAP_DELETE, 0, false, "delete", {0}},
    {LDAP_MODIFY_DN, 0, false, "modifyDN", {BER_OCTET_STRING, BER_OCTET_STRING, BER_BOOLEAN}},
    {LDAP_COMPARE, 0, false, "compare", {BER_OCTET_STRING, BER_SEQUENCE}},
    {LDAP_ABANDON, 0, false, "abandon", {0}},
    {LDAP_EXTENDED, 0, false, "extended", {0x80}},
#define RESULT                                             \
    {                                                      \
        BER_ENUMERATED, BER_OCTET_STRING, BER_OCTET_STRING \
    }
    {LDAP_BIND_RESPONSE, LDAP_BIND, true, "bind", RESULT},
    {LDAP_SEARCH_ENTRY, LDAP_SEARCH, false, "search", {BER_OCTET_STRING, BER_SEQUENCE}},
    {LDAP_SEARCH_REFERENCE, LDAP_SEARCH, false, "search", {BER_OCTET_STRING}},
    {LDAP_SEARCH_DONE, LDAP_SEARCH, true, "search", RESULT},
    {LDAP_MODIFY_RESPONSE, LDAP_MODIFY, true, "modify", RESULT},
    {LDAP_ADD_RESPONSE, LDAP_ADD, true, "add", RESULT},
    {LDAP_DELETE_RESPONSE, LDAP_DELETE, true, "delete", RESULT},
    {LDAP_MODIFY_DN_RESPONSE, LDAP_MODIFY_DN, true, "modifyDN", RESULT},
    {LDAP_COMPARE_RESPONSE, LDAP_COMPARE, true, "compare", RESULT},
    {LDAP_EXTENDED_RESPONSE, LDAP_EXTENDED, true, "extended", RESULT},
    {LDAP_INTERMEDIATE, LDAP_EXTENDED, false, "intermediate", {0}},
};

static const struct op_def *find_op(uint8_t op)
{
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++)
        if (ops[i].op == op)
            return &ops[i];
    return NULL;
}

bool ldap_is_request(uint8_t op)
{
    const struct op_def *def = find_op(op);
    return def && def->request == LDAP_NO_OP;
}

bool ldap_is_final(uint8_t response)
{
    const struct op_def *def = find_op(response);
    return def && def->is_final;
}

/* RFC 4511, 4.13: an intermediate response may come for any operation that has a response. */
bool ldap_answers(uint8_t response, uint8_t request)
{
    const struct op_def *def = find_op(response);
    if (response == LDAP_INTERMEDIATE)
        return request != LDAP_UNBIND && request != LDAP_ABANDON && ldap_is_request(request);
    return def && def->request != LDAP_NO_OP && def->request == request;
}

const char *ldap_op_name(uint8_t op)
{
    const struct op_def *def = find_op(op);
    return def ? def->name : "";
}

/* ── the envelope ── */

static enum ber_result read_id(struct slice s, struct ber *ret)
{
    enum ber_result r = ber_read(s, ret);
    if (r != BER_OK)
        return r == BER_MORE && s.len && s.data[0] != BER_INTEGER ? BER_BAD : r;
    if (ret->tag != BER_INTEGER || ret->length == 0 || ret->length > MAX_ID_OCTETS)
        return BER_BAD;
    if (ret->is_cut)
        return BER_MORE;
    return ret->value.data[0] & 0x80 ? BER_BAD : BER_OK;
}

enum ber_result ldap_read_head(struct slice s, struct ldap_head *ret)
{
    struct ber message, id, op;
    if (s.len && s.data[0] != BER_SEQUENCE)
        return BER_BAD;
    enum ber_result r = ber_read(s, &message);
    if (r != BER_OK)
        return r;
    if (message.length < 5 || message.length > UINT32_MAX)
        return BER_BAD;
    r = read_id(message.value, &id);
    if (r != BER_OK)
        return message.is_cut || r == BER_BAD ? r : BER_BAD;
    size_t op_at = id.header + (size_t)id.length;
    struct slice rest = slice_sub(message.value, op_at, SIZE_MAX);
    r = ber_read(rest, &op);
    if (rest.len && !find_op(rest.data[0]))
        return BER_BAD;
    if (r != BER_OK)
        return message.is_cut || r == BER_BAD ? r : BER_BAD;
    uint64_t end = op_at + op.header + op.length;
    if (op.length > UINT32_MAX || (end != message.length && end + 2 > message.length))
        return BER_BAD;
    *ret = (struct ldap_head){.bytes = message.header + message.length,
                              .op = op.tag,
                              .body_at = message.header + op_at + op.header,
                              .body_bytes = op.length};
    for (size_t i = 0; i < id.value.len; i++)
        ret->id = ret->id << 8 | id.value.data[i];
    return BER_OK;
}

bool ldap_parse(struct slice s, struct ldap_message *ret)
{
    *ret = (struct ldap_message){.is_cut = false};
    if (ldap_read_head(s, &ret->head) != BER_OK)
        return false;
    ret->is_cut = s.len < ret->head.bytes;
    s = slice_sub(s, 0, (size_t)ret->head.bytes);
    struct slice body = slice_sub(s, ret->head.body_at, SIZE_MAX);
    ret->body = slice_sub(body, 0, (size_t)ret->head.body_bytes);
    struct slice rest = slice_sub(body, (size_t)ret->head.body_bytes, SIZE_MAX);
    (void)ber_next_is(&rest, CONTROLS, &ret->controls);
    return true;
}

/* ── judging ── */

static bool is_text(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.data[i] < 0x20 || s.data[i] == 0x7f)
            return false;
    return true;
}

static bool is_authentication(uint8_t tag)
{
    /* simple, sasl; 0x81 and 0x82: Kerberos of LDAPv2; 0x89 on: [MS-ADTS] 5.1.1.1.3 */
    return tag == 0x80 || tag == 0xa3 || tag == 0x81 || tag == 0x82 || (tag >= 0x89 && tag <= 0x8b);
}

static bool is_filter(uint8_t tag)
{
    return (tag >= 0xa0 && tag <= 0xa6) || tag == 0x87 || tag == 0xa8 || tag == 0xa9;
}

static bool is_oid(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((s.data[i] < '0' || s.data[i] > '9') && s.data[i] != '.')
            return false;
    return true;
}

/* One element that the operation's pattern names. */
static bool is_sane(uint8_t op, size_t index, const struct ber *element)
{
    bool is_request = ldap_is_request(op);
    if (element->tag == BER_INTEGER || element->tag == BER_ENUMERATED ||
        element->tag == BER_BOOLEAN)
        if (element->length == 0 || element->length > 4 ||
            (element->value.len && element->value.data[0] & 0x80 && element->tag != BER_BOOLEAN))
            return false;
    if (op == LDAP_BIND && index == 0)
        return element->length == 1 &&
               (element->value.len == 0 || (element->value.data[0] && element->value.data[0] <= 9));
    if (op == LDAP_SEARCH && element->tag == BER_ENUMERATED)
        return element->length == 1 && (element->value.len == 0 || element->value.data[0] <= 3);
    if (op == LDAP_EXTENDED)
        return element->length > 2 && is_oid(element->value);
    if (element->tag == BER_OCTET_STRING && (is_request || op == LDAP_SEARCH_ENTRY))
        return is_text(element->value);
    return true;
}

/* What stands behind the pattern. */
static bool is_sane_next(uint8_t op, struct slice rest, uint64_t left)
{
    if (op != LDAP_BIND && op != LDAP_SEARCH)
        return true;
    if (left == 0)
        return false;
    return rest.len == 0 ||
           (op == LDAP_BIND ? is_authentication(rest.data[0]) : is_filter(rest.data[0]));
}

static bool is_plain_body(const struct ldap_head *head, struct slice body)
{
    switch (head->op) {
    case LDAP_UNBIND:
        return head->body_bytes == 0;
    case LDAP_ABANDON:
        return head->body_bytes >= 1 && head->body_bytes <= MAX_ID_OCTETS;
    case LDAP_DELETE:
        return is_text(body);
    default:
        return true;
    }
}

enum ldap_judgement ldap_judge(struct slice s, bool ended)
{
    struct ldap_head head;
    const enum ldap_judgement unsure = ended ? LDAP_IS_NOT : LDAP_MAYBE;
    s = slice_sub(s, 0, LDAP_JUDGED);
    enum ber_result r = ldap_read_head(s, &head);
    if (r != BER_OK)
        return r == BER_BAD ? LDAP_IS_NOT : unsure;
    const struct op_def *def = find_op(head.op);
    bool is_notice = head.op == LDAP_EXTENDED_RESPONSE || head.op == LDAP_INTERMEDIATE;
    if (head.id == 0 && !is_notice)
        return LDAP_IS_NOT;
    struct slice rest = slice_sub(s, head.body_at, (size_t)head.body_bytes);
    uint64_t left = head.body_bytes;
    bool is_cut = rest.len < left, is_full = s.len == LDAP_JUDGED;
    if (!is_plain_body(&head, rest))
        return LDAP_IS_NOT;
    if (def->pattern[0] == 0 && is_cut && !is_full)
        return unsure;
    for (size_t i = 0; i < PATTERN_MAX && def->pattern[i]; i++) {
        struct ber element;
        if (rest.len == 0)
            return !is_cut ? LDAP_IS_NOT : is_full ? LDAP_IS : unsure;
        if (rest.data[0] != def->pattern[i])
            return LDAP_IS_NOT;
        r = ber_read(rest, &element);
        if (r != BER_OK)
            return r == BER_BAD || !is_cut ? LDAP_IS_NOT : is_full ? LDAP_IS : unsure;
        if (element.header + element.length > left || !is_sane(head.op, i, &element))
            return LDAP_IS_NOT;
        if (element.is_cut) /* the rest of a text may say no */
            return is_full || element.tag == BER_SEQUENCE ? LDAP_IS : unsure;
        left -= element.header + element.length;
        (void)ber_next(&rest, &element);
    }
    if (!is_sane_next(head.op, rest, left))
        return LDAP_IS_NOT;
    return rest.len == 0 && left && is_cut && !is_full ? unsure : LDAP_IS;
}

/* ── results ── */

void ldap_read_result(struct slice body, struct ldap_result *ret)
{
    struct slice code = SLICE_NONE;
    *ret = (struct ldap_result){.code = -1};
    if (!ber_next_is(&body, BER_ENUMERATED, &code) || !ber_int(code, &ret->code))
        return;
    if (ber_next_is(&body, BER_OCTET_STRING, &ret->matched_dn) &&
        ber_next_is(&body, BER_OCTET_STRING, &ret->message))
        (void)ber_next_is(&body, 0xa3, &ret->referral);
    ret->rest = body;
}
