#include "filter/eval.h"

#include "filter/functions.h"

static void fail_at(const struct filter_node *node, enum value_error error, struct value *ret)
{
    set_error(ret, error);
    ret->offset = node->offset;
}

static void fail_about(const struct filter_node *node, enum value_error error, struct slice about,
                       struct value *ret)
{
    set_error_about(ret, error, about);
    ret->offset = node->offset;
}

/* An error that came out of a helper gets the place it happened at. */
static void place_error(const struct filter_node *node, struct value *ret)
{
    if (ret->kind == VALUE_ERROR)
        ret->offset = node->offset;
}

/* ── leaves ── */

void eval_literal(struct filter_eval *eval, const struct filter_node *node, struct value *ret)
{
    (void)eval;
    *ret = node->value;
}

static void eval_local(struct filter_eval *eval, const struct filter_node *node, struct value *ret)
{
    *ret = eval->slots[node->slot];
}

static void eval_binding(struct filter_eval *eval, const struct filter_node *node,
                         struct value *ret)
{
    const struct filter_binding *binding = &eval->bindings[node->slot];
    if (binding->is_bound)
        *ret = binding->value;
    else
        fail_about(node, ERROR_NO_VARIABLE, node->name, ret);
}

static void eval_unknown(struct filter_eval *eval, const struct filter_node *node,
                         struct value *ret)
{
    (void)eval;
    fail_about(node, ERROR_NO_VARIABLE, node->name, ret);
}

/* ── logic ── */

/* An operand decides when it is known for certain: neither an error nor a doubt of the others
 * counts then, wherever they stand. (The order of clauses says nothing, so the store may look at
 * those first that its columns answer.) */
static void eval_logic(struct filter_eval *eval, const struct filter_node *node, bool stop,
                       struct value *ret)
{
    struct value error;
    bool failed = false, stopped = false, doubtful = eval->is_doubtful;
    const bool before = doubtful;
    for (uint32_t i = 0; i < node->arg_count; i++) {
        struct value v;
        eval->is_doubtful = false;
        node_eval(eval, node->args[i], &v);
        bool stops = v.kind == VALUE_BOOL && v.boolean == stop;
        if (stops && !eval->is_doubtful) {
            eval->is_doubtful = before;
            set_bool(ret, stop);
            return;
        }
        stopped |= stops;
        doubtful |= eval->is_doubtful;
        if (v.kind != VALUE_BOOL && !failed) {
            failed = true;
            error = v;
            if (v.kind != VALUE_ERROR)
                fail_at(node, ERROR_NO_OVERLOAD, &error);
        }
    }
    eval->is_doubtful = doubtful;
    if (failed && !stopped)
        *ret = error;
    else
        set_bool(ret, stopped ? stop : !stop);
}

static void eval_and(struct filter_eval *eval, const struct filter_node *node, struct value *ret)
{
    eval_logic(eval, node, false, ret);
}

static void eval_or(struct filter_eval *eval, const struct filter_node *node, struct value *ret)
{
    eval_logic(eval, node, true, ret);
}

static void eval_not(struct filter_eval *eval, const struct filter_node *node, struct value *ret)
{
    node_eval(eval, node->args[0], ret);
    if (ret->kind == VALUE_BOOL)
        ret->boolean = !ret->boolean;
    else if (ret->kind != VALUE_ERROR)
        fail_at(node, ERROR_NO_OVERLOAD, ret);
}

static void eval_ternary(struct filter_eval *eval, const struct filter_node *node,
                         struct value *ret)
{
    node_eval(eval, node->args[0], ret);
    if (ret->kind == VALUE_BOOL)
        node_eval(eval, node->args[ret->boolean ? 1 : 2], ret);
    else if (ret->kind != VALUE_ERROR)
        fail_at(node, ERROR_NO_OVERLOAD, ret);
}

/* ── comparison ── */

static bool order_holds(enum compare_op op, int order)
{
    switch (op) {
    case COMPARE_EQ:
        return order == 0;
    case COMPARE_NE:
        return order != 0;
    case COMPARE_LT:
        return order == -1;
    case COMPARE_LE:
        return order == -1 || order == 0;
    case COMPARE_GT:
        return order == 1;
    case COMPARE_GE:
        return order == 1 || order == 0;
    }
    return false;
}

static bool eval_operands(struct filter_eval *eval, const struct filter_node *node, struct value *a,
                          struct value *b, struct value *ret)
{
    node_eval(eval, node->args[0], a);
    if (a->kind == VALUE_ERROR) {
        *ret = *a;
        return false;
    }
    node_eval(eval, node->args[1], b);
    if (b->kind == VALUE_ERROR) {
        *ret = *b;
        return false;
    }
    return true;
}

static void eval_equality(struct filter_eval *eval, const struct filter_node *node,
                          struct value *ret)
{
    struct value a;
    struct value b;
    if (!eval_operands(eval, node, &a, &b, ret))
        return;
    value_equal(eval, &a, &b, ret);
    if (ret->kind == VALUE_BOOL && node->op == COMPARE_NE)
        ret->boolean = !ret->boolean;
    place_error(node, ret);
}

static void eval_order(struct filter_eval *eval, const struct filter_node *node, struct value *ret)
{
    struct value a;
    struct value b;
    int order;
    if (!eval_operands(eval, node, &a, &b, ret))
        return;
    if (value_order(&a, &b, &order))
        set_bool(ret, order_holds((enum compare_op)node->op, order));
    else
        fail_at(node, ERROR_NO_OVERLOAD, ret);
}

/* The common case of all: a stored int against a number in the filter. */
static void eval_compare_int(struct filter_eval *eval, const struct filter_node *node,
                             struct value *ret)
{
    const struct filter_node *field = node->args[0];
    const struct entry_value *v = eval->entry ? entry_find(eval->entry, field->field) : NULL;
    int64_t a = v ? v->integer : ((const struct field_def *)field->plan)->absent;
    int64_t b = node->args[1]->value.integer;
    set_bool(ret, order_holds((enum compare_op)node->op, (a > b) - (a < b)));
}

static void eval_in(struct filter_eval *eval, const struct filter_node *node, struct value *ret)
{
    struct value item;
    struct value set;
    if (!eval_operands(eval, node, &item, &set, ret))
        return;
    if (set.kind == VALUE_MAP) {
        struct value found;
        int result = value_map_find(eval, set.map, &item, &found);
        if (result >= 0)
            set_bool(ret, result);
        else
            *ret = found;
    } else if (set.kind == VALUE_LIST) {
        set_bool(ret, false);
        for (uint32_t i = 0; i < set.list->count && ret->kind == VALUE_BOOL && !ret->boolean; i++) {
            struct value v;
            value_list_at(set.list, i, &v);
            value_equal(eval, &item, &v, ret);
        }
    } else {
        set_error(ret, ERROR_NO_OVERLOAD);
    }
    place_error(node, ret);
}

/* ── members ── */

/* 1, 0, or −1 with the error in *ret. */
static int find_member(struct filter_eval *eval, const struct value *set, const struct value *key,
                       struct value *ret)
{
    if (set->kind == VALUE_MAP)
        return value_map_find(eval, set->map, key, ret);
    if (set->kind != VALUE_LIST) {
        set_error(ret, ERROR_NO_OVERLOAD);
        return -1;
    }
    int64_t i;
    if (!value_as_index(key, &i)) {
        if (key->kind == VALUE_DOUBLE)
            set_error(ret, ERROR_INDEX);
        else
            set_error(ret, ERROR_NO_OVERLOAD);
        return -1;
    }
    if (i < 0 || i >= (int64_t)set->list->count)
        return 0;
    value_list_at(set->list, (uint32_t)i, ret);
    return 1;
}

static void fail_member(struct filter_eval *eval, const struct filter_node *node,
                        const struct value *set, const struct value *key, struct value *ret)
{
    if (set->kind == VALUE_LIST)
        set_error_printf(eval, ret, ERROR_INDEX, "%lld", (long long)key->integer);
    else if (key->kind == VALUE_STRING)
        set_error_about(ret, ERROR_NO_KEY, key->text);
    else
        set_error(ret, ERROR_NO_KEY);
    ret->offset = node->offset;
}

/* a.b and a[b], through optionals, with and without `?`. */
static void take_member(struct filter_eval *eval, const struct filter_node *node,
                        const struct value *set, const struct value *key, struct value *ret)
{
    bool optional = node->is_optional || set->kind == VALUE_OPTIONAL;
    struct value found;
    if (set->kind == VALUE_OPTIONAL) {
        if (!set->optional) {
            eval_set_optional(eval, NULL, ret);
            return;
        }
        set = set->optional;
    }
    int result = find_member(eval, set, key, &found);
    if (result < 0)
        *ret = found;
    else if (optional)
        eval_set_optional(eval, result ? &found : NULL, ret);
    else if (result)
        *ret = found;
    else
        fail_member(eval, node, set, key, ret);
    if (result < 0)
        place_error(node, ret);
}

static void eval_select(struct filter_eval *eval, const struct filter_node *node, struct value *ret)
{
    struct value set;
    node_eval(eval, node->args[0], &set);
    if (set.kind == VALUE_ERROR) {
        *ret = set;
        return;
    }
    const struct value *inner = set.kind == VALUE_OPTIONAL ? set.optional : &set;
    if (inner && inner->kind != VALUE_MAP) {
        fail_about(node, ERROR_NO_OVERLOAD, node->name, ret);
        return;
    }
    struct value key = {.kind = VALUE_STRING, .text = node->name};
    take_member(eval, node, &set, &key, ret);
}

static void eval_index(struct filter_eval *eval, const struct filter_node *node, struct value *ret)
{
    struct value set;
    struct value key;
    if (eval_operands(eval, node, &set, &key, ret))
        take_member(eval, node, &set, &key, ret);
}

static void eval_has(struct filter_eval *eval, const struct filter_node *node, struct value *ret)
{
    struct value set;
    node_eval(eval, node->args[0], &set);
    if (set.kind == VALUE_ERROR) {
        *ret = set;
        return;
    }
    const struct value *inner = set.kind == VALUE_OPTIONAL ? set.optional : &set;
    struct value key = {.kind = VALUE_STRING, .text = node->name};
    struct value found;
    if (!inner) {
        set_bool(ret, false);
    } else if (inner->kind != VALUE_MAP) {
        fail_about(node, ERROR_NO_OVERLOAD, node->name, ret);
    } else {
        int result = value_map_find(eval, inner->map, &key, &found);
        if (result >= 0)
            set_bool(ret, result);
        else
            *ret = found;
    }
}

static void eval_has_field(struct filter_eval *eval, const struct filter_node *node,
                           struct value *ret)
{
    const struct filter_node *arg = node->args[0];
    if (arg->kind == NODE_BINDING) {
        set_bool(ret, eval->bindings[arg->slot].is_bound);
        return;
    }
    struct entry_value v;
    set_bool(ret, arg->kind == NODE_FIELD && eval->entry &&
                      entry_get(eval->entry, arg->field, eval->id_text, &v));
    if (arg->kind == NODE_UNKNOWN)
        fail_about(arg, ERROR_NO_VARIABLE, arg->name, ret);
}

/* ── literals with parts ── */

/* 1: there is something to put in; 0: an optional without value; −1: *item is the error. */
static int eval_element(struct filter_eval *eval, const struct filter_node *node, bool optional,
                        struct value *item)
{
    node_eval(eval, node, item);
    if (item->kind == VALUE_ERROR)
        return -1;
    if (!optional)
        return 1;
    if (item->kind != VALUE_OPTIONAL) {
        fail_at(node, ERROR_NO_OVERLOAD, item);
        return -1;
    }
    if (!item->optional)
        return 0;
    *item = *item->optional;
    return 1;
}

static void eval_list(struct filter_eval *eval, const struct filter_node *node, struct value *ret)
{
    struct value *values = eval_new_values(eval, node->arg_count, ret);
    size_t count = 0;
    if (!values)
        return;
    for (uint32_t i = 0; i < node->arg_count; i++) {
        bool optional = node->optional_args && node->optional_args[i];
        int result = eval_element(eval, node->args[i], optional, &values[count]);
        if (result < 0) {
            *ret = values[count];
            return;
        }
        count += (size_t)result;
    }
    eval_set_list(eval, values, count, ret);
}

static void eval_map(struct filter_eval *eval, const struct filter_node *node, struct value *ret)
{
    struct value_pair *pairs = arena_calloc(eval->arena, node->arg_count / 2u + 1, sizeof *pairs);
    struct value_map map = {.storage = STORED_VALUES, .pairs = pairs};
    if (!pairs) {
        fail_at(node, ERROR_MEMORY, ret);
        return;
    }
    for (uint32_t i = 0; i + 1 < node->arg_count; i += 2) {
        struct value_pair *pair = &pairs[map.count];
        struct value old;
        node_eval(eval, node->args[i], &pair->key);
        int result =
            pair->key.kind == VALUE_ERROR ? -1 : value_map_find(eval, &map, &pair->key, &old);
        if (pair->key.kind == VALUE_ERROR) {
            *ret = pair->key;
            return;
        }
        if (result != 0 || pair->key.kind == VALUE_DOUBLE) {
            fail_at(node->args[i], result > 0 ? ERROR_DUPLICATE_KEY : ERROR_BAD_KEY, ret);
            return;
        }
        bool optional = node->optional_args && node->optional_args[i];
        result = eval_element(eval, node->args[i + 1], optional, &pair->value);
        if (result < 0) {
            *ret = pair->value;
            return;
        }
        map.count += (uint32_t)result;
    }
    eval_set_map(eval, pairs, map.count, ret);
}

/* ── calls ── */

enum {
    MAX_CALL_ARGS = 16
};

static const struct function_overload *pick_overload(const struct call_plan *plan,
                                                     const struct value *args, unsigned count)
{
    for (size_t i = 0; plan && i < plan->count; i++)
        if (function_accepts(plan->overloads[i], args, count))
            return plan->overloads[i];
    return NULL;
}

static void eval_call(struct filter_eval *eval, const struct filter_node *node, struct value *ret)
{
    struct value args[MAX_CALL_ARGS];
    const struct call_plan *plan = node->plan;
    if (!plan || plan->count == 0 || node->arg_count > MAX_CALL_ARGS) {
        fail_about(node, plan ? ERROR_NO_OVERLOAD : ERROR_NO_FUNCTION, node->name, ret);
        return;
    }
    for (uint32_t i = 0; i < node->arg_count; i++) {
        node_eval(eval, node->args[i], &args[i]);
        if (args[i].kind == VALUE_ERROR) {
            *ret = args[i];
            return;
        }
    }
    const struct function_overload *overload = pick_overload(plan, args, node->arg_count);
    if (!overload) {
        fail_about(node, ERROR_NO_OVERLOAD, node->name, ret);
        return;
    }
    *ret = (struct value){0};
    if (overload->weight == 0 || eval_charge(eval, overload->weight, ret))
        overload->call(eval, node, args, ret);
    place_error(node, ret);
}

/* ── choice ── */

static filter_eval_fn choose_compare(const struct filter_node *node)
{
    const struct filter_node *a = node->args[0];
    const struct filter_node *b = node->args[1];
    if (a->kind == NODE_FIELD && a->eval == eval_stored_field && b->kind == NODE_LITERAL &&
        field_at(a->field)->type == FIELD_INT && b->value.kind == VALUE_INT)
        return eval_compare_int;
    return node->op == COMPARE_EQ || node->op == COMPARE_NE ? eval_equality : eval_order;
}

filter_eval_fn eval_function(struct filter_node *node)
{
    switch ((enum node_kind)node->kind) {
    case NODE_LITERAL:
        return eval_literal;
    case NODE_FIELD:
        return eval_choose_field(node);
    case NODE_LOCAL:
        return eval_local;
    case NODE_BINDING:
        return eval_binding;
    case NODE_UNKNOWN:
        return eval_unknown;
    case NODE_AND:
        return eval_and;
    case NODE_OR:
        return eval_or;
    case NODE_NOT:
        return eval_not;
    case NODE_TERNARY:
        return eval_ternary;
    case NODE_COMPARE:
        return choose_compare(node);
    case NODE_IN:
        return eval_in;
    case NODE_SELECT:
        return eval_select;
    case NODE_HAS:
        return node->name.len ? eval_has : eval_has_field;
    case NODE_INDEX:
        return eval_index;
    case NODE_CALL:
        return eval_call;
    case NODE_LIST:
        return eval_list;
    case NODE_MAP:
        return eval_map;
    case NODE_MACRO:
        return eval_macro;
    }
    return eval_unknown;
}
