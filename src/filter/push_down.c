#include "filter/push_down.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/text.h"
#include "dissect/conn_fields.h"
#include "filter/eval.h"

enum {
    MAX_SQL_BYTES = 6 * 1024,       /* a statement may hold it twice */
    MAX_WRITTEN_BYTES = 256 * 1024, /* more than a filter's nodes can become: what is too long is
                                       taken back clause by clause */
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

/* timestamp < timestamp("…"): nanoseconds, where they fit. */
static bool put_time(struct filter_push_down *p, const struct value *v)
{
    int64_t ns;
    return v->kind == VALUE_TIMESTAMP && !__builtin_mul_overflow(v->integer, NS_PER_S, &ns) &&
           !__builtin_add_overflow(ns, (int64_t)v->offset, &ns) &&
           put_parameter(p, &(struct filter_parameter){.integer = ns});
}

/* latency > duration("…"): it is elapsed_time in microseconds, so the duration is rounded to the
 * one that divides the whole microseconds alike. */
static bool put_latency(struct filter_push_down *p, uint8_t op, const struct value *v)
{
    static const char *const ops[] = {"=", "<>", "<", "<=", ">", ">="};
    if (v->kind != VALUE_DURATION)
        return false;
    int64_t us = v->integer / NS_PER_US, rest = v->integer % NS_PER_US;
    bool up = op == COMPARE_LT || op == COMPARE_GE;
    if (rest && (op == COMPARE_EQ || op == COMPARE_NE))
        return false;
    if (up && rest > 0)
        us++;
    else if (!up && rest < 0)
        us--;
    buf_printf(&p->condition, "coalesce(r.\"elapsed_time\",0)%s", ops[op]);
    return put_parameter(p, &(struct filter_parameter){.integer = us});
}

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
    const struct field_def *text = column(a, FIELD_TEXT), *number = column(a, FIELD_INT),
                           *other = column(b, FIELD_INT);
    if (number && other) {
        put_int_column(p, number);
        buf_append_str(&p->condition, ops[op]);
        put_int_column(p, other);
        return true;
    }
    if (!b->is_constant)
        return false;
    if (a->kind == NODE_FIELD && a->field == FIELD_TIMESTAMP_ID) {
        buf_printf(&p->condition, "r.\"timestamp\"%s", ops[op]);
        return put_time(p, &b->value);
    }
    if (a->kind == NODE_FIELD && a->field == FIELD_LATENCY_ID)
        return put_latency(p, op, &b->value);
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

/* ── clauses ── */

/* How far was written: what cannot be said is taken back to here. */
struct mark {
    size_t condition, unknown, parameters;
};

static struct mark mark_of(const struct filter_push_down *p)
{
    return (struct mark){p->condition.len, p->unknown.len, p->parameter_count};
}

static void take_back(struct filter_push_down *p, const struct mark *mark)
{
    if (buf_failed(&p->condition) || buf_failed(&p->unknown))
        return; /* nothing of it will be used */
    p->condition.len = mark->condition;
    p->unknown.len = mark->unknown;
    p->parameter_count = mark->parameters;
}

static bool put_bound(struct filter_push_down *p, const struct filter_node *node, bool wider,
                      bool *ret_exact);

/* Of a && b a wider condition may leave out either, of a || b neither; a narrower one the other way
 * round. */
static bool put_bound_logic(struct filter_push_down *p, const struct filter_node *node, bool wider)
{
    bool needs_all = (node->kind == NODE_AND) != wider, ignored = true;
    uint32_t said = 0;
    buf_append_str(&p->condition, "(");
    for (uint32_t i = 0; i < node->arg_count; i++) {
        struct mark mark = mark_of(p);
        if (said)
            buf_append_str(&p->condition, node->kind == NODE_AND ? " AND " : " OR ");
        // NOLINTNEXTLINE(misc-no-recursion): FILTER_MAX_DEPTH
        if (put_bound(p, node->args[i], wider, &ignored)) {
            said++;
        } else {
            take_back(p, &mark);
            if (needs_all)
                return false;
        }
    }
    buf_append_str(&p->condition, ")");
    return said > 0;
}

/* The node, or a condition that holds at least (wider) or at most (narrower) where the node is true
 * for certain. False: there is none, what was written is to be taken back. */
static bool put_bound(struct filter_push_down *p, const struct filter_node *node, bool wider,
                      bool *ret_exact)
{
    struct mark mark = mark_of(p);
    if (put_node(p, node))
        return true;
    take_back(p, &mark);
    *ret_exact = false;
    if (node->kind == NODE_AND || node->kind == NODE_OR)
        return put_bound_logic(p, node, wider); // NOLINT(misc-no-recursion): FILTER_MAX_DEPTH
    if (node->kind != NODE_NOT)
        return false;
    buf_append_str(&p->condition, "NOT (");
    // NOLINTNEXTLINE(misc-no-recursion): FILTER_MAX_DEPTH
    bool said = put_bound(p, node->args[0], !wider, ret_exact);
    buf_append_str(&p->condition, ")");
    return said;
}

static void put_clause(struct filter_push_down *p, const struct filter_node *node,
                       struct filter_clause_answer *ret)
{
    struct mark mark = mark_of(p);
    bool exact = true;
    buf_append_str(&p->condition, mark.condition ? " AND (" : "(");
    size_t begin = p->condition.len;
    bool said = put_bound(p, node, true, &exact);
    *ret = (struct filter_clause_answer){.answer = exact ? FILTER_BY_COLUMNS : FILTER_NARROWED,
                                         .sql_begin = begin,
                                         .sql_len = p->condition.len - begin};
    buf_append_str(&p->condition, ")");
    if (said && p->condition.len <= MAX_SQL_BYTES && p->unknown.len <= MAX_SQL_BYTES)
        return;
    take_back(p, &mark);
    *ret = (struct filter_clause_answer){.answer = FILTER_BY_ENTRIES};
}

void filter_push_down(const struct filter *filter, struct filter_push_down *p)
{
    size_t count;
    const struct filter_clause *clauses = filter_clauses(filter, &count);
    *p = (struct filter_push_down){.is_whole = true,
                                   .clauses = calloc(count + 1, sizeof *p->clauses)};
    buf_init(&p->condition, MAX_WRITTEN_BYTES);
    buf_init(&p->unknown, MAX_WRITTEN_BYTES);
    for (size_t i = 0; p->clauses && i < count; i++) {
        put_clause(p, clauses[i].node, &p->clauses[i]);
        p->is_whole &= p->clauses[i].answer == FILTER_BY_COLUMNS;
        p->clause_count++;
    }
    buf_append_u8(&p->condition, 0);
    buf_append_u8(&p->unknown, 0);
    if (!p->clauses || buf_failed(&p->condition) || buf_failed(&p->unknown)) { /* no memory */
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
    free(p->clauses);
    p->clauses = NULL;
}
