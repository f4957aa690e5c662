#include "dissect/proto/cql_entry.h"

#include "dissect/proto/cql_value.h"
#include "dissect/proto/sql_template.h"

enum {
    SUMMARY_QUERY_MAX = 160,
    SUMMARY_ERROR_MAX = 120,
    QUERY_MAX = 256 * 1024, /* of a batch: its statements in a row */
    PARAM_MAX = 4096
};

enum cql_field {
    OPCODE,
    QUERY,
    CONSISTENCY,
    ERROR_CODE,
    ROWS,
    PARAMS
};

const struct field_def cql_fields[CQL_FIELD_COUNT] = {
    [OPCODE] = {"cql_opcode", FIELD_TEXT, 0, 0, "QUERY, EXECUTE, BATCH …",
                "cql_opcode == \"EXECUTE\""},
    [QUERY] = {"cql_query", FIELD_TEXT, 0, 0, "text of the statement, also of a prepared one",
               "cql_query.contains(\"orders\")"},
    [CONSISTENCY] = {"cql_consistency", FIELD_TEXT, 0, 0, "consistency that was asked for",
                     "cql_consistency == \"LOCAL_QUORUM\""},
    [ERROR_CODE] = {"cql_error_code", FIELD_INT, 0, 0,
                    "code of the error (0x1200 is a read timeout)", "cql_error_code == 4608"},
    [ROWS] = {"cql_rows", FIELD_INT, 0, 0, "rows returned", "cql_rows > 1000"},
    [PARAMS] = {"cql_params", FIELD_LIST, 0, 0, "values bound to the statement",
                "\"42\" in cql_params"},
};

/* ── requests ── */

static struct slice param_text(struct arena *arena, struct slice type,
                               const struct cql_value *value, bool *ret_cut)
{
    char scratch[CQL_TEXT_MAX];
    *ret_cut = false;
    if (value->is_null || value->is_unset)
        return value->is_null ? SLICE_LITERAL("NULL") : SLICE_LITERAL("UNSET");
    struct slice text = cql_value_text(type, value->bytes, scratch, ret_cut);
    *ret_cut |= text.len > PARAM_MAX;
    text = slice_sub(text, 0, PARAM_MAX);
    if (value->name.len)
        return arena_printf(arena, "%.*s=%.*s", SLICE_ARGS(value->name), SLICE_ARGS(text));
    return arena_dup(arena, text);
}

/* `types`: the variables' metadata of a prepared statement, or empty. */
static void add_params(struct cql_call *call, struct cql_values values, struct slice types)
{
    struct arena *arena = dissect_entry_arena(call->entry);
    struct cursor c = cursor_of(types.data, types.len);
    struct cql_columns columns = {0};
    struct cql_value value;
    if (values.left && !call->params)
        call->params = arena_alloc(arena, CQL_PARAMS_MAX * sizeof *call->params);
    /* Named values come in any order. */
    bool typed =
        types.len && !values.named && cql_columns_begin(&c, call->header.version, true, &columns);
    while (call->params && cql_values_next(&values, &value)) {
        struct cql_column column = {0};
        bool cut;
        if (typed && !cql_columns_next(&columns, &column))
            column.type = SLICE_NONE;
        if (call->param_count == CQL_PARAMS_MAX) {
            call->truncated = true;
            return;
        }
        call->params[call->param_count++] = param_text(arena, column.type, &value, &cut);
        call->truncated |= cut;
    }
    call->truncated |= values.at.bad;
}

static struct slice statement_text(struct cql_call *call, const struct sql_statements *statements,
                                   struct slice query, struct slice id, struct slice *ret_types)
{
    const struct sql_statement *s = id.len ? sql_statement_find(statements, id) : NULL;
    *ret_types = s ? s->part[SQL_TYPES] : SLICE_NONE;
    if (!s)
        return query;
    call->truncated |= s->text_cut;
    return s->part[SQL_TEXT];
}

static void fill_batch(struct cql_call *call, const struct sql_statements *statements,
                       struct cql_batch batch)
{
    struct arena *arena = dissect_entry_arena(call->entry);
    struct gather text = {0};
    struct cql_item item;
    while (cql_batch_next(&batch, &item)) {
        struct slice types;
        struct slice query = statement_text(call, statements, item.query, item.id, &types);
        if (text.len)
            gather_add(&text, arena, SLICE_LITERAL(";\n"), QUERY_MAX);
        gather_add(&text, arena, query, QUERY_MAX);
        add_params(call, item.values, types);
    }
    call->query = gather_slice(&text);
    call->truncated |= text.cut || batch.at.bad;
}

void cql_fill_request(struct cql_call *call, const struct sql_statements *statements,
                      struct slice body)
{
    struct arena *arena = dissect_entry_arena(call->entry);
    struct cql_request request;
    cql_parse_request(&call->header, body, &request);
    call->consistency = request.consistency;
    call->has_consistency = request.has_consistency;
    if (call->header.opcode == CQL_BATCH) {
        fill_batch(call, statements, request.batch);
        return;
    }
    struct slice types;
    struct slice query = statement_text(call, statements, request.query, request.id, &types);
    call->query = query.len ? arena_dup(arena, query) : SLICE_NONE;
    add_params(call, request.values, types);
    const struct sql_statement *s =
        request.id.len ? sql_statement_find(statements, request.id) : NULL;
    if (s)
        call->columns = arena_dup(arena, s->part[SQL_COLUMNS]);
}

/* ── responses ── */

/* columns: of `count`; NULL: they were not described. */
static void add_row(struct cql_call *call, struct cursor *c, const struct cql_column *columns,
                    uint32_t count)
{
    struct arena *arena = dissect_entry_arena(call->entry);
    char scratch[CQL_TEXT_MAX];
    sql_result_begin_row(&call->result, arena, columns != NULL);
    for (uint32_t i = 0; i < count && !c->bad; i++) {
        struct cql_column column = columns ? columns[i] : (struct cql_column){0};
        bool cut = false;
        int32_t n = (int32_t)cursor_be32(c);
        struct slice raw = n < 0 ? SLICE_NONE : cursor_slice(c, (size_t)n);
        if (c->bad)
            break;
        struct slice text = n < 0 ? SLICE_NONE : cql_value_text(column.type, raw, scratch, &cut);
        call->result.cut |= cut;
        sql_result_cell(&call->result, arena, column.name, text, n < 0);
    }
    sql_result_end_row(&call->result, arena);
}

/* What the rows are read by, once for all of them; NULL: without. */
static const struct cql_column *list_columns(struct cql_call *call, struct cql_columns columns,
                                             uint32_t count)
{
    if (!columns.left)
        return NULL;
    struct cql_column *list = arena_alloc(dissect_entry_arena(call->entry), count * sizeof *list);
    for (uint32_t i = 0; list && i < count; i++)
        if (!cql_columns_next(&columns, &list[i]))
            return NULL;
    return list;
}

static void fill_rows(struct cql_call *call, uint8_t version, struct slice body)
{
    struct cursor c = cursor_of(body.data, body.len);
    struct cql_columns columns, described;
    cursor_skip(&c, 4);
    uint32_t count = cursor_be32(&c);
    c = cursor_of(body.data, body.len);
    if (!cql_columns_begin(&c, version, false, &columns))
        return;
    described = columns;
    bool left_out = !columns.left;
    if (!cql_columns_end(&columns, &c))
        return;
    struct cursor kept = cursor_of(call->columns.data, call->columns.len);
    if (left_out && !(call->columns.len && cql_columns_begin(&kept, version, false, &described) &&
                      described.left == count))
        described = (struct cql_columns){0};
    call->rows = cursor_be32(&c);
    call->has_rows = !c.bad;
    const struct cql_column *columns_of_rows = list_columns(call, described, count);
    for (uint32_t i = 0; i < call->rows && count && cursor_left(&c) && !call->result.cut; i++)
        add_row(call, &c, columns_of_rows, count);
    call->result.cut |= c.bad;
}

/* Variables and columns are kept as they stand. */
static void keep_prepared(struct cql_call *call, const struct cql_response *response,
                          uint8_t version, struct sql_statements *statements, struct arena *arena)
{
    struct sql_statement *s = sql_statement_put(statements, arena, response->id);
    struct cursor c = cursor_of(response->body.data, response->body.len);
    struct cql_columns columns;
    if (!s)
        return;
    sql_statement_set(statements, arena, s, SQL_TEXT, call->query);
    if (!cql_columns_begin(&c, version, true, &columns) || !cql_columns_end(&columns, &c))
        return;
    size_t types = (size_t)(c.pos - response->body.data);
    sql_statement_set(statements, arena, s, SQL_TYPES, slice_sub(response->body, 0, types));
    sql_statement_set(statements, arena, s, SQL_COLUMNS,
                      slice_sub(response->body, types, response->body.len));
}

/* What was changed, and what it is: CREATED TABLE shop.orders. */
static void note_change(struct cql_call *call, struct slice body)
{
    struct arena *arena = dissect_entry_arena(call->entry);
    struct cursor c = cursor_of(body.data, body.len);
    struct slice change = cql_string(&c), target = cql_string(&c), keyspace = cql_string(&c);
    struct slice name = cursor_left(&c) ? cql_string(&c) : SLICE_NONE;
    if (c.bad)
        return;
    sql_result_note(&call->result, arena, "change",
                    arena_printf(arena, "%.*s %.*s %.*s%s%.*s", SLICE_ARGS(change),
                                 SLICE_ARGS(target), SLICE_ARGS(keyspace), name.len ? "." : "",
                                 SLICE_ARGS(name)));
}

void cql_fill_response(struct cql_call *call, const struct cql_header *header, struct slice body,
                       struct sql_statements *statements, struct arena *arena)
{
    struct cql_response response;
    cql_parse_response(header, body, &response);
    call->error_code = response.error_code;
    if (call->failed)
        call->error = arena_dup(dissect_entry_arena(call->entry), response.message);
    if (header->opcode != CQL_RESULT)
        return;
    if (response.kind == CQL_ROWS)
        fill_rows(call, header->version, response.body);
    else if (response.kind == CQL_SET_KEYSPACE)
        sql_result_note(&call->result, dissect_entry_arena(call->entry), "keyspace",
                        response.message);
    else if (response.kind == CQL_SCHEMA_CHANGE)
        note_change(call, response.body);
    else if (response.kind == CQL_PREPARED && call->header.opcode == CQL_PREPARE &&
             response.id.len && call->query.len)
        keep_prepared(call, &response, header->version, statements, arena);
}

/* ── the entry ── */

static void set_text(struct dissect_entry *entry, unsigned field, struct slice text)
{
    if (text.len)
        dissect_set_text(entry, field, text);
}

static struct slice outcome(struct arena *arena, const struct cql_call *call)
{
    if (call->failed)
        return arena_printf(arena, "error 0x%04x%s%.*s", call->error_code,
                            call->error.len ? ": " : "",
                            SLICE_ARGS(sql_one_line(arena, call->error, SUMMARY_ERROR_MAX)));
    if (call->has_rows)
        return arena_printf(arena, "%u row%s", call->rows, call->rows == 1 ? "" : "s");
    return call->answered ? SLICE_LITERAL("ok") : SLICE_NONE;
}

static struct slice summary(const struct cql_call *call, struct slice template)
{
    struct arena *arena = dissect_entry_arena(call->entry);
    const char *name = cql_opcode_name(call->header.opcode);
    struct slice shown = sql_has_secret(call->query) ? template : call->query;
    struct slice said = sql_one_line(arena, slice_trim(shown), SUMMARY_QUERY_MAX);
    struct slice told = outcome(arena, call);
    if (!said.len || call->header.opcode != CQL_QUERY)
        said = arena_printf(arena, "%s%s%s%.*s", name ? name : "",
                            call->is_compressed ? " (compressed)" : "", said.len ? " " : "",
                            SLICE_ARGS(said));
    return arena_printf(arena, "%.*s%s%.*s", SLICE_ARGS(said), told.len ? " → " : "",
                        SLICE_ARGS(told));
}

static void set_bodies(struct cql_call *call)
{
    struct dissect_entry *entry = call->entry;
    struct slice rows = sql_result_text(&call->result, dissect_entry_arena(entry));
    set_text(entry, FIELD_REQUEST_BODY_ID, call->query);
    set_text(entry, FIELD_RESPONSE_BODY_ID, call->failed ? call->error : rows);
    if (call->truncated)
        dissect_set_bool(entry, FIELD_REQUEST_TRUNCATED_ID, true);
    if (call->result.cut)
        dissect_set_bool(entry, FIELD_RESPONSE_TRUNCATED_ID, true);
    if (call->truncated || call->result.cut)
        dissect_set_bool(entry, FIELD_TRUNCATED_ID, true);
}

void cql_emit(struct dissect_conn *conn, struct cql_call *call, const char *status,
              const char *reason)
{
    struct dissect_entry *entry = call->entry;
    struct slice template = sql_template(dissect_entry_arena(entry), call->query, SQL_CQL);
    const char *level = cql_consistency_name(call->consistency);
    set_text(entry, OWN_FIELD(OPCODE), slice_str(cql_opcode_name(call->header.opcode)));
    set_text(entry, OWN_FIELD(QUERY), call->query);
    set_text(entry, FIELD_QUERY_TEMPLATE_ID, template);
    if (call->has_consistency && level)
        dissect_set_str(entry, OWN_FIELD(CONSISTENCY), level);
    if (call->failed)
        dissect_set_int(entry, OWN_FIELD(ERROR_CODE), call->error_code);
    if (call->has_rows)
        dissect_set_int(entry, OWN_FIELD(ROWS), call->rows);
    if (call->param_count)
        dissect_set_list(entry, OWN_FIELD(PARAMS), call->params, call->param_count);
    set_bodies(call);
    dissect_set_text(entry, FIELD_SUMMARY_ID, summary(call, template));
    dissect_set_status(entry, status, reason);
    dissect_entry_emit(conn, entry);
}
