/* One question of the query protocol (query.h) while it is answered.
 * Thread: owner. */
#ifndef TRAWL_ENTRIES_QUESTION_H
#define TRAWL_ENTRIES_QUESTION_H

#include <jansson.h>

#include "base/json_writer.h"
#include "entries/reader.h"
#include "filter/push_down.h"

enum {
    QUERY_MAX_PAGE = 1000,
    QUERY_CACHED_FILTERS = 4,
    QUERY_MAX_SQL = 16384,
    QUERY_MAX_SOURCES = 16
};

/* The rows a filter matched, kept as a temporary DuckDB table `m<number>`(row BIGINT), so that
 * pages, orders and aggregates of one filter judge every entry once. */
struct match_table {
    char *filter_text; /* NULL = free */
    int64_t from_ns, to_ns;
    unsigned number;
    uint64_t count, unjudged;
    uint64_t last_use;
};

struct query_session {
    struct entries_reader *reader;
    const char *source;                     /* all of them */
    const char *sources[QUERY_MAX_SOURCES]; /* of each folder, where there are several; else NULL */
    struct match_table tables[QUERY_CACHED_FILTERS];
    unsigned next_number;
    uint64_t uses;
    struct arena arena; /* of the row that is being written */
    int (*send)(void *ctx, struct slice line);
    void *send_ctx;
    bool follows;   /* the folders grow: each question is answered from what they hold by then */
    bool judge_all; /* no push-down: the evaluator answers alone (tests compare with it) */
};

struct question {
    struct query_session *session;
    json_int_t number;
    const json_t *json;
    int64_t from_ns, to_ns;
    /* What the filter leaves: the rows of a table, or those the columns' condition holds for (its
     * whole); neither: every row. */
    const struct match_table *matches;
    const struct filter_push_down *condition;
    struct filter *filter; /* the condition borrows from it */
    struct filter_push_down push_down;
    struct buf warnings; /* JSON strings, comma-separated */
    struct problem {
        int status;
        char title[80];
        struct error error;
        char token[64], suggestion[128];
    } problem;
};

int query_session_open(struct query_session *session, const char *const *dirs,
                       struct error *reterr);
void query_session_done(struct query_session *session);
/* Answers one line; sends its lines through session->send. A negative errno only when sending
 * failed. */
int query_session_answer(struct query_session *session, struct slice line);

/* DuckDB's own words become the cause, for the log; who asked is told one sentence. */
int question_store_failed(struct question *q, const char *raw);
int question_too_much(struct question *q); /* 503: more memory than a question may have */
/* Fills the problem; returns -EINVAL. */
int question_refuse(struct question *q, int status, const char *title, const struct error *error);
/* question_filter.c: compiles the filter and sets q->matches or q->condition. */
int question_apply_filter(struct question *q);
/* The same in steps, for those who only want to know. Without a filter q->filter stays NULL. */
int question_compile_filter(struct question *q);
/* True when the columns answer the whole filter. */
bool question_is_answered_by_columns(struct question *q);
/* The rows that the evaluator has to judge, ascending; the caller's (free). False: all of them. */
struct candidate_rows {
    uint64_t *list;
    uint64_t count, cap;
};
bool question_find_candidates(struct question *q, struct candidate_rows *ret);
void question_filter_done(struct question *q);
/* "rows r" or "rows r JOIN m3 USING (row)" with the time range and the condition as WHERE clause.
 * question_select binds the condition's parameters. */
void question_put_from(const struct question *q, struct buf *sql);
/* Runs a statement whose result is read row by row: int64 columns only, NULL → INT64_MIN. on_row
 * non-zero stops. */
int question_select(struct question *q, const char *sql, size_t columns,
                    int (*on_row)(void *ctx, const int64_t *values), void *ctx);
/* The same with `keys` VARCHAR columns before `numbers` of int64: NULL text has no data. */
int question_select_keyed(struct question *q, const char *sql, size_t keys, size_t numbers,
                          int (*on_row)(void *ctx, const struct slice *texts,
                                        const int64_t *values),
                          void *ctx);
/* The member "warnings" of a result. */
void question_write_warnings(const struct question *q, struct json_writer *w);
/* {"q":N,"item":…}: the item is written between begin and end. */
void question_begin_item(const struct question *q, struct buf *line, struct json_writer *w);
int question_end_item(const struct question *q, struct buf *line, struct json_writer *w);

/* The operations; each writes the value of "result". */
struct query_op {
    const char *name;
    int (*run)(struct question *q, struct json_writer *w);
};
extern const struct query_op query_ops[]; /* ends with name == NULL */

#endif
