/* Macros over lists, maps and optionals. Every turn of a loop is charged with the size of what is
 * evaluated in it. */
#include "filter/eval.h"

struct walk {
    const struct value_list *list;
    const struct value_map *map;
    uint32_t count;
    uint64_t cost; /* of one turn */
    bool two;      /* variables */
};

static void fail_at(const struct filter_node *node, enum value_error error, struct value *ret)
{
    set_error(ret, error);
    ret->offset = node->offset;
}

static bool begin_walk(const struct filter_node *node, const struct value *range, struct walk *walk,
                       struct value *ret)
{
    *walk = (struct walk){.two = node->name2.len != 0};
    for (uint32_t i = 1; i < node->arg_count; i++)
        walk->cost += node->args[i]->weight;
    if (range->kind == VALUE_LIST) {
        walk->list = range->list;
        walk->count = range->list->count;
    } else if (range->kind == VALUE_MAP) {
        walk->map = range->map;
        walk->count = range->map->count;
    } else {
        fail_at(node, ERROR_NO_OVERLOAD, ret);
        return false;
    }
    return true;
}

/* Sets the variables for turn i; false when the budget is used up. */
static bool turn(struct filter_eval *eval, const struct filter_node *node, const struct walk *walk,
                 uint32_t i, struct value *ret)
{
    if (!eval_charge(eval, walk->cost, ret)) {
        ret->offset = node->offset;
        return false;
    }
    struct value first;
    struct value second;
    if (walk->map)
        value_map_at(walk->map, i, &first, &second);
    else
        value_list_at(walk->list, i, walk->two ? &second : &first);
    if (walk->list && walk->two)
        set_int(&first, i);
    eval->slots[node->slot] = first;
    if (walk->two)
        eval->slots[node->slot2] = second;
    return true;
}

/* A condition: 1, 0, or −1 with the error in *ret. */
static int holds(struct filter_eval *eval, const struct filter_node *condition, struct value *ret)
{
    node_eval(eval, condition, ret);
    if (ret->kind == VALUE_BOOL)
        return ret->boolean;
    if (ret->kind != VALUE_ERROR)
        fail_at(condition, ERROR_NO_OVERLOAD, ret);
    return -1;
}

/* all and exists absorb errors like && and ||. */
static void eval_quantifier(struct filter_eval *eval, const struct filter_node *node,
                            const struct walk *walk, struct value *ret)
{
    int stop = node->op == MACRO_EXISTS;
    struct value error = {.kind = VALUE_NULL};
    for (uint32_t i = 0; i < walk->count; i++) {
        if (!turn(eval, node, walk, i, ret))
            return;
        int result = holds(eval, node->args[1], ret);
        if (result == stop)
            return;
        if (result < 0 && error.kind != VALUE_ERROR)
            error = *ret;
    }
    if (error.kind == VALUE_ERROR)
        *ret = error;
    else
        set_bool(ret, !stop);
}

static void eval_exists_one(struct filter_eval *eval, const struct filter_node *node,
                            const struct walk *walk, struct value *ret)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < walk->count; i++) {
        if (!turn(eval, node, walk, i, ret))
            return;
        int result = holds(eval, node->args[1], ret);
        if (result < 0)
            return;
        found += (uint32_t)result;
    }
    set_bool(ret, found == 1);
}

/* filter, map, transformList */
static void eval_to_list(struct filter_eval *eval, const struct filter_node *node,
                         const struct walk *walk, struct value *ret)
{
    bool is_filter = node->op == MACRO_FILTER;
    const struct filter_node *condition = is_filter || node->arg_count == 3 ? node->args[1] : NULL;
    const struct filter_node *body = is_filter ? NULL : node->args[node->arg_count - 1];
    struct value *values = eval_new_values(eval, walk->count, ret);
    size_t count = 0;
    if (!values)
        return;
    for (uint32_t i = 0; i < walk->count; i++) {
        if (!turn(eval, node, walk, i, ret))
            return;
        int result = condition ? holds(eval, condition, ret) : 1;
        if (result < 0)
            return;
        if (result == 0)
            continue;
        if (is_filter)
            values[count] = eval->slots[node->slot];
        else
            node_eval(eval, body, &values[count]);
        if (values[count].kind == VALUE_ERROR) {
            *ret = values[count];
            return;
        }
        count++;
    }
    eval_set_list(eval, values, count, ret);
}

static bool add_entries(struct filter_eval *eval, const struct filter_node *node,
                        const struct value *from, struct value_map *into, uint32_t room,
                        struct value *ret)
{
    if (from->kind != VALUE_MAP || from->map->count > room - into->count) {
        set_error_about(ret, ERROR_ARGUMENT,
                        SLICE_LITERAL("transformMapEntry() wants a map of one entry"));
        ret->offset = node->offset;
        return false;
    }
    for (uint32_t i = 0; i < from->map->count; i++) {
        struct value_pair pair;
        struct value old;
        value_map_at(from->map, i, &pair.key, &pair.value);
        int found = value_map_find(eval, into, &pair.key, &old);
        if (found != 0) {
            if (found > 0)
                set_error(ret, ERROR_DUPLICATE_KEY);
            else
                *ret = old;
            ret->offset = node->offset;
            return false;
        }
        ((struct value_pair *)(uintptr_t)into->pairs)[into->count++] = pair;
    }
    return true;
}

/* transformMap, transformMapEntry */
static void eval_to_map(struct filter_eval *eval, const struct filter_node *node,
                        const struct walk *walk, struct value *ret)
{
    const struct filter_node *condition = node->arg_count == 3 ? node->args[1] : NULL;
    const struct filter_node *body = node->args[node->arg_count - 1];
    struct value_pair *pairs = arena_calloc(eval->arena, walk->count + 1ul, sizeof *pairs);
    struct value_map map = {.storage = STORED_VALUES, .pairs = pairs};
    if (!pairs) {
        fail_at(node, ERROR_MEMORY, ret);
        return;
    }
    for (uint32_t i = 0; i < walk->count; i++) {
        if (!turn(eval, node, walk, i, ret))
            return;
        struct value key = eval->slots[node->slot];
        int result = condition ? holds(eval, condition, ret) : 1;
        if (result < 0)
            return;
        if (result == 0)
            continue;
        node_eval(eval, body, ret);
        if (ret->kind == VALUE_ERROR)
            return;
        if (node->op == MACRO_TRANSFORM_MAP)
            pairs[map.count++] = (struct value_pair){key, *ret};
        else if (!add_entries(eval, node, ret, &map, walk->count, ret))
            return;
    }
    eval_set_map(eval, pairs, map.count, ret);
}

static void eval_optional(struct filter_eval *eval, const struct filter_node *node,
                          const struct value *range, struct value *ret)
{
    if (range->kind != VALUE_OPTIONAL) {
        fail_at(node, ERROR_NO_OVERLOAD, ret);
        return;
    }
    if (!range->optional) {
        eval_set_optional(eval, NULL, ret);
        return;
    }
    struct value body;
    eval->slots[node->slot] = *range->optional;
    node_eval(eval, node->args[1], &body);
    if (body.kind == VALUE_ERROR)
        *ret = body;
    else if (node->op == MACRO_OPT_MAP)
        eval_set_optional(eval, &body, ret);
    else if (body.kind == VALUE_OPTIONAL)
        *ret = body;
    else
        fail_at(node->args[1], ERROR_NO_OVERLOAD, ret);
}

void eval_macro(struct filter_eval *eval, const struct filter_node *node, struct value *ret)
{
    struct value range;
    struct walk walk;
    node_eval(eval, node->args[0], &range);
    if (range.kind == VALUE_ERROR && node->op != MACRO_BIND) {
        *ret = range;
        return;
    }
    if (node->op == MACRO_OPT_MAP || node->op == MACRO_OPT_FLAT_MAP) {
        eval_optional(eval, node, &range, ret);
        return;
    }
    if (node->op == MACRO_BIND) {
        eval->slots[node->slot] = range;
        node_eval(eval, node->args[1], ret);
        return;
    }
    if (!begin_walk(node, &range, &walk, ret))
        return;
    switch ((enum macro_kind)node->op) {
    case MACRO_ALL:
    case MACRO_EXISTS:
        eval_quantifier(eval, node, &walk, ret);
        break;
    case MACRO_EXISTS_ONE:
        eval_exists_one(eval, node, &walk, ret);
        break;
    case MACRO_FILTER:
    case MACRO_MAP:
    case MACRO_TRANSFORM_LIST:
        eval_to_list(eval, node, &walk, ret);
        break;
    case MACRO_TRANSFORM_MAP:
    case MACRO_TRANSFORM_ENTRY:
        eval_to_map(eval, node, &walk, ret);
        break;
    case MACRO_OPT_MAP:
    case MACRO_OPT_FLAT_MAP:
    case MACRO_BIND:
        break;
    }
    if (ret->kind == VALUE_ERROR && ret->error == ERROR_MEMORY)
        ret->offset = node->offset;
}
