/* From a PostgreSQL exchange to the fields of its entry (filter.md, row PostgreSQL). */
#include <stdio.h>

#include "dissect/proto/postgresql_call.h"
#include "dissect/proto/sql_template.h"

enum {
    SUMMARY_QUERY_MAX = 160,
    SUMMARY_ERROR_MAX = 120,
    PARAM_MAX = 4096
};

enum pg_field {
    COMMAND,
    QUERY,
    DATABASE,
    USER,
    SUCCESS,
    ERROR_CODE,
    ERROR_MESSAGE,
    ROWS,
    PARAMS,
    TX_STATE,
    STATEMENT,
    FIELDS
};
_Static_assert(FIELDS == (int)PG_FIELD_COUNT, "the table is as long as its enum");

const struct field_def postgresql_fields[PG_FIELD_COUNT] = {
    [COMMAND] = {"postgresql_command", FIELD_TEXT, 0, 0,
                 "verb of the statement, else the message: Startup, Parse, CancelRequest …",
                 "postgresql_command == \"UPDATE\""},
    [QUERY] = {"postgresql_query", FIELD_TEXT, 0, 0,
               "text of the statement, also of a prepared one",
               "postgresql_query.contains(\"orders\")"},
    [DATABASE] = {"postgresql_database", FIELD_TEXT, 0, 0, "database of the connection",
                  "postgresql_database == \"shop\""},
    [USER] = {"postgresql_user", FIELD_TEXT, 0, 0, "user of the connection",
              "postgresql_user == \"app\""},
    [SUCCESS] = {"postgresql_success", FIELD_BOOL, FIELD_GUARD_ZERO, 0,
                 "the server answered, and without an error", "postgresql_success"},
    [ERROR_CODE] = {"postgresql_error_code", FIELD_TEXT, 0, 0, "SQLSTATE",
                    "postgresql_error_code == \"40P01\""},
    [ERROR_MESSAGE] = {"postgresql_error_message", FIELD_TEXT, 0, 0, "message of the error",
                       "postgresql_error_message.contains(\"deadlock\")"},
    [ROWS] = {"postgresql_rows", FIELD_INT, 0, 0, "rows returned or changed",
              "postgresql_rows > 10000"},
    [PARAMS] = {"postgresql_params", FIELD_LIST, 0, 0, "parameters bound to the statement",
                "\"42\" in postgresql_params"},
    [TX_STATE] = {"postgresql_tx_state", FIELD_TEXT, 0, 0,
                  "after the statement: idle, transaction or failed",
                  "postgresql_tx_state == \"failed\""},
    [STATEMENT] = {"postgresql_statement", FIELD_TEXT, 0, 0, "name of the prepared statement",
                   "postgresql_statement == \"S_1\""},
};

static void set_text(struct dissect_entry *entry, unsigned field, struct slice text)
{
    if (text.len)
        dissect_set_text(entry, field, text);
}

/* Format code i of a list: none is text, one stands for all. */
static bool is_binary(struct slice formats, unsigned i)
{
    size_t count = formats.len / 2;
    size_t at = count == 1 ? 0 : i;
    return at < count && formats.data[2 * at + 1] == 1;
}

void postgresql_add_row(struct pg_call *call, struct slice body)
{
    struct arena *arena = dissect_entry_arena(call->entry);
    struct sql_result *result = &call->result;
    struct cursor c = cursor_of(body.data, body.len);
    struct cursor columns = cursor_of(call->columns.data, call->columns.len);
    unsigned count = cursor_be16(&c);
    bool named = cursor_be16(&columns) == count && count;
    char scratch[PG_TEXT_MAX];
    call->rows++;
    call->has_rows = true;
    if (result->cut)
        return;
    sql_result_begin_row(result, arena, named);
    for (unsigned i = 0; i < count && i < PG_COLUMNS_MAX; i++) {
        struct pg_column column = {0};
        bool known = named && pg_next_column(&columns, &column);
        uint32_t n = cursor_be32(&c);
        struct slice raw = n == UINT32_MAX ? SLICE_NONE : cursor_slice(&c, n);
        if (c.bad)
            break;
        bool binary = known && !call->formats_are_of_bind ? column.is_binary
                                                          : is_binary(call->result_formats, i);
        struct slice text = pg_value_text(column.oid, binary, raw, scratch);
        sql_result_cell(result, arena, column.name, text, n == UINT32_MAX);
    }
    sql_result_end_row(result, arena);
}

static void set_params(struct pg_call *call)
{
    struct arena *arena = dissect_entry_arena(call->entry);
    unsigned count = call->value_count < PG_PARAMS_MAX ? call->value_count : PG_PARAMS_MAX;
    struct slice *items = count ? arena_calloc(arena, count, sizeof *items) : NULL;
    struct cursor c = cursor_of(call->values.data, call->values.len);
    struct cursor types = cursor_of(call->types.data, call->types.len);
    char scratch[PG_TEXT_MAX];
    unsigned n = 0;
    for (; items && n < count; n++) {
        uint32_t len = cursor_be32(&c), oid = cursor_be32(&types);
        if (len == UINT32_MAX && !c.bad) {
            items[n] = SLICE_LITERAL("NULL");
            continue;
        }
        struct slice raw = cursor_slice(&c, len);
        if (c.bad)
            break;
        struct slice text = pg_value_text(oid, is_binary(call->formats, n), raw, scratch);
        items[n] = arena_dup(arena, slice_sub(text, 0, PARAM_MAX));
        call->truncated |= text.len > PARAM_MAX;
    }
    call->truncated |= n < call->value_count;
    if (n)
        dissect_set_list(call->entry, OWN_FIELD(PARAMS), items, n);
}

static struct slice command_of(const struct pg_call *call)
{
    struct arena *arena = dissect_entry_arena(call->entry);
    if (call->command)
        return slice_str(call->command);
    bool executed = !call->step_count;
    for (unsigned i = 0; i < call->step_count; i++)
        executed |= call->steps[i] == PG_EXECUTE || call->steps[i] == PG_QUERY;
    if (!executed)
        return call->has_bind ? SLICE_LITERAL("Bind") : SLICE_LITERAL("Parse");
    struct slice verb = sql_verb(arena, call->query, SQL_POSTGRESQL);
    if (verb.len)
        return verb;
    size_t n = 0; /* what the server says it was: "INSERT 0 1" */
    while (n < call->tag.len && call->tag.data[n] != ' ')
        n++;
    if (n && call->tag.data[0] >= 'A' && call->tag.data[0] <= 'Z')
        return slice_sub(call->tag, 0, n);
    return call->step_count ? SLICE_LITERAL("Execute") : SLICE_NONE;
}

static struct slice outcome(const struct pg_call *call, const char *status)
{
    struct arena *arena = dissect_entry_arena(call->entry);
    if (call->failed) {
        struct slice message = sql_one_line(arena, call->error.message, SUMMARY_ERROR_MAX);
        return arena_printf(arena, "%.*s %.*s: %.*s", SLICE_ARGS(call->error.severity),
                            SLICE_ARGS(call->error.code), SLICE_ARGS(message));
    }
    if (call->skipped)
        return SLICE_LITERAL("skipped after an error");
    if (call->tag.len)
        return sql_one_line(arena, call->tag, SUMMARY_ERROR_MAX);
    if (call->has_rows)
        return arena_printf(arena, "%lld rows", (long long)call->rows);
    return strcmp(status, "ok") == 0 && call->answered ? SLICE_LITERAL("ok") : SLICE_NONE;
}

static struct slice asked(const struct pg_call *call, const struct pg_identity *who,
                          struct slice command, struct slice template)
{
    struct arena *arena = dissect_entry_arena(call->entry);
    const char *name = call->command;
    if (name && strcmp(name, "Startup") == 0)
        return arena_printf(arena, "Startup %.*s@%.*s%s%s", SLICE_ARGS(who->user),
                            SLICE_ARGS(who->database), call->authentication ? " " : "",
                            call->authentication ? call->authentication : "");
    /* Passwords stay out: their text is folded. */
    struct slice text = sql_has_secret(call->query) ? template : call->query;
    struct slice query = sql_one_line(arena, slice_trim(text), SUMMARY_QUERY_MAX);
    if (call->is_push && !call->failed)
        return arena_printf(arena, "Notification %.*s %.*s", SLICE_ARGS(call->names[0]),
                            SLICE_ARGS(query));
    bool is_statement = !name && !slice_eq_str(command, "Parse") && !slice_eq_str(command, "Bind");
    struct slice statement = call->names[0].len ? call->names[0] : call->names[1];
    if (is_statement && query.len)
        return query;
    return arena_printf(arena, "%.*s%s%.*s%s%.*s", SLICE_ARGS(command), statement.len ? " " : "",
                        SLICE_ARGS(statement), query.len ? ": " : "", SLICE_ARGS(query));
}

static void set_texts(struct pg_call *call, const struct pg_identity *who, const char *status)
{
    struct dissect_entry *entry = call->entry;
    struct arena *arena = dissect_entry_arena(entry);
    struct slice command = command_of(call);
    struct slice template = SLICE_NONE;
    if (!call->is_push)
        template = sql_template(arena, call->query, SQL_POSTGRESQL);
    struct slice said = asked(call, who, command, template);
    struct slice told = outcome(call, status);
    set_text(entry, OWN_FIELD(COMMAND), command);
    set_text(entry, OWN_FIELD(QUERY), call->is_push ? SLICE_NONE : call->query);
    set_text(entry, FIELD_QUERY_TEMPLATE_ID, template);
    set_text(entry, OWN_FIELD(STATEMENT), call->is_push ? SLICE_NONE : call->names[0]);
    dissect_set_text(entry, FIELD_SUMMARY_ID,
                     arena_printf(arena, "%.*s%s%.*s", SLICE_ARGS(said),
                                  !told.len  ? ""
                                  : said.len ? " → "
                                             : "→ ",
                                  SLICE_ARGS(told)));
}

static void set_bodies(struct pg_call *call)
{
    struct dissect_entry *entry = call->entry;
    struct arena *arena = dissect_entry_arena(entry);
    struct slice request = call->query;
    if (call->copied.len && request.len < DISSECT_BODY_CAP) {
        struct gather whole = {0};
        gather_add(&whole, arena, request, DISSECT_BODY_CAP);
        gather_add(&whole, arena, SLICE_LITERAL("\n"), DISSECT_BODY_CAP);
        gather_add(&whole, arena, gather_slice(&call->copied), DISSECT_BODY_CAP);
        request = gather_slice(&whole);
        call->truncated |= whole.cut || call->copied.cut;
    }
    set_text(entry, call->is_push ? FIELD_RESPONSE_BODY_ID : FIELD_REQUEST_BODY_ID, request);
    if (call->failed && call->error.detail.len)
        sql_result_note(&call->result, arena, "detail", call->error.detail);
    if (call->failed && call->error.hint.len)
        sql_result_note(&call->result, arena, "hint", call->error.hint);
    set_text(entry, FIELD_RESPONSE_BODY_ID, sql_result_text(&call->result, arena));
    if (call->parameter_count)
        dissect_set_map(entry, FIELD_REQUEST_HEADERS_ID, call->parameters, call->parameter_count);
    if (call->setting_count)
        dissect_set_map(entry, FIELD_RESPONSE_HEADERS_ID, call->settings, call->setting_count);
    if (call->truncated)
        dissect_set_bool(entry, FIELD_REQUEST_TRUNCATED_ID, true);
    if (call->result.cut)
        dissect_set_bool(entry, FIELD_RESPONSE_TRUNCATED_ID, true);
    if (call->truncated || call->result.cut)
        dissect_set_bool(entry, FIELD_TRUNCATED_ID, true);
}

void postgresql_emit(struct dissect_conn *conn, struct pg_call *call, const struct pg_identity *who,
                     const char *status, const char *reason)
{
    struct dissect_entry *entry = call->entry;
    set_texts(call, who, status);
    set_params(call);
    set_bodies(call);
    set_text(entry, OWN_FIELD(DATABASE), who->database);
    set_text(entry, OWN_FIELD(USER), who->user);
    dissect_set_bool(entry, OWN_FIELD(SUCCESS), strcmp(status, "ok") == 0 && !call->failed);
    if (call->failed) {
        set_text(entry, OWN_FIELD(ERROR_CODE), call->error.code);
        set_text(entry, OWN_FIELD(ERROR_MESSAGE), call->error.message);
    }
    if (call->has_rows)
        dissect_set_int(entry, OWN_FIELD(ROWS), call->tag_rows + call->rows);
    const char *state = call->tx_state == 'I'   ? "idle"
                        : call->tx_state == 'T' ? "transaction"
                        : call->tx_state == 'E' ? "failed"
                                                : NULL;
    if (state)
        dissect_set_str(entry, OWN_FIELD(TX_STATE), state);
    dissect_set_status(entry, status, reason);
    dissect_entry_emit(conn, entry);
}
