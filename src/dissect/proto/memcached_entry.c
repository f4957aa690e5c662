/* From a memcached command and its reply to the fields of their entry (filter.md). */
#include "dissect/proto/memcached_call.h"

enum {
    SUMMARY_LINE_MAX = 160,
    SUMMARY_REPLY_MAX = 80
};

enum mc_field {
    COMMAND,
    KEY,
    STATUS,
    FIELDS
};
_Static_assert(FIELDS == (int)MC_FIELD_COUNT, "the table is as long as its enum");

const struct field_def memcached_fields[MC_FIELD_COUNT] = {
    [COMMAND] = {"memcached_command", FIELD_TEXT, 0, 0,
                 "get, set, mg …; of the binary protocol Get, SetQ …",
                 "memcached_command == \"set\""},
    [KEY] = {"memcached_key", FIELD_TEXT, 0, 0, "first key",
             "memcached_key.startsWith(\"session:\")"},
    [STATUS] = {"memcached_status", FIELD_TEXT, 0, 0,
                "first word of the reply: STORED, VALUE, END (a miss), NOT_FOUND …",
                "memcached_status == \"NOT_STORED\""},
};

static void set_text(struct dissect_entry *entry, unsigned field, struct slice text)
{
    if (text.len)
        dissect_set_text(entry, field, text);
}

static struct slice shorten(struct slice text, size_t most)
{
    if (text.len <= most)
        return text;
    text.len = most;
    while (text.len && (text.data[text.len] & 0xc0) == 0x80)
        text.len--;
    return text;
}

static struct slice outcome(struct arena *arena, const struct mc_call *call)
{
    if (call->failed && !call->binary_name)
        return shorten(call->first_line, SUMMARY_REPLY_MAX);
    if (call->value_count > 1)
        return arena_printf(arena, "%u values", call->value_count);
    if (call->value_count == 1)
        return arena_printf(arena, "%zu bytes", call->values.len);
    return shorten(call->first_line.len ? call->first_line : call->status, SUMMARY_REPLY_MAX);
}

void memcached_emit(struct dissect_conn *conn, struct mc_call *call, const char *status,
                    const char *reason)
{
    struct dissect_entry *entry = call->entry;
    struct arena *arena = dissect_entry_arena(entry);
    struct slice name = call->binary_name ? slice_str(call->binary_name) : call->command.name;
    struct slice key = call->command.key;
    struct slice asked = shorten(call->line, SUMMARY_LINE_MAX);
    if (call->binary_name)
        asked =
            arena_printf(arena, "%s%s%.*s", call->binary_name, key.len ? " " : "", SLICE_ARGS(key));
    struct slice told = call->answered ? outcome(arena, call) : SLICE_NONE;
    bool cut = call->line.len > asked.len && !call->binary_name;
    set_text(entry, OWN_FIELD(COMMAND), name);
    set_text(entry, OWN_FIELD(KEY), key);
    set_text(entry, OWN_FIELD(STATUS), call->status);
    set_text(entry, FIELD_REQUEST_BODY_ID, gather_slice(&call->sent));
    set_text(entry, FIELD_RESPONSE_BODY_ID, gather_slice(&call->values));
    call->truncated |= call->sent.cut || call->values.cut;
    if (call->sent.cut)
        dissect_set_bool(entry, FIELD_REQUEST_TRUNCATED_ID, true);
    if (call->values.cut)
        dissect_set_bool(entry, FIELD_RESPONSE_TRUNCATED_ID, true);
    if (call->truncated)
        dissect_set_bool(entry, FIELD_TRUNCATED_ID, true);
    dissect_set_text(entry, FIELD_SUMMARY_ID,
                     arena_printf(arena, "%.*s%s%s%.*s", SLICE_ARGS(asked), cut ? "…" : "",
                                  !told.len   ? ""
                                  : asked.len ? " → "
                                              : "→ ",
                                  SLICE_ARGS(told)));
    dissect_set_status(entry, status, reason);
    dissect_entry_emit(conn, entry);
}
