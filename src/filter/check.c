#include "filter/check.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/text.h"

const struct filter_type *check_mismatch(struct filter_compiler *c, const struct filter_node *node,
                                         const char *format, ...)
{
    if (c->env->is_unchecked)
        return type_simple(TYPE_DYN);
    char text[sizeof c->diagnostic->text];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    compile_fail_node(c, node, "%s", text);
    return type_simple(TYPE_ERROR);
}

static bool is_open(const struct filter_type *type)
{
    return type->kind == TYPE_DYN || type->kind == TYPE_ERROR || type->kind == TYPE_VARIABLE;
}

void check_bool(struct filter_compiler *c, struct filter_node *node, const char *what)
{
    const struct filter_type *type = check_node(c, node);
    char text[TYPE_TEXT_SIZE];
    if (c->error || type_assignable(c, type_simple(TYPE_BOOL), type))
        return;
    check_mismatch(c, node, "%s must be true or false, this is %s", what, type_text(c, type, text));
    if (node->kind == NODE_FIELD && c->error) {
        snprintf(text, sizeof text, "has(%s)", field_at(node->field)->name);
        compile_suggest(c, text);
    }
}

/* Numbers of all kinds compare with one another; everything else only with its own type. */
static bool comparable(struct filter_compiler *c, const struct filter_type *a,
                       const struct filter_type *b)
{
    a = type_resolve(c, a);
    b = type_resolve(c, b);
    uint32_t mark = type_mark(c);
    if ((type_is_number(a) && type_is_number(b)) || type_assignable(c, a, b))
        return true;
    type_undo(c, mark);
    /* Inside lists and maps too: [1] == [1.0]. */
    if (a->kind == b->kind && a->kind == TYPE_LIST)
        // NOLINTNEXTLINE(misc-no-recursion): depth of the tree
        return comparable(c, a->params[0], b->params[0]);
    if (a->kind == b->kind && a->kind == TYPE_MAP)
        // NOLINTNEXTLINE(misc-no-recursion): depth of the tree
        return comparable(c, a->params[0], b->params[0]) &&
               // NOLINTNEXTLINE(misc-no-recursion): depth of the tree
               comparable(c, a->params[1], b->params[1]);
    return false;
}

static bool has_order(const struct filter_type *type)
{
    return type_is_number(type) || is_open(type) || type->kind == TYPE_BOOL ||
           type->kind == TYPE_STRING || type->kind == TYPE_BYTES || type->kind == TYPE_TIMESTAMP ||
           type->kind == TYPE_DURATION;
}

/* status_code == "500": the number is what was meant; method == 5: the text. */
static void suggest_literal(struct filter_compiler *c, const struct filter_node *literal,
                            const struct filter_type *wanted)
{
    if (literal->kind != NODE_LITERAL || literal->end - literal->begin > 64)
        return;
    struct slice text = slice_sub(c->text, literal->begin, literal->end - literal->begin);
    char out[80];
    if (type_is_number(wanted) && literal->value.kind == VALUE_STRING) {
        int64_t v;
        snprintf(out, sizeof out, "%.*s", SLICE_ARGS(literal->value.text));
        if (text_parse_int(out, INT64_MIN, INT64_MAX, &v) == 0)
            compile_suggest(c, out);
    } else if (wanted->kind == TYPE_STRING && literal->value.kind == VALUE_INT) {
        snprintf(out, sizeof out, "\"%.*s\"", SLICE_ARGS(text));
        compile_suggest(c, out);
    } else if ((wanted->kind == TYPE_TIMESTAMP || wanted->kind == TYPE_DURATION) &&
               literal->value.kind == VALUE_STRING) {
        snprintf(out, sizeof out, "%s(%.*s)",
                 wanted->kind == TYPE_TIMESTAMP ? "timestamp" : "duration", SLICE_ARGS(text));
        compile_suggest(c, out);
    }
}

static const struct filter_type *check_compare(struct filter_compiler *c, struct filter_node *node)
{
    const struct filter_type *a = check_node(c, node->args[0]);
    const struct filter_type *b = c->error ? a : check_node(c, node->args[1]);
    if (c->error)
        return type_simple(TYPE_ERROR);
    a = type_resolve(c, a);
    b = type_resolve(c, b);
    char first[TYPE_TEXT_SIZE];
    char second[TYPE_TEXT_SIZE];
    bool ordered = node->op != COMPARE_EQ && node->op != COMPARE_NE;
    if (!comparable(c, a, b)) {
        const struct filter_node *right = node->args[1];
        bool swap = node->args[0]->kind == NODE_LITERAL && right->kind != NODE_LITERAL;
        check_mismatch(c, swap ? node->args[0] : right, "%s cannot be compared with %s",
                       type_text(c, a, first), type_text(c, b, second));
        suggest_literal(c, swap ? node->args[0] : right, swap ? b : a);
    } else if (ordered && !(has_order(a) && has_order(b))) {
        check_mismatch(c, node, "values of type %s have no order",
                       type_text(c, has_order(a) ? b : a, first));
    }
    return type_simple(TYPE_BOOL);
}

static const struct filter_type *check_in(struct filter_compiler *c, struct filter_node *node)
{
    const struct filter_type *item = check_node(c, node->args[0]);
    const struct filter_type *set = c->error ? item : check_node(c, node->args[1]);
    if (c->error)
        return type_simple(TYPE_ERROR);
    set = type_resolve(c, set);
    char first[TYPE_TEXT_SIZE];
    char second[TYPE_TEXT_SIZE];
    if (set->kind != TYPE_LIST && set->kind != TYPE_MAP) {
        if (!is_open(set)) {
            check_mismatch(c, node->args[1], "`in` wants a list or a map here, this is %s",
                           type_text(c, set, first));
            if (set->kind == TYPE_STRING)
                compile_suggest(c, "text.contains(…)");
        }
    } else if (!comparable(c, set->params[0], item)) {
        check_mismatch(c, node->args[0], "%s cannot be an element of %s", type_text(c, item, first),
                       type_text(c, set, second));
        suggest_literal(c, node->args[0], type_resolve(c, set->params[0]));
    }
    return type_simple(TYPE_BOOL);
}

static const struct filter_type *element_type(struct filter_compiler *c, struct filter_node *node,
                                              const struct filter_type *set,
                                              const struct filter_type *key)
{
    char first[TYPE_TEXT_SIZE];
    char second[TYPE_TEXT_SIZE];
    set = type_resolve(c, set);
    key = type_resolve(c, key);
    if (set->kind == TYPE_LIST) {
        if (!type_is_number(key) && !is_open(key))
            check_mismatch(c, node->args[1], "a list is indexed by int, not by %s",
                           type_text(c, key, first));
        return set->params[0];
    }
    if (set->kind == TYPE_MAP) {
        if (!comparable(c, set->params[0], key))
            check_mismatch(c, node->args[1], "the keys of this map are %s, not %s",
                           type_text(c, set->params[0], first), type_text(c, key, second));
        return set->params[1];
    }
    if (!is_open(set))
        check_mismatch(c, node->args[0], "%s cannot be indexed", type_text(c, set, first));
    return type_simple(TYPE_DYN);
}

static const struct filter_type *check_index(struct filter_compiler *c, struct filter_node *node)
{
    const struct filter_type *set = check_node(c, node->args[0]);
    const struct filter_type *key = c->error ? set : check_node(c, node->args[1]);
    if (c->error)
        return type_simple(TYPE_ERROR);
    set = type_resolve(c, set);
    bool optional = node->is_optional || set->kind == TYPE_OPTIONAL;
    if (set->kind == TYPE_OPTIONAL)
        set = set->params[0];
    const struct filter_type *type = element_type(c, node, set, key);
    return optional ? type_make(c, TYPE_OPTIONAL, type, NULL) : type;
}

static const struct filter_type *check_ternary(struct filter_compiler *c, struct filter_node *node)
{
    check_bool(c, node->args[0], "what stands before ?");
    const struct filter_type *a = c->error ? NULL : check_node(c, node->args[1]);
    const struct filter_type *b = c->error ? NULL : check_node(c, node->args[2]);
    if (c->error)
        return type_simple(TYPE_ERROR);
    uint32_t mark = type_mark(c);
    char first[TYPE_TEXT_SIZE];
    char second[TYPE_TEXT_SIZE];
    if (type_resolve(c, a)->kind == TYPE_DYN || type_resolve(c, b)->kind == TYPE_DYN)
        return type_simple(TYPE_DYN);
    if (type_assignable(c, a, b))
        return type_resolve(c, a);
    type_undo(c, mark);
    return check_mismatch(c, node->args[2], "both sides of : must have the same type: %s and %s",
                          type_text(c, a, first), type_text(c, b, second));
}

/* The type of an element; of what is inside for [?optional]. */
static const struct filter_type *check_element(struct filter_compiler *c, struct filter_node *node,
                                               bool optional)
{
    const struct filter_type *type = type_resolve(c, check_node(c, node));
    char text[TYPE_TEXT_SIZE];
    if (!optional || c->error || is_open(type))
        return type;
    if (type->kind == TYPE_OPTIONAL)
        return type->params[0];
    return check_mismatch(c, node, "what stands after ? must be an optional, this is %s",
                          type_text(c, type, text));
}

static const struct filter_type *check_list(struct filter_compiler *c, struct filter_node *node)
{
    const struct filter_type *type = NULL;
    for (uint32_t i = 0; i < node->arg_count && !c->error; i++) {
        const struct filter_type *item =
            check_element(c, node->args[i], node->optional_args && node->optional_args[i]);
        if (!c->error)
            type = type ? type_join(c, type, item) : item;
    }
    return type_make(c, TYPE_LIST, type ? type : type_variable(c), NULL);
}

static bool is_key(const struct filter_type *type)
{
    return type_is_number(type) || type->kind == TYPE_BOOL || type->kind == TYPE_STRING ||
           is_open(type);
}

static const struct filter_type *check_map(struct filter_compiler *c, struct filter_node *node)
{
    const struct filter_type *key_type = NULL;
    const struct filter_type *value_type = NULL;
    char text[TYPE_TEXT_SIZE];
    for (uint32_t i = 0; i + 1 < node->arg_count && !c->error; i += 2) {
        const struct filter_type *key = type_resolve(c, check_node(c, node->args[i]));
        if (c->error)
            break;
        if (!is_key(key))
            key =
                check_mismatch(c, node->args[i], "a key must be int, uint, bool or string, not %s",
                               type_text(c, key, text));
        const struct filter_type *item =
            check_element(c, node->args[i + 1], node->optional_args && node->optional_args[i]);
        if (c->error)
            break;
        key_type = key_type ? type_join(c, key_type, key) : key;
        value_type = value_type ? type_join(c, value_type, item) : item;
    }
    return type_make(c, TYPE_MAP, key_type ? key_type : type_variable(c),
                     value_type ? value_type : type_variable(c));
}

static const struct filter_type *literal_type(struct filter_compiler *c,
                                              const struct filter_node *node)
{
    static const enum type_kind kinds[] = {
        [VALUE_NULL] = TYPE_NULL,   [VALUE_BOOL] = TYPE_BOOL,     [VALUE_INT] = TYPE_INT,
        [VALUE_UINT] = TYPE_UINT,   [VALUE_DOUBLE] = TYPE_DOUBLE, [VALUE_STRING] = TYPE_STRING,
        [VALUE_BYTES] = TYPE_BYTES,
    };
    (void)c;
    if (node->type)
        return node->type;
    return type_simple(kinds[node->value.kind]);
}

static const struct filter_type *check_logic(struct filter_compiler *c, struct filter_node *node)
{
    const char *what = node->kind == NODE_AND  ? "an operand of &&"
                       : node->kind == NODE_OR ? "an operand of ||"
                                               : "the operand of !";
    for (uint32_t i = 0; i < node->arg_count && !c->error; i++)
        check_bool(c, node->args[i], what);
    return type_simple(TYPE_BOOL);
}

static const struct filter_type *check_kind(struct filter_compiler *c, struct filter_node *node)
{
    switch ((enum node_kind)node->kind) {
    case NODE_LITERAL:
        return literal_type(c, node);
    case NODE_UNKNOWN:
        return check_name(c, node);
    case NODE_SELECT:
        return check_select(c, node);
    case NODE_HAS:
        return check_has(c, node);
    case NODE_AND:
    case NODE_OR:
    case NODE_NOT:
        return check_logic(c, node);
    case NODE_TERNARY:
        return check_ternary(c, node);
    case NODE_COMPARE:
        return check_compare(c, node);
    case NODE_IN:
        return check_in(c, node);
    case NODE_INDEX:
        return check_index(c, node);
    case NODE_LIST:
        return check_list(c, node);
    case NODE_MAP:
        return check_map(c, node);
    case NODE_CALL:
        return check_call(c, node);
    case NODE_MACRO:
        return check_macro(c, node);
    case NODE_FIELD:
    case NODE_LOCAL:
    case NODE_BINDING:
        break;
    }
    return node->type;
}

static bool is_operator(const struct filter_node *node)
{
    return (node->kind == NODE_CALL || node->kind == NODE_COMPARE || node->kind == NODE_IN) &&
           !node->is_member && node->arg_count == 2;
}

/* The left side of a chain (a + b + c …), which adds no depth, from the inside out: the stack does
 * not have to hold it. */
static void check_left_side(struct filter_compiler *c, const struct filter_node *node)
{
    size_t length = 0;
    for (const struct filter_node *n = node; is_operator(n) && !n->type; n = n->args[0])
        length++;
    if (length < FILTER_MAX_DEPTH)
        return;
    struct filter_node **chain = arena_calloc(c->arena, length, sizeof *chain);
    if (!chain) {
        compile_no_memory(c);
        return;
    }
    size_t count = 0;
    for (const struct filter_node *n = node; is_operator(n) && !n->type; n = n->args[0])
        chain[count++] = n->args[0];
    while (count-- && !c->error)
        check_node(c, chain[count]);
}

const struct filter_type *check_node(struct filter_compiler *c, struct filter_node *node)
{
    bool is_chain = is_operator(node);
    if (is_chain && node->type)
        return node->type;
    if (is_chain)
        check_left_side(c, node); // NOLINT(misc-no-recursion): what it checks has no left side left
    if (c->error)
        return type_simple(TYPE_ERROR);
    return node->type = check_kind(c, node); // NOLINT(misc-no-recursion): FILTER_MAX_DEPTH
}

/* Types without variables for those who walk the tree later. */
static void settle_types(struct filter_compiler *c, struct filter_node *node)
{
    if (node->type)
        node->type = type_substitute(c, node->type);
    for (uint32_t i = 0; i < node->arg_count; i++)
        // NOLINTNEXTLINE(misc-no-recursion): FILTER_MAX_DEPTH
        settle_types(c, node->args[i]);
}

int compile_check(struct filter_compiler *c, struct filter_node *root)
{
    if (c->env->is_expression)
        check_node(c, root);
    else
        check_bool(c, root, "a filter");
    if (!c->error)
        settle_types(c, root);
    return c->error;
}
