/* The inside of the compiler: text → tree (parser.c) → names and types (check.c) → plan (plan.c).
 * Thread: owner. */
#ifndef TRAWL_FILTER_COMPILE_H
#define TRAWL_FILTER_COMPILE_H

#include "base/arena.h"
#include "filter/filter.h"

enum {
    FILTER_ARENA_CAP_BYTES = 8 * 1024 * 1024,
    FILTER_MAX_BINDINGS = 1024
};

/* A variable given from outside (filter_eval_expression, tests). */
struct filter_binding {
    struct slice name; /* may hold dots */
    struct value value;
    bool is_bound;                  /* else it is only declared */
    const struct filter_type *type; /* NULL: dyn */
};

struct filter_env {
    const struct filter_binding *bindings;
    size_t binding_count;
    struct slice container; /* names are looked for in it first: "com.example" */
    bool is_expression;     /* any type of result; `and`, `or`, `not` are still operators */
    bool is_unchecked;      /* type errors are left to the evaluation */
};

struct filter_scope {
    struct filter_scope *up;
    struct slice name;
    uint16_t slot;
    const struct filter_type *type;
};

struct filter_compiler {
    struct arena *arena;
    struct slice text;
    struct filter_diagnostic *diagnostic; /* never NULL; the first error stays */
    const struct filter_env *env;
    int error; /* 0, -EINVAL, -ENOMEM */
    int64_t now_ns;

    /* check.c */
    struct filter_scope *scope;
    uint32_t slot_count;
    const struct filter_type **variables; /* what each type variable stands for, NULL: not known */
    uint32_t variable_count, variable_room;
    uint32_t *trail; /* bound variables in order, to undo */
    uint32_t trail_count;
    /* plan.c: compiled patterns, freed with the filter */
    struct filter_pattern *patterns;
    /* parser.c */
    uint32_t node_count;
};

/* Reports the first error; returns -EINVAL (or what was there before). */
int compile_fail(struct filter_compiler *c, size_t begin, size_t end, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
int compile_fail_node(struct filter_compiler *c, const struct filter_node *node, const char *format,
                      ...) __attribute__((format(printf, 3, 4)));
int compile_no_memory(struct filter_compiler *c);
void compile_suggest(struct filter_compiler *c, const char *name);

/* The whole text; *ret_root is NULL when there is nothing in it. */
int compile_parse(struct filter_compiler *c, struct filter_node **ret_root);
/* Resolves names, checks types (in place). With env->is_unchecked only names are resolved and
 * nothing fails that an evaluation could still answer. */
int compile_check(struct filter_compiler *c, struct filter_node *root);
/* Chooses the evaluating function of every node, compiles constant patterns and zones. */
int compile_plan(struct filter_compiler *c, struct filter_node *root);

#endif
