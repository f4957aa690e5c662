/* From a Redis command and its reply to the fields of their entry (filter.md, row Redis). */
#include "dissect/proto/redis_call.h"

enum {
    SUMMARY_COMMAND_MAX = 160,
    SUMMARY_REPLY_MAX = 80,
    VALUE_MAX = 4096
};

enum redis_field {
    TYPE,
    COMMAND,
    KEY,
    REQUEST_SIZE,
    RESPONSE_SIZE,
    TOTAL_SIZE,
    VALUE,
    ERROR,
    DB,
    FIELDS
};
_Static_assert(FIELDS == (int)REDIS_FIELD_COUNT, "the table is as long as its enum");

const struct field_def redis_fields[REDIS_FIELD_COUNT] = {
    [TYPE] = {"redis_type", FIELD_TEXT, 0, 0,
              "type of the reply: string, bulk, array, error, push …", "redis_type == \"error\""},
    [COMMAND] = {"redis_command", FIELD_TEXT, 0, 0, "command in upper case",
                 "redis_command == \"SET\""},
    [KEY] = {"redis_key", FIELD_TEXT, 0, 0, "first key or channel",
             "redis_key.startsWith(\"session:\")"},
    [REQUEST_SIZE] = {"redis_request_size", FIELD_INT, 0, 0, "bytes of the command",
                      "redis_request_size > 1000"},
    [RESPONSE_SIZE] = {"redis_response_size", FIELD_INT, 0, 0, "bytes of the reply",
                       "redis_response_size > 1000000"},
    [TOTAL_SIZE] = {"redis_total_size", FIELD_INT, 0, 0, "bytes of both",
                    "redis_total_size > 1000"},
    [VALUE] = {"redis_value", FIELD_TEXT, 0, 0, "value written, else value read (first 4 KiB)",
               "redis_value.contains(\"admin\")"},
    [ERROR] = {"redis_error", FIELD_TEXT, 0, 0, "text of an error reply",
               "redis_error.startsWith(\"WRONGTYPE\")"},
    [DB] = {"redis_db", FIELD_INT, 0, 0, "database selected on the connection", "redis_db == 1"},
};

static struct slice shorten(struct slice text, size_t most)
{
    if (text.len <= most)
        return text;
    text.len = most;
    while (text.len && (text.data[text.len] & 0xc0) == 0x80) /* never inside a character */
        text.len--;
    return text;
}

static struct slice upper(struct arena *arena, struct slice text)
{
    uint8_t *out = text.len ? arena_alloc(arena, text.len) : NULL;
    if (!out)
        return SLICE_NONE;
    for (size_t i = 0; i < text.len; i++)
        out[i] = text.data[i] >= 'a' && text.data[i] <= 'z' ? (uint8_t)(text.data[i] & 0xdf)
                                                            : text.data[i];
    return slice_of(out, text.len);
}

static struct slice word(const struct redis_call *call, size_t i)
{
    return i < RESP_KEPT && i < call->command.elements ? gather_slice(&call->command.kept[i])
                                                       : SLICE_NONE;
}

/* XREAD … STREAMS key …: the words behind the third are only in the text. */
static struct slice key_after_streams(const struct redis_call *call)
{
    struct slice text = gather_slice(&call->command.text);
    for (size_t at = 0; at + 8 < text.len; at++)
        if ((text.data[at] | 0x20) == 's' &&
            strncasecmp((const char *)text.data + at, "streams ", 8) == 0) {
            struct slice rest = slice_sub(text, at + 8, SIZE_MAX);
            const uint8_t *space = memchr(rest.data, ' ', rest.len);
            return space ? slice_of(rest.data, (size_t)(space - rest.data)) : rest;
        }
    return SLICE_NONE;
}

static struct slice key_of(const struct redis_call *call)
{
    const struct redis_command *known = call->known;
    if (!known)
        return word(call, 1);
    if (known->key == -1)
        return key_after_streams(call);
    if (known->key == -2) { /* script, number of keys, keys */
        struct slice count = word(call, 2);
        return count.len && !slice_eq_str(count, "0") ? word(call, 3) : SLICE_NONE;
    }
    return known->key > 0 ? word(call, (size_t)known->key) : SLICE_NONE;
}

static struct slice value_of(const struct redis_call *call)
{
    if (call->known && call->known->value)
        return word(call, (size_t)call->known->value);
    if (call->is_push) {
        uint64_t last = call->reply.elements ? call->reply.elements - 1 : 0;
        return last && last < RESP_KEPT ? gather_slice(&call->reply.kept[last]) : SLICE_NONE;
    }
    bool is_error = call->reply.type == '-' || call->reply.type == '!';
    if (is_error || call->reply.is_nil || call->reply.type == '+' ||
        (call->known && call->known->key == 0))
        return SLICE_NONE;
    return gather_slice(&call->reply.text);
}

static void set_text(struct dissect_entry *entry, unsigned field, struct slice text)
{
    if (text.len)
        dissect_set_text(entry, field, text);
}

/* One line: control characters become spaces. */
static struct slice one_line(struct arena *arena, struct slice text, size_t most)
{
    struct slice part = shorten(text, most);
    struct slice copy =
        arena_printf(arena, "%.*s%s", SLICE_ARGS(part), part.len < text.len ? "…" : "");
    for (size_t i = 0; i < copy.len; i++)
        if (copy.data[i] < ' ') {
            struct slice clean = arena_dup(arena, copy);
            uint8_t *p = arena_alloc(arena, copy.len);
            if (!p || !clean.data)
                return SLICE_NONE;
            for (size_t j = 0; j < copy.len; j++)
                p[j] = copy.data[j] < ' ' ? ' ' : copy.data[j];
            return slice_of(p, copy.len);
        }
    return copy;
}

static struct slice outcome(struct arena *arena, const struct redis_call *call)
{
    const struct resp_value *reply = &call->reply;
    if (reply->type == 0)
        return SLICE_NONE;
    if (reply->is_nil)
        return SLICE_LITERAL("nil");
    if (byte_is_in(reply->type, "*%~>"))
        return arena_printf(arena, "%s (%llu)", resp_type_name(reply->type),
                            (unsigned long long)reply->elements);
    return one_line(arena, gather_slice(&reply->text), SUMMARY_REPLY_MAX);
}

static void set_summary(struct redis_call *call, struct slice name)
{
    struct arena *arena = dissect_entry_arena(call->entry);
    struct slice told = outcome(arena, call);
    struct slice asked;
    if (call->is_push) {
        asked = one_line(arena, gather_slice(&call->reply.text), SUMMARY_COMMAND_MAX);
        dissect_set_text(call->entry, FIELD_SUMMARY_ID, asked);
        return;
    }
    if (call->known && call->known->traits & REDIS_SECRET && call->command.elements > 1)
        asked = arena_printf(arena, "%.*s ***", SLICE_ARGS(name));
    else
        asked = one_line(arena, gather_slice(&call->command.text), SUMMARY_COMMAND_MAX);
    dissect_set_text(call->entry, FIELD_SUMMARY_ID,
                     arena_printf(arena, "%.*s%s%.*s", SLICE_ARGS(asked),
                                  told.len ? (asked.len ? " → " : "→ ") : "", SLICE_ARGS(told)));
}

static void set_sizes(struct dissect_entry *entry)
{
    int64_t request = (int64_t)dissect_entry_request(entry)->bytes;
    int64_t response = (int64_t)dissect_entry_response(entry)->bytes;
    if (request)
        dissect_set_int(entry, OWN_FIELD(REQUEST_SIZE), request);
    if (response)
        dissect_set_int(entry, OWN_FIELD(RESPONSE_SIZE), response);
    dissect_set_int(entry, OWN_FIELD(TOTAL_SIZE), request + response);
}

void redis_emit(struct dissect_conn *conn, struct redis_call *call, const char *status,
                const char *reason)
{
    struct dissect_entry *entry = call->entry;
    struct arena *arena = dissect_entry_arena(entry);
    struct slice name =
        upper(arena, call->is_push ? gather_slice(&call->reply.kept[0]) : word(call, 0));
    bool is_error = call->reply.type == '-' || call->reply.type == '!';
    set_text(entry, OWN_FIELD(COMMAND), shorten(name, 64));
    set_text(entry, OWN_FIELD(KEY),
             call->is_push ? gather_slice(&call->reply.kept[1]) : key_of(call));
    set_text(entry, OWN_FIELD(VALUE), shorten(value_of(call), VALUE_MAX));
    if (call->reply.type) {
        const char *type = call->reply.is_nil ? "nil" : resp_type_name(call->reply.type);
        dissect_set_str(entry, OWN_FIELD(TYPE), type);
    }
    if (is_error)
        set_text(entry, OWN_FIELD(ERROR), gather_slice(&call->reply.text));
    if (call->db >= 0)
        dissect_set_int(entry, OWN_FIELD(DB), call->db);
    set_text(entry, FIELD_REQUEST_BODY_ID, gather_slice(&call->command.text));
    set_text(entry, FIELD_RESPONSE_BODY_ID, gather_slice(&call->reply.text));
    if (call->command.text.cut)
        dissect_set_bool(entry, FIELD_REQUEST_TRUNCATED_ID, true);
    if (call->reply.text.cut)
        dissect_set_bool(entry, FIELD_RESPONSE_TRUNCATED_ID, true);
    if (call->command.text.cut || call->reply.text.cut)
        dissect_set_bool(entry, FIELD_TRUNCATED_ID, true);
    set_sizes(entry);
    set_summary(call, name);
    dissect_set_status(entry, status, reason);
    dissect_entry_emit(conn, entry);
}
