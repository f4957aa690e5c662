/* Calls and macros: overloads, namespaces, variables of macros. */
#include <stdio.h>

#include "base/text.h"
#include "filter/check.h"

/* math.greatest(…): a namespace is no value, so the target goes away. */
static void fold_namespace(struct filter_compiler *c, struct filter_node *node)
{
    struct slice target = check_dotted(c, node->args[0]);
    size_t count;
    if (target.len == 0)
        return;
    struct slice full =
        arena_printf(c->arena, "%.*s.%.*s", SLICE_ARGS(target), SLICE_ARGS(node->name));
    if (full.data && full.data[0] == '.')
        full = slice_sub(full, 1, full.len);
    const struct function_overload *rows = function_find(full, &count);
    if (!rows || function_is_member(rows))
        return;
    node->name = full;
    node->is_member = false;
    node->offset = node->begin;
    node->args++;
    node->arg_count--;
}

/* Binds the arguments to a signature; the result type, or NULL when they do not fit. */
static const struct filter_type *try_overload(struct filter_compiler *c,
                                              const struct filter_node *node,
                                              const struct function_overload *overload)
{
    const struct filter_type *letters[2] = {NULL, NULL};
    const char *at = overload->signature + (overload->signature[0] == '.');
    for (uint32_t i = 0; i < node->arg_count; i++)
        if (!type_assignable(c, type_parse(c, &at, letters), node->args[i]->type))
            return NULL;
    at++;
    return type_parse(c, &at, letters);
}

static const struct filter_type *fail_overload(struct filter_compiler *c, struct filter_node *node,
                                               const struct function_overload *rows, size_t count)
{
    char name[64];
    char types[160] = "";
    text_escape(node->name, name, sizeof name);
    if (!rows) {
        if (c->env->is_unchecked)
            return type_simple(TYPE_DYN);
        const char *suggestion = function_suggest(node->name);
        size_t end = node->offset + node->name.len;
        if (suggestion && slice_eq_str(node->name, suggestion)) {
            compile_fail(c, node->offset, end,
                         "%s() is a macro and wants other arguments: list.%s(x, …)", name, name);
        } else {
            compile_fail(c, node->offset, end, "there is no function %s()", name);
            compile_suggest(c, suggestion);
        }
        return type_simple(TYPE_ERROR);
    }
    size_t at = 0;
    for (uint32_t i = 0; i < node->arg_count && at < sizeof types - 1; i++) {
        char text[TYPE_TEXT_SIZE];
        int n = snprintf(types + at, sizeof types - at, "%s%s", i ? ", " : "",
                         type_text(c, node->args[i]->type, text));
        at += n > 0 ? (size_t)n : 0;
    }
    bool any_member = false;
    bool any_global = false;
    for (size_t i = 0; i < count; i++) {
        any_member |= function_is_member(&rows[i]);
        any_global |= !function_is_member(&rows[i]);
    }
    if (!node->is_member && !any_global)
        return check_mismatch(c, node, "%s() is called on its first argument: a.%s(…)", name, name);
    if (node->is_member && !any_member)
        return check_mismatch(c, node, "%s() is not called on a value: write %s(a, …)", name, name);
    if (name[0] == '_' || name[0] == '-')
        return check_mismatch(c, node, "%c cannot be applied to (%s)",
                              name[0] == '_' ? name[1] : name[0], types);
    return check_mismatch(c, node, "there is no %s() for (%s)", name, types);
}

static bool is_open(const struct filter_type *type)
{
    return type->kind == TYPE_DYN || type->kind == TYPE_ERROR || type->kind == TYPE_VARIABLE;
}

static bool all_known(const struct filter_compiler *c, const struct filter_node *node)
{
    for (uint32_t i = 0; i < node->arg_count; i++)
        if (is_open(type_resolve(c, node->args[i]->type)))
            return false;
    return true;
}

static const struct filter_type *choose_overloads(struct filter_compiler *c,
                                                  struct filter_node *node,
                                                  const struct function_overload *rows,
                                                  size_t count)
{
    struct call_plan *plan = arena_zalloc(c->arena, sizeof *plan);
    const struct function_overload **chosen =
        arena_calloc(c->arena, count ? count : 1, sizeof *chosen);
    if (!plan || !chosen) {
        compile_no_memory(c);
        return type_simple(TYPE_ERROR);
    }
    const struct filter_type *result = NULL;
    for (size_t i = 0; i < count; i++) {
        if (function_is_member(&rows[i]) != node->is_member ||
            function_arg_count(&rows[i]) != node->arg_count)
            continue;
        uint32_t mark = type_mark(c);
        const struct filter_type *type = try_overload(c, node, &rows[i]);
        if (type)
            type = type_substitute(c, type);
        type_undo(c, mark);
        if (!type && !c->env->is_unchecked)
            continue;
        chosen[plan->count++] = &rows[i];
        if (type && result)
            result = type_join(c, result, type);
        else if (type)
            result = type;
        if (!c->env->is_unchecked && all_known(c, node))
            break; /* the table goes from exact to general */
    }
    plan->overloads = chosen;
    node->plan = plan;
    if (plan->count == 1 && result && !c->env->is_unchecked)
        return try_overload(c, node, chosen[0]);
    if (plan->count == 0)
        return fail_overload(c, node, rows, count);
    return result ? result : type_simple(TYPE_DYN);
}

/* math.greatest(1, 2, 3) is math.greatest([1, 2, 3]). */
static void gather_arguments(struct filter_compiler *c, struct filter_node *node)
{
    bool takes_any =
        slice_eq_str(node->name, "math.greatest") || slice_eq_str(node->name, "math.least");
    if (!takes_any || node->is_member || node->arg_count < 3)
        return;
    struct filter_node *list = arena_zalloc(c->arena, sizeof *list);
    struct filter_node **args = arena_calloc(c->arena, 1, sizeof *args);
    if (!list || !args) {
        compile_no_memory(c);
        return;
    }
    *list = *node;
    list->kind = NODE_LIST;
    list->name = SLICE_NONE;
    args[0] = list;
    node->args = args;
    node->arg_count = 1;
}

const struct filter_type *check_call(struct filter_compiler *c, struct filter_node *node)
{
    if (node->is_member)
        fold_namespace(c, node);
    if (node->name.len && node->name.data[0] == '.')
        node->name = slice_sub(node->name, 1, node->name.len);
    gather_arguments(c, node);
    size_t count;
    const struct function_overload *rows = function_find(node->name, &count);
    if (!rows)
        return fail_overload(c, node, NULL, 0);
    for (uint32_t i = 0; i < node->arg_count && !c->error; i++)
        check_node(c, node->args[i]); // NOLINT(misc-no-recursion): FILTER_MAX_DEPTH
    if (c->error)
        return type_simple(TYPE_ERROR);
    return choose_overloads(c, node, rows, count);
}

/* ── macros ── */

struct macro_types {
    const struct filter_type *first, *second; /* of the variables */
    bool is_map;
};

static struct macro_types variable_types(struct filter_compiler *c, struct filter_node *node,
                                         const struct filter_type *range)
{
    const struct filter_type *dyn = type_simple(TYPE_DYN);
    char text[TYPE_TEXT_SIZE];
    bool two = node->name2.len != 0;
    if (node->op == MACRO_BIND)
        return (struct macro_types){range, NULL, false};
    if (is_open(range))
        return (struct macro_types){dyn, dyn, false};
    if (node->op == MACRO_OPT_MAP || node->op == MACRO_OPT_FLAT_MAP) {
        if (range->kind == TYPE_OPTIONAL)
            return (struct macro_types){range->params[0], NULL, false};
        check_mismatch(c, node->args[0], "this macro wants an optional, this is %s",
                       type_text(c, range, text));
        return (struct macro_types){dyn, dyn, false};
    }
    if (range->kind == TYPE_LIST)
        return (struct macro_types){two ? type_simple(TYPE_INT) : range->params[0],
                                    range->params[0], false};
    if (range->kind == TYPE_MAP)
        return (struct macro_types){range->params[0], range->params[1], true};
    check_mismatch(c, node->args[0], "this macro wants a list or a map, this is %s",
                   type_text(c, range, text));
    return (struct macro_types){dyn, dyn, false};
}

static const struct filter_type *macro_result(struct filter_compiler *c, struct filter_node *node,
                                              const struct filter_type *range,
                                              const struct macro_types *types,
                                              const struct filter_type *body)
{
    switch ((enum macro_kind)node->op) {
    case MACRO_ALL:
    case MACRO_EXISTS:
    case MACRO_EXISTS_ONE:
        return type_simple(TYPE_BOOL);
    case MACRO_FILTER:
        return range->kind == TYPE_LIST ? range : type_make(c, TYPE_LIST, types->first, NULL);
    case MACRO_MAP:
    case MACRO_TRANSFORM_LIST:
        return type_make(c, TYPE_LIST, body, NULL);
    case MACRO_TRANSFORM_MAP:
        return type_make(c, TYPE_MAP, types->first, body);
    case MACRO_TRANSFORM_ENTRY:
        body = type_resolve(c, body);
        if (body->kind != TYPE_MAP && !is_open(body))
            return check_mismatch(c, node->args[node->arg_count - 1],
                                  "transformMapEntry() wants a map {key: value} here");
        return body;
    case MACRO_OPT_MAP:
        return type_make(c, TYPE_OPTIONAL, body, NULL);
    case MACRO_OPT_FLAT_MAP:
        body = type_resolve(c, body);
        if (body->kind != TYPE_OPTIONAL && !is_open(body))
            return check_mismatch(c, node->args[1], "optFlatMap() wants an optional here");
        return body;
    case MACRO_BIND:
        return body;
    }
    return type_simple(TYPE_DYN);
}

const struct filter_type *check_macro(struct filter_compiler *c, struct filter_node *node)
{
    const struct filter_type *range = type_resolve(c, check_node(c, node->args[0]));
    if (c->error)
        return type_simple(TYPE_ERROR);
    struct macro_types types = variable_types(c, node, range);
    struct filter_scope *outer = c->scope;
    struct filter_scope first = {outer, node->name, (uint16_t)c->slot_count++, types.first};
    node->slot = first.slot;
    struct filter_scope second = {&first, node->name2, (uint16_t)c->slot_count, types.second};
    node->slot2 = second.slot;
    c->slot_count += node->name2.len != 0;
    c->scope = node->name2.len ? &second : &first;
    /* One body is a predicate or a transformation, two are both in this order. */
    bool tests = node->op == MACRO_ALL || node->op == MACRO_EXISTS ||
                 node->op == MACRO_EXISTS_ONE || node->op == MACRO_FILTER;
    if (tests || node->arg_count == 3)
        check_bool(c, node->args[1], "the condition of the macro");
    const struct filter_type *body =
        tests || c->error ? NULL : check_node(c, node->args[node->arg_count - 1]);
    c->scope = outer;
    if (c->error)
        return type_simple(TYPE_ERROR);
    return macro_result(c, node, range, &types, body);
}
