/* A compiled filter from the inside, and compilation in any environment (public: filter.h).
 * Thread: as in filter.h. */
#ifndef TRAWL_FILTER_PROGRAM_H
#define TRAWL_FILTER_PROGRAM_H

#include "filter/eval.h"
#include "filter/regex.h"

struct filter {
    struct arena arena;
    struct slice text;
    struct filter_node *root;
    uint64_t budget_steps;
    int64_t now_ns;
    uint32_t slot_count;
    struct filter_pattern *patterns;
    field_id *fields;
    size_t field_count;
    unsigned payload;
    struct filter_clause *clauses;
    size_t clause_count;
    struct filter_warning *warnings;
    size_t warning_count;
};

/* filter_compile in an environment. env MUST outlive the filter's evaluations. */
int program_compile(struct slice text, const struct filter_options *options,
                    const struct filter_env *env, struct filter **ret,
                    struct filter_diagnostic *reterr);
/* Evaluates; *ret borrows from filter, entry, bindings and scratch. `entry` may be NULL. True when
 * something was looked at that is known in part only. */
bool program_run(const struct filter *filter, const struct entry *entry,
                 const struct filter_binding *bindings, struct filter_scratch *scratch,
                 struct value *ret);

/* describe.c: fields, clauses and warnings of a compiled filter; 0 or -ENOMEM. */
int program_describe(struct filter *filter);

void pattern_list_free(struct filter_pattern *list);

#endif
