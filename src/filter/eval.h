/* Evaluation of a planned tree. Errors are values; memory is the scratch's arena; every loop and
 * everything that looks at many bytes is charged to a budget of steps. Thread: owner. */
#ifndef TRAWL_FILTER_EVAL_H
#define TRAWL_FILTER_EVAL_H

#include "base/arena.h"
#include "filter/ast.h"
#include "filter/compile.h"

struct filter_pattern;

struct filter_scratch {
    struct arena arena;
    struct value *slots;
    uint32_t slot_room;
    struct filter_pattern *last_pattern; /* of a matches() whose pattern is computed */
    struct value error;                  /* of the last FILTER_ERROR */
};

struct filter_eval {
    const struct entry *entry; /* NULL: every field is absent */
    struct arena *arena;
    struct value *slots;
    const struct filter_binding *bindings;
    uint64_t steps_left;
    int64_t now_ns;
    bool is_doubtful; /* something was looked at that is known in part only */
    struct filter_scratch *scratch;
    char id_text[ENTRY_ID_TEXT_SIZE];
};

static inline void node_eval(struct filter_eval *eval, const struct filter_node *node,
                             struct value *ret)
{
    node->eval(eval, node, ret);
}

/* False when the budget is used up: then *ret is the error. */
static inline bool eval_charge(struct filter_eval *eval, uint64_t steps, struct value *ret)
{
    if (eval->steps_left < steps) {
        eval->steps_left = 0;
        *ret = (struct value){.kind = VALUE_ERROR, .error = ERROR_BUDGET};
        return false;
    }
    eval->steps_left -= steps;
    return true;
}

static inline bool eval_charge_bytes(struct filter_eval *eval, uint64_t bytes, struct value *ret)
{
    return eval_charge(eval, bytes / 32 + 1, ret);
}

static inline void set_bool(struct value *ret, bool v)
{
    ret->kind = VALUE_BOOL;
    ret->boolean = v;
}

static inline void set_int(struct value *ret, int64_t v)
{
    ret->kind = VALUE_INT;
    ret->integer = v;
}

static inline void set_text(struct value *ret, struct slice text)
{
    ret->kind = VALUE_STRING;
    ret->text = text;
}

static inline void set_error(struct value *ret, enum value_error error)
{
    *ret = (struct value){.kind = VALUE_ERROR, .error = (uint8_t)error};
}

/* `about` is borrowed: static, the filter's, the entry's or the arena's. */
static inline void set_error_about(struct value *ret, enum value_error error, struct slice about)
{
    *ret = (struct value){.kind = VALUE_ERROR, .error = (uint8_t)error, .text = about};
}

/* The same with a printed text in the arena. */
void set_error_printf(struct filter_eval *eval, struct value *ret, enum value_error error,
                      const char *format, ...) __attribute__((format(printf, 4, 5)));

/* ── value.c ── */
const char *value_kind_name(const struct value *v);   /* "google.protobuf.Timestamp" */
const char *value_output_name(const struct value *v); /* "timestamp" */
void value_list_at(const struct value_list *list, uint32_t i, struct value *ret);
void value_map_at(const struct value_map *map, uint32_t i, struct value *ret_key,
                  struct value *ret_value);
bool value_is_number(const struct value *v);
/* Equality over all types; false for different ones, numbers by their value. Charges its steps: it
 * gives a VALUE_ERROR when they run out. */
void value_equal(struct filter_eval *eval, const struct value *a, const struct value *b,
                 struct value *ret);
/* Order of two values of types that have one; false when they have none. NaN gives *ret_order = 2.
 */
bool value_order(const struct value *a, const struct value *b, int *ret_order);
/* 1 found, 0 not, −1: *ret is an error (budget, or a key that no map can have). */
int value_map_find(struct filter_eval *eval, const struct value_map *map, const struct value *key,
                   struct value *ret);
bool value_is_zero(const struct value *v);
/* A sentence for an error value. */
void value_error_text(const struct value *error, char *out, size_t out_size);
/* An int that a number stands for exactly (index 1.0); false when it does not. */
bool value_as_index(const struct value *v, int64_t *ret);

/* A list of `count` places in the arena; NULL (and *ret is the error) when there is no room. */
struct value *eval_new_values(struct filter_eval *eval, size_t count, struct value *ret);
void eval_set_list(struct filter_eval *eval, const struct value *values, size_t count,
                   struct value *ret);
void eval_set_map(struct filter_eval *eval, const struct value_pair *pairs, size_t count,
                  struct value *ret);
void eval_set_optional(struct filter_eval *eval, const struct value *v, struct value *ret);

/* ── chosen by the planner: eval.c, eval_macro.c ── */
filter_eval_fn eval_function(struct filter_node *node);
/* eval_field.c */
filter_eval_fn eval_choose_field(struct filter_node *node);
void eval_stored_field(struct filter_eval *eval, const struct filter_node *node, struct value *ret);
void eval_literal(struct filter_eval *eval, const struct filter_node *node, struct value *ret);
void eval_macro(struct filter_eval *eval, const struct filter_node *node, struct value *ret);

/* Candidates of a call: overloads that the static types leave. */
struct call_plan {
    const struct function_overload *const *overloads;
    size_t count;
    struct filter_pattern *pattern; /* matches() with a constant pattern */
    const struct time_zone *zone;   /* a getter with a constant zone */
};

#endif
