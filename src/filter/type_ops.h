/* Making, comparing and printing static types while a filter is compiled. Thread: owner. */
#ifndef TRAWL_FILTER_TYPE_OPS_H
#define TRAWL_FILTER_TYPE_OPS_H

#include "filter/compile.h"
#include "filter/types.h"

enum {
    TYPE_TEXT_SIZE = 80
};

/* A type without parameters. */
const struct filter_type *type_simple(enum type_kind kind);
const struct filter_type *type_of_field(enum field_type type);
const struct filter_type *type_make(struct filter_compiler *c, enum type_kind kind,
                                    const struct filter_type *first,
                                    const struct filter_type *second);
/* A fresh unknown. */
const struct filter_type *type_variable(struct filter_compiler *c);
/* What a variable stands for by now. */
const struct filter_type *type_resolve(const struct filter_compiler *c,
                                       const struct filter_type *type);
/* Whether `from` may be used where `to` is wanted; variables in both are bound on the way (also
 * when the answer is no: type_undo). */
bool type_assignable(struct filter_compiler *c, const struct filter_type *to,
                     const struct filter_type *from);
uint32_t type_mark(const struct filter_compiler *c);
void type_undo(struct filter_compiler *c, uint32_t mark);
/* One type for both: theirs when they agree, else dyn. */
const struct filter_type *type_join(struct filter_compiler *c, const struct filter_type *a,
                                    const struct filter_type *b);
/* Without variables: what is not known is dyn. */
const struct filter_type *type_substitute(struct filter_compiler *c,
                                          const struct filter_type *type);
bool type_is_number(const struct filter_type *type);
/* One type of a signature (functions.h); moves *at. */
const struct filter_type *type_parse(struct filter_compiler *c, const char **at,
                                     const struct filter_type *letters[2]);
/* "list(string)". Returns out. */
const char *type_text(const struct filter_compiler *c, const struct filter_type *type,
                      char out[TYPE_TEXT_SIZE]);

#endif
