/* What the columns of an entry store can answer of a filter: a condition in SQL over them, so that
 * only the rest has to be judged entry by entry.
 *
 * Push-down is an optimisation, the evaluator is the truth. Of every clause (filter_clauses) the
 * condition has what the columns know, wherever the clause stands: all of it, or something wider
 * (of
 * `(http && body.contains("x")) || dns` that it is http or dns), or nothing. It is false only where
 * the evaluator finds one clause false for certain; no error and no doubt of the others changes
 * that (eval_logic). Absent columns are coalesced to the zero of their type. Texts that read
 * "<unknown>" make the evaluator doubt: entries with one in a column that the condition looks at
 * have to be judged by it.
 *
 * Values of the filter become parameters $1 …, never text of the SQL. Columns are called as the
 * fields, of a table or view r; both texts are NUL-terminated. Memory: the push-down borrows from
 * the filter. Thread: owner. */
#ifndef TRAWL_FILTER_PUSH_DOWN_H
#define TRAWL_FILTER_PUSH_DOWN_H

#include "base/buf.h"
#include "filter/filter.h"

enum {
    FILTER_MAX_PARAMETERS = 128
};

struct filter_parameter {
    bool is_text;
    int64_t integer;
    struct slice text; /* UTF-8 */
};

enum filter_answer {
    FILTER_BY_ENTRIES, /* the columns know nothing of it */
    FILTER_NARROWED,   /* the columns leave fewer entries, the evaluator decides */
    FILTER_BY_COLUMNS  /* exactly that in SQL */
};

/* What became of a clause: its place in the condition. */
struct filter_clause_answer {
    enum filter_answer answer;
    size_t sql_begin, sql_len;
};

struct filter_push_down {
    struct buf condition; /* empty: the columns answer nothing */
    struct buf unknown;   /* "a column of the condition is <unknown>"; empty: it has no text */
    struct filter_parameter parameters[FILTER_MAX_PARAMETERS];
    size_t parameter_count;
    bool is_whole; /* the condition is the filter: nothing is left to the evaluator */
    struct filter_clause_answer *clauses; /* of filter_clauses, in their order; NULL: none */
    size_t clause_count;
};

/* Never fails: what does not fit is left to the evaluator. */
void filter_push_down(const struct filter *filter, struct filter_push_down *ret);
void filter_push_down_done(struct filter_push_down *push_down);

#endif
