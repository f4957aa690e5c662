#include "filter/push_down.h"

#include <inttypes.h>

#include "base/text.h"
#include "dissect/conn_fields.h"
#include "filter/eval.h"

enum {
    MAX_SQL_BYTES = 6 * 1024, /* a statement may hold it twice */
    MAX_LIST_ITEMS = 64
};

/* ── columns and parameters ── */

static bool is_flag(field_id field)
{
    return field >= PROTOCOL_FLAG_FIRST && field < PROTOCOL_FLAGS_END;
}

/* The field when the node is a column of that type. */
static const struct field_def *column(const struct filter_node *node, enum field_type type)
{
    if (node->kind != NODE_FIELD || is_flag(node->field))
        return NULL;
    const struct field_def *def = field_at(node->field);
    return (def->flags & FIELD_COLUMN) && def->type == type ? def : NULL;
}

static void put_text_column(struct filter_push_down *p, const struct field_def *def)
{
    buf_printf(&p->condition, "coalesce(r.\"%s\",'')", def->name);
    buf_printf(&p->unknown, "%scoalesce(r.\"%s\",'')='<unknown>'", p->unknown.len ? " OR " : "",
               def->name);
}

static void put_int_column(struct filter_push_down *p, const struct field_def *def)
{
    buf_printf(&p->condition, "coalesce(r.\"%s\",%" PRId64 ")", def->name, def->absent);
}

static bool put_parameter(struct filter_push_down *p, const struct filter_parameter *parameter)
{
    if (p->parameter_count == FILTER_MAX_PARAMETERS)
        return false;
    p->parameters[p->parameter_count++] = *parameter;
    buf_printf(&p->condition, "$%zu", p->parameter_count);
    return true;
}

static bool put_int(struct filter_push_down *p, const struct value *v)
{
    return v->kind == VALUE_INT &&
           put_parameter(p, &(struct filter_parameter){.integer = v->integer});
}

/* Captured bytes that are no UTF-8 stand in the columns as U+FFFD: a text with one could be found
 * where the evaluator finds none. */
static bool put_text(struct filter_push_down *p, const struct value *v)
{
    return v->kind == VALUE_STRING && text_is_utf8(v->text) &&
           !memmem(v->text.data, v->text.len, "\xef\xbf\xbd", 3) &&
           !memchr(v->text.data ? (const char *)v->text.data : "", 0, v->text.len) &&
           put_parameter(p, &(struct filter_parameter){.is_text = true, .text = v->text});
}

/* ── terms; false: this cannot be said exactly, what was written is to be thrown away ── */

static bool put_compare(struct filter_push_down *p, const struct filter_node *node)
{
    static const char *const ops[] = {"=", "<>", "<", "<=", ">", ">="};
    static const uint8_t turned[] = {COMPARE_EQ, COMPARE_NE, COMPARE_GT,
                                     COMPARE_GE, COMPARE_LT, COMPARE_LE};
    const struct filter_node *a = node->args[0], *b = node->args[1];
    uint8_t op = node->op;
    if (a->is_constant) {
        const struct filter_node *swap = a;
        a = b;
        b = swap;
        op = turned[op];
    }
    if (!b->is_constant)
        return false;
    const struct field_def *text = column(a, FIELD_TEXT), *number = column(a, FIELD_INT);
    if (number)
        put_int_column(p, number);
    else if (text && (op == COMPARE_EQ || op == COMPARE_NE))
        put_text_column(p, text);
    else
        return false;
    buf_append_str(&p->condition, ops[op]);
    return number ? put_int(p, &b->value) : put_text(p, &b->value);
}

static bool put_in(struct filter_push_down *p, const struct filter_node *node)
{
    const struct filter_node *item = node->args[0], *set = node->args[1];
    const struct field_def *text = column(item, FIELD_TEXT), *number = column(item, FIELD_INT);
    if (!set->is_constant || set->value.kind != VALUE_LIST || set->value.list->count == 0 ||
        set->value.list->count > MAX_LIST_ITEMS || (!text && !number))
        return false;
    if (number)
        put_int_column(p, number);
    else
        put_text_column(p, text);
    for (uint32_t i = 0; i < set->value.list->count; i++) {
        struct value v;
        value_list_at(set->value.list, i, &v);
        buf_append_str(&p->condition, i ? "," : " IN (");
        if (number ? !put_int(p, &v) : !put_text(p, &v))
            return false;
    }
    buf_append_str(&p->condition, ")");
    return true;
}

static bool put_call(struct filter_push_down *p, const struct filter_node *node)
{
    static const struct {
        const char *name, *sql;
    } calls[] = {
        {"contains", "contains("}, {"startsWith", "starts_with("}, {"endsWith", "ends_with("}};
    const struct field_def *def =
        node->is_member && node->arg_count == 2 ? column(node->args[0], FIELD_TEXT) : NULL;
    if (!def || !node->args[1]->is_constant || node->args[1]->value.kind != VALUE_STRING ||
        node->args[1]->value.text.len == 0)
        return false;
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        if (!slice_eq_str(node->name, calls[i].name))
            continue;
        buf_append_str(&p->condition, calls[i].sql);
        put_text_column(p, def);
        buf_append_str(&p->condition, ",");
        if (!put_text(p, &node->args[1]->value))
            return false;
        buf_append_str(&p->condition, ")");
        return true;
    }
    return false;
}

static bool put_field(struct filter_push_down *p, const struct filter_node *node)
{
    const struct field_def *def = column(node, FIELD_BOOL);
    if (def) {
        buf_printf(&p->condition, "coalesce(r.\"%s\",false)", def->name);
        return true;
    }
    /* gqlv1 and gqlv2 also look at the HTTP version */
    if (!is_flag(node->field) || strncmp(field_at(node->field)->name, "gqlv", 4) == 0)
        return false;
    const char *const *name = protocol_flag_at(node->field - PROTOCOL_FLAG_FIRST)->protocols;
    buf_append_str(&p->condition, "r.\"protocol\" IN (");
    for (size_t i = 0; name[i]; i++) {
        struct filter_parameter protocol = {.is_text = true, .text = slice_str(name[i])};
        buf_append_str(&p->condition, i ? "," : "");
        if (!put_parameter(p, &protocol))
            return false;
    }
    buf_append_str(&p->condition, ")");
    return *name != NULL;
}

static bool put_node(struct filter_push_down *p, const struct filter_node *node);

static bool put_logic(struct filter_push_down *p, const struct filter_node *node, const char *word)
{
    buf_append_str(&p->condition, "(");
    for (uint32_t i = 0; i < node->arg_count; i++) {
        buf_append_str(&p->condition, i ? word : "");
        // NOLINTNEXTLINE(misc-no-recursion): FILTER_MAX_DEPTH
        if (!put_node(p, node->args[i]))
            return false;
    }
    buf_append_str(&p->condition, ")");
    return true;
}

static bool put_has(struct filter_push_down *p, const struct filter_node *node)
{
    const struct filter_node *arg = node->args[0];
    if (arg->kind != NODE_FIELD || node->name.len || is_flag(arg->field) ||
        !(field_at(arg->field)->flags & FIELD_COLUMN))
        return false;
    buf_printf(&p->condition, "r.\"%s\" IS NOT NULL", field_at(arg->field)->name);
    return true;
}

static bool put_node(struct filter_push_down *p, const struct filter_node *node)
{
    if (node->is_constant) {
        buf_append_str(&p->condition, node->value.boolean ? "true" : "false");
        return node->value.kind == VALUE_BOOL;
    }
    switch ((enum node_kind)node->kind) {
    case NODE_FIELD:
        return put_field(p, node);
    case NODE_AND:
        // NOLINTNEXTLINE(misc-no-recursion): FILTER_MAX_DEPTH
        return put_logic(p, node, " AND ");
    case NODE_OR:
        // NOLINTNEXTLINE(misc-no-recursion): FILTER_MAX_DEPTH
        return put_logic(p, node, " OR ");
    case NODE_NOT:
        buf_append_str(&p->condition, "NOT ");
        // NOLINTNEXTLINE(misc-no-recursion): FILTER_MAX_DEPTH
        return put_logic(p, node, "");
    case NODE_COMPARE:
        return put_compare(p, node);
    case NODE_IN:
        return put_in(p, node);
    case NODE_HAS:
        return put_has(p, node);
    case NODE_CALL:
        return put_call(p, node);
    case NODE_LITERAL:
    case NODE_LOCAL:
    case NODE_BINDING:
    case NODE_UNKNOWN:
    case NODE_TERNARY:
    case NODE_SELECT:
    case NODE_INDEX:
    case NODE_LIST:
    case NODE_MAP:
    case NODE_MACRO:
        break;
    }
    return false;
}

void filter_push_down(const struct filter *filter, struct filter_push_down *p)
{
    size_t count;
    const struct filter_clause *clauses = filter_clauses(filter, &count);
    *p = (struct filter_push_down){.is_whole = true};
    buf_init(&p->condition, MAX_SQL_BYTES);
    buf_init(&p->unknown, MAX_SQL_BYTES);
    for (size_t i = 0; i < count && p->is_whole; i++) {
        size_t condition = p->condition.len, unknown = p->unknown.len, used = p->parameter_count;
        buf_append_str(&p->condition, i ? " AND (" : "(");
        p->is_whole =
            put_node(p, clauses[i].node) && !buf_failed(&p->condition) && !buf_failed(&p->unknown);
        if (p->is_whole) {
            buf_append_str(&p->condition, ")");
        } else if (!buf_failed(&p->condition)) {
            p->condition.len = condition;
            p->unknown.len = unknown;
            p->parameter_count = used;
        }
    }
    buf_append_u8(&p->condition, 0);
    buf_append_u8(&p->unknown, 0);
    if (buf_failed(&p->condition) || buf_failed(&p->unknown)) { /* too long, or no memory */
        filter_push_down_done(p);
        *p = (struct filter_push_down){0};
        return;
    }
    p->condition.len--; /* NUL is there, but not counted */
    p->unknown.len--;
}

void filter_push_down_done(struct filter_push_down *p)
{
    buf_done(&p->condition);
    buf_done(&p->unknown);
}
