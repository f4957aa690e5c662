/* Nodes of the tree as they are made, and macros, which are expanded on the way. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "filter/parser.h"

int compile_fail(struct filter_compiler *c, size_t begin, size_t end, const char *format, ...)
{
    if (c->error)
        return c->error;
    char text[sizeof c->diagnostic->text];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    filter_diagnose(c->diagnostic, c->text, begin, end, "%s", text);
    return c->error = -EINVAL;
}

int compile_fail_node(struct filter_compiler *c, const struct filter_node *node, const char *format,
                      ...)
{
    char text[sizeof c->diagnostic->text];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return compile_fail(c, node->begin, node->end, "%s", text);
}

int compile_no_memory(struct filter_compiler *c)
{
    compile_fail(c, 0, 0, "there is not enough memory for the filter");
    return c->error = -ENOMEM;
}

void compile_suggest(struct filter_compiler *c, const char *name)
{
    if (name && c->diagnostic->suggestion[0] == 0)
        snprintf(c->diagnostic->suggestion, sizeof c->diagnostic->suggestion, "%s", name);
}

/* ── nodes ── */

struct filter_node *parser_node(struct parser *p, enum node_kind kind, uint32_t begin,
                                uint32_t offset)
{
    struct filter_compiler *c = p->c;
    if (c->error)
        return NULL;
    if (++c->node_count > FILTER_MAX_NODES) {
        compile_fail(c, begin, p->prev_end, "the filter is too long: it has more than %d parts",
                     FILTER_MAX_NODES);
        return NULL;
    }
    struct filter_node *node = arena_zalloc(c->arena, sizeof *node);
    if (!node) {
        compile_no_memory(c);
        return NULL;
    }
    node->kind = (uint8_t)kind;
    node->field = FIELD_NONE;
    node->begin = begin;
    node->offset = offset;
    node->end = p->prev_end;
    node->depth = 1;
    node->weight = 1;
    return node;
}

struct filter_node *parser_set_args(struct parser *p, struct filter_node *node,
                                    const struct node_list *list)
{
    struct filter_compiler *c = p->c;
    if (!node || c->error)
        return NULL;
    node->args = list->items;
    node->arg_count = (uint16_t)list->count;
    if (list->has_optional)
        node->optional_args = list->optional;
    unsigned depth = 0;
    unsigned weight = 1;
    for (uint32_t i = 0; i < list->count; i++) {
        depth = list->items[i]->depth > depth ? list->items[i]->depth : depth;
        weight += list->items[i]->weight;
    }
    node->depth = (uint16_t)(depth + 1);
    node->weight = (uint16_t)weight;
    node->end = p->prev_end;
    if (node->depth > FILTER_MAX_DEPTH) {
        compile_fail(c, node->begin, node->end,
                     "the filter is nested too deeply: more than %d levels", FILTER_MAX_DEPTH);
        return NULL;
    }
    return node;
}

bool parser_push(struct parser *p, struct node_list *list, struct filter_node *node, bool optional)
{
    struct filter_compiler *c = p->c;
    if (!node || c->error)
        return false;
    if (list->count == list->room) {
        uint32_t room = list->room ? list->room * 2 : 4;
        struct filter_node **items = arena_alloc(c->arena, room * sizeof *items);
        bool *flags = arena_alloc(c->arena, room * sizeof *flags);
        if (!items || !flags) {
            compile_no_memory(c);
            return false;
        }
        if (list->count) {
            memcpy(items, list->items, list->count * sizeof *items);
            memcpy(flags, list->optional, list->count * sizeof *flags);
        }
        list->items = items;
        list->optional = flags;
        list->room = room;
    }
    list->optional[list->count] = optional;
    list->items[list->count++] = node;
    list->has_optional |= optional;
    return true;
}

struct filter_node *parser_node_with(struct parser *p, enum node_kind kind, uint32_t offset,
                                     struct filter_node *first, struct filter_node *second)
{
    if (!first)
        return NULL;
    struct node_list list = {0};
    if (!parser_push(p, &list, first, false) || (second && !parser_push(p, &list, second, false)))
        return NULL;
    return parser_set_args(p, parser_node(p, kind, first->begin, offset), &list);
}

/* Its levels are those of the terms: a chain is as long as the limit of nodes lets it. */
struct filter_node *parser_chain(struct parser *p, enum node_kind kind, uint32_t offset,
                                 struct filter_node *chain, struct filter_node *term)
{
    uint16_t depth = chain->depth;
    chain->depth = 1;
    struct filter_node *node = parser_node_with(p, kind, offset, chain, term);
    chain->depth = depth;
    if (node && node->depth < depth)
        node->depth = depth;
    return node;
}

struct filter_node *parser_literal(struct parser *p, uint32_t begin, struct value value)
{
    struct filter_node *node = parser_node(p, NODE_LITERAL, begin, begin);
    if (node)
        node->value = value;
    return node;
}

/* ── macros ── */

struct macro {
    const char *name;
    unsigned arg_count;      /* written between the brackets */
    unsigned variable_count; /* of these, the first are names */
    enum macro_kind kind;
};

static const struct macro macros[] = {
    {"all", 2, 1, MACRO_ALL},
    {"all", 3, 2, MACRO_ALL},
    {"exists", 2, 1, MACRO_EXISTS},
    {"exists", 3, 2, MACRO_EXISTS},
    {"exists_one", 2, 1, MACRO_EXISTS_ONE},
    {"exists_one", 3, 2, MACRO_EXISTS_ONE},
    {"existsOne", 2, 1, MACRO_EXISTS_ONE},
    {"existsOne", 3, 2, MACRO_EXISTS_ONE},
    {"filter", 2, 1, MACRO_FILTER},
    {"map", 2, 1, MACRO_MAP},
    {"map", 3, 1, MACRO_MAP},
    {"transformList", 3, 2, MACRO_TRANSFORM_LIST},
    {"transformList", 4, 2, MACRO_TRANSFORM_LIST},
    {"transformMap", 3, 2, MACRO_TRANSFORM_MAP},
    {"transformMap", 4, 2, MACRO_TRANSFORM_MAP},
    {"transformMapEntry", 3, 2, MACRO_TRANSFORM_ENTRY},
    {"transformMapEntry", 4, 2, MACRO_TRANSFORM_ENTRY},
    {"optMap", 2, 1, MACRO_OPT_MAP},
    {"optFlatMap", 2, 1, MACRO_OPT_FLAT_MAP},
};

static bool take_variable(struct parser *p, const struct filter_node *node, const char *macro,
                          struct slice *ret_name)
{
    if (node->kind != NODE_UNKNOWN || node->name.data[0] == '.') {
        compile_fail(p->c, node->begin, node->end, "%s() wants the name of a variable here", macro);
        return false;
    }
    *ret_name = node->name;
    return true;
}

static struct filter_node *make_macro(struct parser *p, const struct macro *macro,
                                      struct filter_node *range, const struct node_list *args,
                                      uint32_t offset)
{
    struct node_list list = {0};
    struct slice names[2] = {SLICE_NONE, SLICE_NONE};
    for (uint32_t i = 0; i < macro->variable_count; i++)
        if (!take_variable(p, args->items[i], macro->name, &names[i]))
            return NULL;
    if (macro->variable_count == 2 && slice_eq(names[0], names[1])) {
        compile_fail(p->c, args->items[1]->begin, args->items[1]->end,
                     "the two variables of %s() need different names", macro->name);
        return NULL;
    }
    if (!parser_push(p, &list, range, false))
        return NULL;
    for (uint32_t i = macro->variable_count; i < args->count; i++)
        if (!parser_push(p, &list, args->items[i], false))
            return NULL;
    struct filter_node *node =
        parser_set_args(p, parser_node(p, NODE_MACRO, range->begin, offset), &list);
    if (!node)
        return NULL;
    node->op = (uint8_t)macro->kind;
    node->name = names[0];
    node->name2 = names[1];
    return node;
}

/* has(e.f), has(variable): the check decides whether the variable may be asked for. */
static struct filter_node *make_has(struct parser *p, const struct node_list *args, uint32_t begin)
{
    struct filter_node *arg = args->items[0];
    struct node_list list = {0};
    bool is_select = arg->kind == NODE_SELECT && !arg->is_optional;
    if (!is_select && arg->kind != NODE_UNKNOWN) {
        compile_fail(p->c, arg->begin, arg->end,
                     "has() wants a variable or a member (a.b); for a key write \"key\" in map");
        return NULL;
    }
    if (!parser_push(p, &list, is_select ? arg->args[0] : arg, false))
        return NULL;
    struct filter_node *node =
        parser_set_args(p, parser_node(p, NODE_HAS, begin, arg->offset), &list);
    if (node && is_select)
        node->name = arg->name;
    return node;
}

struct filter_node *parser_call(struct parser *p, struct filter_node *target, struct slice name,
                                const struct node_list *args, uint32_t offset)
{
    if (p->c->error)
        return NULL;
    uint32_t begin = target ? target->begin : offset;
    if (!target && slice_eq_str(name, "has") && args->count == 1)
        return make_has(p, args, begin);
    if (target && slice_eq_str(name, "bind") && target->kind == NODE_UNKNOWN &&
        slice_eq_str(target->name, "cel") && args->count == 3) {
        static const struct macro bind = {"cel.bind", 2, 1, MACRO_BIND};
        struct node_list rest = {.items = (struct filter_node *[]){args->items[0], args->items[2]},
                                 .count = 2};
        struct filter_node *node = make_macro(p, &bind, args->items[1], &rest, offset);
        if (node)
            node->begin = begin;
        return node;
    }
    for (size_t i = 0; target && i < sizeof macros / sizeof *macros; i++)
        if (slice_eq_str(name, macros[i].name) && macros[i].arg_count == args->count)
            return make_macro(p, &macros[i], target, args, offset);
    struct node_list list = {0};
    if (target && !parser_push(p, &list, target, false))
        return NULL;
    for (uint32_t i = 0; i < args->count; i++)
        if (!parser_push(p, &list, args->items[i], false))
            return NULL;
    struct filter_node *node = parser_set_args(p, parser_node(p, NODE_CALL, begin, offset), &list);
    if (!node)
        return NULL;
    node->name = name;
    node->is_member = target;
    return node;
}
