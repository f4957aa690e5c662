/* From a MySQL command and its answer to the fields of their entry (filter.md, row MySQL). */
#include <stdio.h>

#include "dissect/proto/mysql_call.h"
#include "dissect/proto/sql_template.h"

enum {
    SUMMARY_QUERY_MAX = 160,
    SUMMARY_ERROR_MAX = 120,
    NULL_MARK = 0xfb
};

enum my_field {
    COMMAND,
    QUERY,
    DATABASE,
    STATEMENT_ID,
    SUCCESS,
    ERROR_CODE,
    ERROR_MESSAGE,
    ROWS,
    USER,
    PARAMS,
    FIELDS
};
_Static_assert(FIELDS == (int)MY_FIELD_COUNT, "the table is as long as its enum");

const struct field_def mysql_fields[MY_FIELD_COUNT] = {
    [COMMAND] = {"mysql_command", FIELD_TEXT, 0, 0, "COM_QUERY, COM_STMT_EXECUTE, CONNECT …",
                 "mysql_command == \"COM_QUERY\""},
    [QUERY] = {"mysql_query", FIELD_TEXT, 0, 0, "text of the statement, also of a prepared one",
               "mysql_query.contains(\"orders\")"},
    [DATABASE] = {"mysql_database", FIELD_TEXT, 0, 0, "database in use when it was sent",
                  "mysql_database == \"shop\""},
    [STATEMENT_ID] = {"mysql_statement_id", FIELD_INT, 0, 0, "number of the prepared statement",
                      "mysql_statement_id == 1"},
    [SUCCESS] = {"mysql_success", FIELD_BOOL, FIELD_GUARD_ZERO, 0,
                 "the server answered, and without an error", "mysql_success"},
    [ERROR_CODE] = {"mysql_error_code", FIELD_INT, 0, 0, "number of the error",
                    "mysql_error_code == 1213"},
    [ERROR_MESSAGE] = {"mysql_error_message", FIELD_TEXT, 0, 0, "message of the error",
                       "mysql_error_message.contains(\"Deadlock\")"},
    [ROWS] = {"mysql_rows", FIELD_INT, 0, 0, "rows returned or changed", "mysql_rows > 10000"},
    [USER] = {"mysql_user", FIELD_TEXT, 0, 0, "user of the connection", "mysql_user == \"app\""},
    [PARAMS] = {"mysql_params", FIELD_LIST, 0, 0, "parameters of the prepared statement",
                "\"42\" in mysql_params"},
};

static void set_text(struct dissect_entry *entry, unsigned field, struct slice text)
{
    if (text.len)
        dissect_set_text(entry, field, text);
}

/* ── rows ── */

/* Header, a bit for every null (the first two are not used), values by type. */
static void add_binary_row(struct my_call *call, struct slice body)
{
    struct arena *arena = dissect_entry_arena(call->entry);
    struct cursor c = cursor_of(body.data, body.len);
    uint32_t count = call->column_count;
    cursor_skip(&c, 1);
    struct slice nulls = cursor_slice(&c, (size_t)(count + 7 + 2) / 8);
    char scratch[MY_TEXT_MAX];
    if (!count || c.bad)
        return;
    sql_result_begin_row(&call->result, arena, true);
    for (uint32_t i = 0; i < count && !c.bad; i++) {
        const struct my_column *column = &call->columns[i];
        struct slice text = SLICE_NONE;
        bool is_null = nulls.data[(i + 2) / 8] >> ((i + 2) % 8) & 1;
        if (!is_null && !my_binary_value(&c, column->type, column->is_unsigned, scratch, &text))
            break;
        sql_result_cell(&call->result, arena, column->name, text, is_null);
    }
    sql_result_end_row(&call->result, arena);
}

void my_add_row(struct my_call *call, struct slice body)
{
    struct arena *arena = dissect_entry_arena(call->entry);
    struct cursor c = cursor_of(body.data, body.len);
    if (call->result.cut)
        return;
    if (call->is_binary) {
        add_binary_row(call, body);
        return;
    }
    bool named = call->column_count != 0;
    sql_result_begin_row(&call->result, arena, named);
    for (uint32_t i = 0; cursor_left(&c) && (!named || i < call->column_count); i++) {
        bool is_null;
        struct slice text = my_lenenc_text(&c, &is_null);
        if (c.bad)
            break;
        sql_result_cell(&call->result, arena, named ? call->columns[i].name : SLICE_NONE, text,
                        is_null);
    }
    sql_result_end_row(&call->result, arena);
}

void my_remember_columns(struct dissect_conn *conn, struct my_state *state,
                         const struct my_call *call, struct sql_statement *s)
{
    struct gather g = {0};
    struct arena *arena = dissect_entry_arena(call->entry);
    for (uint32_t i = 0; i < call->column_count; i++) {
        const struct my_column *column = &call->columns[i];
        uint8_t head[3] = {column->type, column->is_unsigned, (uint8_t)column->name.len};
        gather_add(&g, arena, slice_of(head, sizeof head), SQL_STATEMENT_TEXT_MAX);
        gather_add(&g, arena, column->name, SQL_STATEMENT_TEXT_MAX);
    }
    if (!g.cut)
        sql_statement_set(&state->statements, dissect_arena(conn), s, SQL_COLUMNS,
                          gather_slice(&g));
}

void my_recall_columns(struct my_call *call, const struct sql_statement *s)
{
    struct arena *arena = dissect_entry_arena(call->entry);
    struct slice kept = arena_dup(arena, s->part[SQL_COLUMNS]);
    struct cursor c = cursor_of(kept.data, kept.len);
    uint32_t cap = 0;
    for (struct cursor d = c; cursor_left(&d); cap++) {
        cursor_skip(&d, 2);
        cursor_skip(&d, cursor_u8(&d));
    }
    call->columns = cap ? arena_calloc(arena, cap, sizeof *call->columns) : NULL;
    if (!call->columns)
        return;
    call->column_cap = cap;
    for (call->column_count = 0; cursor_left(&c); call->column_count++) {
        struct my_column *column = &call->columns[call->column_count];
        column->type = cursor_u8(&c);
        column->is_unsigned = cursor_u8(&c);
        column->name = cursor_slice(&c, cursor_u8(&c));
    }
}

/* ── fields ── */

static struct slice outcome(const struct my_call *call, const char *status)
{
    struct arena *arena = dissect_entry_arena(call->entry);
    if (call->failed)
        return arena_printf(
            arena, "%u %.*s%s%.*s", call->error.code, SLICE_ARGS(call->error.state),
            call->error.state.len ? ": " : "",
            SLICE_ARGS(sql_one_line(arena, call->error.message, SUMMARY_ERROR_MAX)));
    if (!call->answered || strcmp(status, "ok") != 0)
        return SLICE_NONE;
    if (call->has_rows && (call->command == COM_QUERY || call->is_binary))
        return arena_printf(arena, "%llu row%s", (unsigned long long)call->rows,
                            call->rows == 1 ? "" : "s");
    return SLICE_LITERAL("ok");
}

static struct slice asked(const struct my_call *call, struct slice template)
{
    struct arena *arena = dissect_entry_arena(call->entry);
    if (strcmp(call->name, "CONNECT") == 0 || call->command == COM_CHANGE_USER)
        return arena_printf(arena, "%s %.*s@%.*s%s%.*s", call->name, SLICE_ARGS(call->user),
                            SLICE_ARGS(call->database), call->plugin.len ? " " : "",
                            SLICE_ARGS(call->plugin));
    struct slice text = sql_has_secret(call->query) ? template : call->query;
    struct slice query = sql_one_line(arena, slice_trim(text), SUMMARY_QUERY_MAX);
    if (query.len && (call->command == COM_QUERY || call->command == COM_STMT_EXECUTE ||
                      call->command == COM_STMT_BULK_EXECUTE))
        return query;
    if (call->has_statement && !query.len)
        return arena_printf(arena, "%s %u", call->name, call->statement);
    return arena_printf(arena, "%s%s%.*s", call->name, query.len ? " " : "", SLICE_ARGS(query));
}

static void set_texts(struct my_call *call, const char *status)
{
    struct dissect_entry *entry = call->entry;
    struct arena *arena = dissect_entry_arena(entry);
    struct slice template = SLICE_NONE;
    bool is_statement = call->command != COM_INIT_DB && call->command != COM_FIELD_LIST;
    if (is_statement)
        template = sql_template(arena, call->query, SQL_MYSQL);
    struct slice said = asked(call, template);
    struct slice told = outcome(call, status);
    set_text(entry, OWN_FIELD(COMMAND), slice_str(call->name));
    set_text(entry, OWN_FIELD(QUERY), call->query);
    set_text(entry, FIELD_QUERY_TEMPLATE_ID, template);
    set_text(entry, OWN_FIELD(DATABASE), call->database);
    set_text(entry, OWN_FIELD(USER), call->user);
    dissect_set_text(entry, FIELD_SUMMARY_ID,
                     arena_printf(arena, "%.*s%s%.*s", SLICE_ARGS(said),
                                  !told.len  ? ""
                                  : said.len ? " → "
                                             : "→ ",
                                  SLICE_ARGS(told)));
}

static void set_bodies(struct my_call *call)
{
    struct dissect_entry *entry = call->entry;
    struct arena *arena = dissect_entry_arena(entry);
    struct slice request = call->query;
    if (call->file.len) {
        struct gather whole = {0};
        gather_add(&whole, arena, request, DISSECT_BODY_CAP);
        gather_add(&whole, arena, SLICE_LITERAL("\n"), DISSECT_BODY_CAP);
        gather_add(&whole, arena, gather_slice(&call->file), DISSECT_BODY_CAP);
        request = gather_slice(&whole);
        call->truncated |= whole.cut || call->file.cut;
    }
    set_text(entry, FIELD_REQUEST_BODY_ID, request);
    if (call->info.len)
        sql_result_note(&call->result, arena, "info", call->info);
    set_text(entry, FIELD_RESPONSE_BODY_ID, sql_result_text(&call->result, arena));
    if (call->attribute_count)
        dissect_set_map(entry, FIELD_REQUEST_HEADERS_ID, call->attributes, call->attribute_count);
    if (call->version.len) {
        struct entry_pair *pair = arena_alloc(arena, sizeof *pair);
        if (pair) {
            *pair = (struct entry_pair){SLICE_LITERAL("version"), call->version};
            dissect_set_map(entry, FIELD_RESPONSE_HEADERS_ID, pair, 1);
        }
    }
    if (call->truncated)
        dissect_set_bool(entry, FIELD_REQUEST_TRUNCATED_ID, true);
    if (call->result.cut)
        dissect_set_bool(entry, FIELD_RESPONSE_TRUNCATED_ID, true);
    if (call->truncated || call->result.cut)
        dissect_set_bool(entry, FIELD_TRUNCATED_ID, true);
}

void mysql_emit(struct dissect_conn *conn, struct my_call *call, const char *status,
                const char *reason)
{
    struct dissect_entry *entry = call->entry;
    set_texts(call, status);
    set_bodies(call);
    if (call->param_count)
        dissect_set_list(entry, OWN_FIELD(PARAMS), call->params, call->param_count);
    if (call->has_statement)
        dissect_set_int(entry, OWN_FIELD(STATEMENT_ID), call->statement);
    dissect_set_bool(entry, OWN_FIELD(SUCCESS), strcmp(status, "ok") == 0 && !call->failed);
    if (call->failed) {
        dissect_set_int(entry, OWN_FIELD(ERROR_CODE), call->error.code);
        set_text(entry, OWN_FIELD(ERROR_MESSAGE), call->error.message);
    }
    if (call->has_rows)
        dissect_set_int(entry, OWN_FIELD(ROWS), (int64_t)call->rows);
    dissect_set_status(entry, status, reason);
    dissect_entry_emit(conn, entry);
}
