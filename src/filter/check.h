/* Between the files of the checker. Thread: owner. */
#ifndef TRAWL_FILTER_CHECK_H
#define TRAWL_FILTER_CHECK_H

#include "filter/functions.h"
#include "filter/type_ops.h"

/* The node's type; it is stored in the node too. TYPE_ERROR when c->error is set. */
const struct filter_type *check_node(struct filter_compiler *c, struct filter_node *node);
/* A type error: fails the compilation unless it is left to the evaluation. */
const struct filter_type *check_mismatch(struct filter_compiler *c, const struct filter_node *node,
                                         const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* bool, or something that may turn out to be it. `what`: "the operand of &&". */
void check_bool(struct filter_compiler *c, struct filter_node *node, const char *what);

/* check_names.c */
const struct filter_type *check_name(struct filter_compiler *c, struct filter_node *node);
const struct filter_type *check_select(struct filter_compiler *c, struct filter_node *node);
const struct filter_type *check_has(struct filter_compiler *c, struct filter_node *node);
/* "a.b" of a chain of plain members that begins with no macro variable; empty when it is none. */
struct slice check_dotted(struct filter_compiler *c, const struct filter_node *node);

/* check_call.c */
const struct filter_type *check_call(struct filter_compiler *c, struct filter_node *node);
const struct filter_type *check_macro(struct filter_compiler *c, struct filter_node *node);

#endif
