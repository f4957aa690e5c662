/* The last step of compilation: every node gets its evaluating function; what is constant is
 * computed now, so that a mistake in it is told now. */
#include <stdlib.h>

#include "filter/functions.h"
#include "filter/program.h"
#include "filter/zone.h"

enum {
    MAX_PATTERNS = 32,
    FOLD_BUDGET = 20000
};

static bool is_constant(const struct filter_node *node)
{
    return node->is_constant;
}

static size_t count_patterns(const struct filter_compiler *c)
{
    size_t count = 0;
    for (const struct filter_pattern *p = c->patterns; p; p = p->next)
        count++;
    return count;
}

static int plan_pattern(struct filter_compiler *c, struct filter_node *node)
{
    const struct filter_node *arg = node->args[node->arg_count - 1];
    struct call_plan *plan = (struct call_plan *)(uintptr_t)node->plan;
    char sentence[120];
    if (!is_constant(arg) || arg->value.kind != VALUE_STRING)
        return 0;
    if (count_patterns(c) == MAX_PATTERNS)
        return compile_fail_node(c, arg, "a filter may have at most %d patterns for matches()",
                                 MAX_PATTERNS);
    struct filter_pattern *pattern = calloc(1, sizeof *pattern);
    if (!pattern)
        return compile_no_memory(c);
    pattern->regex = filter_regex_new((const char *)arg->value.text.data, arg->value.text.len,
                                      sentence, sizeof sentence);
    if (!pattern->regex) {
        free(pattern);
        /* On its own an expression may still absorb the error. */
        return c->env->is_expression
                   ? 0
                   : compile_fail_node(c, arg, "this is not a valid regular expression: %s",
                                       sentence);
    }
    pattern->next = c->patterns;
    c->patterns = pattern;
    plan->pattern = pattern;
    return 0;
}

static bool takes_zone(const struct filter_node *node)
{
    return node->is_member && node->arg_count == 2 &&
           slice_starts_with(node->name, SLICE_LITERAL("get"));
}

static int plan_zone(struct filter_compiler *c, struct filter_node *node)
{
    const struct filter_node *arg = node->args[1];
    struct call_plan *plan = (struct call_plan *)(uintptr_t)node->plan;
    if (!is_constant(arg) || arg->value.kind != VALUE_STRING)
        return 0;
    plan->zone = zone_load(c->arena, arg->value.text);
    if (!plan->zone && !c->env->is_expression)
        return compile_fail_node(c, arg, "there is no such time zone");
    return 0;
}

/* Calls, lists and maps of constants. Not on the stack of those that are deeper. */
__attribute__((noinline)) static int fold(struct filter_compiler *c, struct filter_node *node)
{
    bool foldable = node->kind == NODE_CALL || node->kind == NODE_LIST || node->kind == NODE_MAP;
    for (uint32_t i = 0; foldable && i < node->arg_count; i++)
        foldable = is_constant(node->args[i]);
    if (!foldable)
        return 0;
    struct filter_scratch scratch = {0};
    struct filter_eval eval = {
        .arena = c->arena, .steps_left = FOLD_BUDGET, .now_ns = c->now_ns, .scratch = &scratch};
    struct value value;
    node_eval(&eval, node, &value);
    pattern_list_free(scratch.last_pattern);
    if (value.kind != VALUE_ERROR) {
        node->value = value;
        node->eval = eval_literal;
        node->is_constant = true;
        return 0;
    }
    if (c->env->is_expression || value.error == ERROR_BUDGET || value.error == ERROR_MEMORY)
        return 0;
    char text[200];
    value_error_text(&value, text, sizeof text);
    return compile_fail_node(c, node, "%s", text);
}

int compile_plan(struct filter_compiler *c, struct filter_node *node)
{
    for (uint32_t i = 0; i < node->arg_count; i++)
        // NOLINTNEXTLINE(misc-no-recursion): FILTER_MAX_DEPTH
        if (compile_plan(c, node->args[i]) < 0)
            return c->error;
    node->eval = eval_function(node);
    node->is_constant = node->kind == NODE_LITERAL;
    if (node->kind == NODE_CALL && node->plan) {
        if (slice_eq_str(node->name, "matches") && plan_pattern(c, node) < 0)
            return c->error;
        if (takes_zone(node) && plan_zone(c, node) < 0)
            return c->error;
    }
    return fold(c, node);
}
