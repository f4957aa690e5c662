/* Variables of the field table: what an entry has, or the zero of the type. */
#include "base/clock.h"
#include "filter/eval.h"

static const struct value_list empty_list = {0};
static const struct value_map empty_map = {.storage = STORED_TEXT};

static void set_zero(const struct field_def *def, struct value *ret)
{
    *ret = (struct value){0};
    switch (def->type) {
    case FIELD_BOOL:
        ret->kind = VALUE_BOOL;
        break;
    case FIELD_INT:
        set_int(ret, def->absent);
        break;
    case FIELD_TEXT:
        set_text(ret, SLICE_LITERAL(""));
        break;
    case FIELD_LIST:
    case FIELD_INT_LIST:
        ret->kind = VALUE_LIST;
        ret->list = &empty_list;
        break;
    case FIELD_MAP:
        ret->kind = VALUE_MAP;
        ret->map = &empty_map;
        break;
    case FIELD_TIME:
        ret->kind = VALUE_TIMESTAMP;
        break;
    case FIELD_DURATION:
        ret->kind = VALUE_DURATION;
        break;
    }
}

static void set_timestamp_ns(struct value *ret, int64_t ns)
{
    int64_t seconds = ns / NS_PER_S;
    int64_t rest = ns % NS_PER_S;
    if (rest < 0) {
        rest += NS_PER_S;
        seconds--;
    }
    *ret = (struct value){.kind = VALUE_TIMESTAMP, .offset = (uint32_t)rest, .integer = seconds};
}

static void set_collection(struct filter_eval *eval, const struct entry_value *v, struct value *ret)
{
    if (v->type == FIELD_MAP) {
        struct value_map *map = arena_alloc(eval->arena, sizeof *map);
        if (map)
            *map = (struct value_map){v->count, STORED_TEXT, {.texts = v->pairs}};
        ret->kind = VALUE_MAP;
        ret->map = map;
    } else {
        struct value_list *list = arena_alloc(eval->arena, sizeof *list);
        if (list && v->type == FIELD_LIST)
            *list = (struct value_list){v->count, STORED_TEXT, {.texts = v->items}};
        else if (list)
            *list = (struct value_list){v->count, STORED_INTS, {.ints = v->integers}};
        ret->kind = VALUE_LIST;
        ret->list = list;
    }
    if (!ret->list)
        set_error(ret, ERROR_MEMORY);
}

static void set_entry_value(struct filter_eval *eval, const struct entry_value *v,
                            struct value *ret)
{
    switch ((enum field_type)v->type) {
    case FIELD_BOOL:
        set_bool(ret, v->boolean);
        break;
    case FIELD_INT:
        set_int(ret, v->integer);
        break;
    case FIELD_TEXT:
        set_text(ret, v->text);
        if (v->text.len == 9 && memcmp(v->text.data, "<unknown>", 9) == 0)
            eval->is_doubtful = true;
        break;
    case FIELD_TIME:
        set_timestamp_ns(ret, v->integer);
        break;
    case FIELD_DURATION:
        ret->kind = VALUE_DURATION;
        ret->integer = v->integer;
        break;
    case FIELD_LIST:
    case FIELD_MAP:
    case FIELD_INT_LIST:
        set_collection(eval, v, ret);
        break;
    }
}

static void eval_field(struct filter_eval *eval, const struct filter_node *node, struct value *ret)
{
    struct entry_value v;
    if (eval->entry && entry_get(eval->entry, node->field, eval->id_text, &v))
        set_entry_value(eval, &v, ret);
    else
        set_zero(field_at(node->field), ret);
}

/* Without what entry_get computes: for fields that are stored as they are. */
void eval_stored_field(struct filter_eval *eval, const struct filter_node *node, struct value *ret)
{
    const struct entry_value *v = eval->entry ? entry_find(eval->entry, node->field) : NULL;
    if (v)
        set_entry_value(eval, v, ret);
    else
        set_zero(node->plan, ret);
}

static bool entry_flag(const struct entry *entry, field_id field)
{
    const struct entry_value *v = entry ? entry_find(entry, field) : NULL;
    return v && v->type == FIELD_BOOL && v->boolean;
}

/* A body of which only the beginning was kept: what is not found in it may still have been sent. */
static void eval_body(struct filter_eval *eval, const struct filter_node *node, struct value *ret)
{
    bool is_request = field_at(node->field)->flags & FIELD_REQUEST_BODY;
    if (entry_flag(eval->entry,
                   is_request ? FIELD_REQUEST_TRUNCATED_ID : FIELD_RESPONSE_TRUNCATED_ID))
        eval->is_doubtful = true;
    eval_stored_field(eval, node, ret);
}

filter_eval_fn eval_choose_field(struct filter_node *node)
{
    const struct field_def *def = field_at(node->field);
    bool is_entrys_own = node->field == FIELD_ID_ID || node->field == FIELD_INDEX_ID ||
                         node->field == FIELD_PROTOCOL_ID || node->field == FIELD_TIMESTAMP_ID;
    if (def->flags & (FIELD_REQUEST_BODY | FIELD_RESPONSE_BODY)) {
        node->plan = def;
        return eval_body;
    }
    if (is_entrys_own || (def->flags & FIELD_DERIVED))
        return eval_field;
    node->plan = def;
    return eval_stored_field;
}
