/* Rows of an answer: chosen by SQL, gathered, then read from the payload.
 * Thread: owner. Every int is 0 or negative with the question's problem filled. */
#ifndef TRAWL_ENTRIES_QUESTION_ROWS_H
#define TRAWL_ENTRIES_QUESTION_ROWS_H

#include "entries/question.h"

struct row_list {
    int64_t (*items)[2]; /* row, key of the order; the caller's (free) */
    size_t count, cap;
};

struct row_order {
    const char *name;
    const char *key; /* SQL, never NULL */
};
extern const struct row_order row_orders[]; /* the first is by time */

struct page_request {
    const struct row_order *order;
    bool descending;
    int64_t limit; /* -1 = all */
    bool has_cursor;
    int64_t cursor_key, cursor_row;
};

/* order and cursor of the question; limit is the caller's business. */
int question_parse_page(struct question *q, struct page_request *page);
int question_select_rows(struct question *q, const struct page_request *page,
                         struct row_list *ret_rows);
/* A statement with one text parameter, whose first column is a row. */
int question_select_by_text(struct question *q, const char *sql, const char *text,
                            struct row_list *ret_rows);
/* An on_row of question_select for two columns (struct row_list *); -ENOMEM without a problem
 * filled. */
int row_list_add(void *ctx, const int64_t *values);
/* Rows in the time range: those of the filter, or all. */
int question_count_rows(struct question *q, bool of_filter, int64_t *ret_count);
/* The entry of a row; lives in the session's arena until the next one. */
int question_load_row(struct question *q, uint64_t row, unsigned payload, struct entry *ret_entry,
                      const struct entry_files **ret_files);

/* An entry as JSON, of several sources with its own. */
void question_write_entry(const struct question *q, uint64_t row, const struct entry *entry,
                          const struct entry_files *files, struct json_writer *w);

int question_refuse_text(struct question *q, int status, const char *title, const char *detail);
int question_no_memory(struct question *q);

#endif
