/* What a compiled filter tells about itself: the fields it looks at, its top-level clauses, and
 * warnings where the zero of an absent variable would surprise. */
#include <errno.h>

#include "filter/program.h"

enum {
    MAX_WARNINGS = 16,
    MAX_GUARDS = 64
};

static void mark_fields(const struct filter_node *node, bool *seen)
{
    if (node->kind == NODE_FIELD)
        seen[node->field] = true;
    for (uint32_t i = 0; i < node->arg_count; i++)
        mark_fields(node->args[i], seen); // NOLINT(misc-no-recursion): FILTER_MAX_DEPTH
}

static int describe_fields(struct filter *filter)
{
    enum {
        PAYLOAD = FIELD_HEADERS | FIELD_REQUEST_BODY | FIELD_RESPONSE_BODY
    };
    size_t count = field_count();
    bool *seen = arena_calloc(&filter->arena, count + 1, sizeof *seen);
    filter->fields = arena_calloc(&filter->arena, count + 1, sizeof *filter->fields);
    if (!seen || !filter->fields)
        return -ENOMEM;
    mark_fields(filter->root, seen);
    for (size_t id = 0; id < count; id++) {
        if (!seen[id])
            continue;
        filter->fields[filter->field_count++] = (field_id)id;
        filter->payload |= field_at((field_id)id)->flags & PAYLOAD;
    }
    return 0;
}

static int describe_clauses(struct filter *filter)
{
    const struct filter_node *root = filter->root;
    size_t count = root->kind == NODE_AND ? root->arg_count : 1;
    filter->clauses = arena_calloc(&filter->arena, count, sizeof *filter->clauses);
    if (!filter->clauses)
        return -ENOMEM;
    filter->clause_count = count;
    for (size_t i = 0; i < count; i++) {
        const struct filter_node *node = root->kind == NODE_AND ? root->args[i] : root;
        filter->clauses[i] = (struct filter_clause){
            .offset = node->begin,
            .text = slice_sub(filter->text, node->begin, node->end - node->begin),
            .node = node,
        };
    }
    return 0;
}

/* ── warnings ── */

struct guards {
    const struct filter_node *nodes[MAX_GUARDS]; /* clauses that hold when this one is asked */
    size_t count;
};

struct warner {
    struct filter *filter;
    struct guards guards;
};

/* "grpc_status" belongs to the flag grpc, even where another protocol's dissector owns it. */
static field_id guard_of(field_id field)
{
    const char *name = field_at(field)->name;
    const char *end = strpbrk(name, "_.");
    const char *owner = field_protocol(field);
    field_id guard = FIELD_NONE;
    if (end)
        guard = field_find(slice_of(name, (size_t)(end - name)));
    if (guard == FIELD_NONE || field_at(guard)->type != FIELD_BOOL)
        guard = owner[0] ? field_find(slice_str(owner)) : FIELD_NONE;
    if (guard == FIELD_NONE && field == FIELD_STATUS_CODE_ID)
        guard = field_find(SLICE_LITERAL("http"));
    return guard != FIELD_NONE && field_at(guard)->type == FIELD_BOOL ? guard : FIELD_NONE;
}

static bool is_flag_of_protocol(const struct filter_node *node)
{
    return node->kind == NODE_FIELD && node->type->kind == TYPE_BOOL &&
           (field_at(node->field)->flags & FIELD_DERIVED);
}

/* Whether a clause that is asked together with this one says which protocol it is. */
static bool is_guarded(const struct warner *w, field_id field, field_id guard)
{
    for (size_t i = 0; i < w->guards.count; i++) {
        const struct filter_node *g = w->guards.nodes[i];
        if (g->kind == NODE_FIELD && g->field == guard)
            return true;
        if (g->kind == NODE_HAS && g->args[0]->kind == NODE_FIELD && g->args[0]->field == field)
            return true;
        if (g->kind == NODE_COMPARE && g->op == COMPARE_EQ && g->args[0]->kind == NODE_FIELD &&
            g->args[0]->field == FIELD_PROTOCOL_ID)
            return true;
        /* A common variable is at home in every protocol: any flag will do. */
        if (field_protocol(field)[0] == 0 && is_flag_of_protocol(g))
            return true;
    }
    return false;
}

static void warn(struct warner *w, const struct filter_node *node, field_id field)
{
    struct filter *filter = w->filter;
    field_id guard = guard_of(field);
    if (is_guarded(w, field, guard) || filter->warning_count == MAX_WARNINGS)
        return;
    struct slice clause = slice_sub(filter->text, node->begin, node->end - node->begin);
    const char *name = field_at(field)->name;
    struct slice guarded;
    if (guard != FIELD_NONE)
        guarded =
            arena_printf(&filter->arena, "(%s && %.*s)", field_at(guard)->name, SLICE_ARGS(clause));
    else
        guarded = arena_printf(&filter->arena, "(has(%s) && %.*s)", name, SLICE_ARGS(clause));
    struct slice text = arena_printf(
        &filter->arena, "this also matches entries that have no %s, for example of other protocols",
        name);
    if (!guarded.data || !text.data)
        return; /* a warning less is no harm */
    filter->warnings[filter->warning_count++] = (struct filter_warning){
        .offset = node->begin,
        .length = node->end - node->begin,
        .text = (const char *)text.data,
        .guarded = (const char *)guarded.data,
    };
}

static void absent_value(field_id field, struct value *ret)
{
    const struct field_def *def = field_at(field);
    *ret = (struct value){.kind = VALUE_NULL};
    if (def->type == FIELD_BOOL)
        set_bool(ret, false);
    else if (def->type == FIELD_INT)
        set_int(ret, def->absent);
    else if (def->type == FIELD_TEXT)
        set_text(ret, SLICE_LITERAL(""));
}

static bool order_holds(enum compare_op op, int order)
{
    switch (op) {
    case COMPARE_EQ:
        return order == 0;
    case COMPARE_NE:
        return order != 0;
    case COMPARE_LT:
        return order < 0;
    case COMPARE_LE:
        return order <= 0;
    case COMPARE_GT:
        return order == 1;
    case COMPARE_GE:
        return order == 0 || order == 1;
    }
    return false;
}

/* field op literal, either way round. */
static void warn_compare(struct warner *w, const struct filter_node *node, bool negated)
{
    const struct filter_node *a = node->args[0];
    const struct filter_node *b = node->args[1];
    bool swapped = b->kind == NODE_FIELD;
    const struct filter_node *field = swapped ? b : a;
    const struct filter_node *literal = swapped ? a : b;
    struct value absent;
    int order;
    if (field->kind != NODE_FIELD || !literal->is_constant)
        return;
    unsigned flags = field_at(field->field)->flags;
    if (!(flags & FIELD_GUARD_ZERO) && field_protocol(field->field)[0] == 0)
        return;
    absent_value(field->field, &absent);
    if (!value_order(swapped ? &literal->value : &absent, swapped ? &absent : &literal->value,
                     &order))
        return;
    bool zero_asked = (flags & FIELD_GUARD_ZERO) && node->op == COMPARE_EQ && !negated &&
                      value_is_zero(&literal->value);
    if (zero_asked || order_holds((enum compare_op)node->op, order) != negated)
        warn(w, node, field->field);
}

static void warn_node(struct warner *w, const struct filter_node *node, bool negated)
{
    size_t guards = w->guards.count;
    switch ((int)node->kind) {
    case NODE_AND:
        for (uint32_t i = 0; !negated && i < node->arg_count && w->guards.count < MAX_GUARDS; i++)
            w->guards.nodes[w->guards.count++] = node->args[i];
        for (uint32_t i = 0; i < node->arg_count; i++)
            warn_node(w, node->args[i], negated); // NOLINT(misc-no-recursion): FILTER_MAX_DEPTH
        w->guards.count = guards;
        break;
    case NODE_OR:
        for (uint32_t i = 0; i < node->arg_count; i++)
            warn_node(w, node->args[i], negated); // NOLINT(misc-no-recursion): FILTER_MAX_DEPTH
        break;
    case NODE_NOT: {
        const struct filter_node *arg = node->args[0];
        bool is_field = arg->kind == NODE_FIELD;
        if (is_field && !negated && !(field_at(arg->field)->flags & FIELD_DERIVED) &&
            ((field_at(arg->field)->flags & FIELD_GUARD_ZERO) || field_protocol(arg->field)[0]))
            warn(w, node, arg->field);
        else if (!is_field)
            warn_node(w, arg, !negated); // NOLINT(misc-no-recursion): FILTER_MAX_DEPTH
        break;
    }
    case NODE_COMPARE:
        warn_compare(w, node, negated);
        break;
    default:
        break;
    }
}

int program_describe(struct filter *filter)
{
    if (!filter->root)
        return 0;
    if (describe_fields(filter) < 0 || describe_clauses(filter) < 0)
        return -ENOMEM;
    filter->warnings = arena_calloc(&filter->arena, MAX_WARNINGS, sizeof *filter->warnings);
    if (!filter->warnings)
        return -ENOMEM;
    struct warner w = {.filter = filter};
    warn_node(&w, filter->root, false);
    return 0;
}
