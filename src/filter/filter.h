/* Display filters: CEL (the Common Expression Language; its published language definition is the
 * authority) over the variables of the field table (dissect/field.h). A filter is compiled once and
 * then judges any number of entries. docs/filter.md is the user's page.
 *
 * Memory: a compiled filter owns everything it points to (one arena, freed by filter_free). A
 * scratch owns what one evaluation needs; it is emptied by the next one, without giving memory
 * back, so judging an entry allocates nothing in the common case.
 * Thread: a compiled filter is constant: any thread, at the same time. A scratch: owner. */
#ifndef TRAWL_FILTER_FILTER_H
#define TRAWL_FILTER_FILTER_H

#include "base/error.h"
#include "dissect/entry.h"
#include "filter/ast.h"

enum {
    FILTER_MAX_TEXT = 16 * 1024,
    FILTER_MAX_NODES = 1000,
    FILTER_MAX_DEPTH = 64, /* levels of brackets and calls; a chain (a + b + c) is one */
    FILTER_DEFAULT_BUDGET =
        1000 * 1000, /* steps of one evaluation: a node, or 32 bytes looked at */
    FILTER_SCRATCH_CAP_BYTES = 16 * 1024 * 1024
};

struct filter;
struct filter_scratch;

/* What is wrong, where, and what may have been meant. Plain text, no newline. */
struct filter_diagnostic {
    size_t offset;        /* byte in the filter's text */
    size_t length;        /* bytes of the token; 0 at the end of the text */
    char token[64];       /* the token, escaped and cut; "" at the end of the text */
    char text[256];       /* one sentence, no suggestion in it */
    char suggestion[128]; /* "status_code": a name to put in the token's place; "" when none is
                             close */
};

/* Zeroed means defaults; NULL may be given for it. */
struct filter_options {
    int64_t now_ns;        /* what now() is; 0: the clock at compile time */
    uint64_t budget_steps; /* 0: FILTER_DEFAULT_BUDGET */
};

/* Compiles a filter; text of spaces (or comments) only matches every entry. The text is copied.
 * 0; -EINVAL with *reterr filled (NULL is allowed) when the text is not a filter or goes beyond a
 * limit; -ENOMEM (reterr filled too). */
int filter_compile(struct slice text, const struct filter_options *options, struct filter **ret,
                   struct filter_diagnostic *reterr);
void filter_free(struct filter *filter);

/* "…text… at byte N (\"token\"); did you mean status_code?" as one sentence with code -EINVAL. */
void filter_diagnostic_error(const struct filter_diagnostic *diagnostic, struct error *reterr);

/* NULL when there is no memory. */
struct filter_scratch *filter_scratch_new(void);
void filter_scratch_free(struct filter_scratch *scratch);

enum filter_result {
    FILTER_NO,
    FILTER_YES,
    FILTER_ERROR, /* not matched: the evaluation failed (filter_scratch_error says how). Counted
                     "could not be judged" */
    FILTER_DOUBT  /* not matched, but it looked at something that is known in part only (a body cut
                     at its cap, an "<unknown>" text). Counted "could not be judged" */
};

/* Judges one entry. All that the entry points to is borrowed for the call. */
enum filter_result filter_match(const struct filter *filter, const struct entry *entry,
                                struct filter_scratch *scratch);
/* Of the last filter_match that gave FILTER_ERROR with this scratch. Valid until the next one. */
void filter_scratch_error(const struct filter *filter, const struct filter_scratch *scratch,
                          struct filter_diagnostic *ret_diagnostic);

/* ── what a compiled filter says about itself; all borrowed from the filter ── */
struct slice filter_text(const struct filter *filter);
/* The tree (filter/ast.h); NULL when the filter matches everything. */
const struct filter_node *filter_root(const struct filter *filter);
/* Fields that are looked at, each once, ascending. */
const field_id *filter_fields(const struct filter *filter, size_t *ret_count);
/* Which payload frames are needed: FIELD_HEADERS | FIELD_REQUEST_BODY | FIELD_RESPONSE_BODY. */
unsigned filter_payload(const struct filter *filter);

/* The top-level `&&` clauses in the order of the text (one when there is no `&&`). */
struct filter_clause {
    size_t offset;
    struct slice text; /* borrowed from filter_text; brackets around the clause are left out */
    const struct filter_node *node;
};
const struct filter_clause *filter_clauses(const struct filter *filter, size_t *ret_count);

/* A clause that means more than it seems to: comparing a variable with its zero also matches
 * entries of other protocols. Never fails the compilation. */
struct filter_warning {
    size_t offset, length; /* the clause in the text */
    const char *text;      /* one sentence */
    const char *guarded;   /* the clause with its guard: "(grpc && grpc_status == 0)" */
};
const struct filter_warning *filter_warnings(const struct filter *filter, size_t *ret_count);

/* ── expressions on their own: `trawl filter eval` and tests ── */

/* Evaluates any CEL expression (not only boolean ones). `bindings_json`: a JSON object with the
 * variables, or an empty slice; integers become int (uint beyond int's range), other numbers
 * double. Variables of the field table that are not bound have the zero of their type. Writes
 * {"type":"int","value":1} or {"error":"…","offset":N} (cli-and-api: types are CEL's names). 0;
 * -EINVAL when an error was written; -ENOMEM. */
int filter_eval_expression(struct slice text, struct slice bindings_json, struct json_writer *out);

#endif
