/* A text that grows in the arena of an evaluation. Failure is sticky: what is missing (memory,
 * budget) is told by out_finish. Thread: owner. */
#ifndef TRAWL_FILTER_TEXT_OUT_H
#define TRAWL_FILTER_TEXT_OUT_H

#include "filter/eval.h"

struct text_out {
    struct filter_eval *eval;
    uint8_t *data;
    size_t len, room;
    struct value error; /* VALUE_ERROR once something failed */
    bool failed;
};

static inline struct text_out out_begin(struct filter_eval *eval)
{
    return (struct text_out){.eval = eval};
}

void out_put(struct text_out *out, struct slice text);
void out_str(struct text_out *out, const char *text);
void out_code_point(struct text_out *out, uint32_t cp);
void out_fail(struct text_out *out, const struct value *error);
/* Stores the text (or the error) through ret. */
void out_finish(struct text_out *out, struct value *ret);

/* What string() and %s make of a number. */
enum {
    NUMBER_TEXT_SIZE = 400
};
/* Shortest text that reads back: "1e+21", "0.1", "NaN", "Infinity". */
void number_format_double(double v, char out[NUMBER_TEXT_SIZE]);

/* fn_text.c; bytes that are not UTF-8 count as one each. */
size_t out_count_code_points(struct slice text);

/* "10.0.0.1", "2001:db8::/32". */
void address_format(const struct value *v, char out[NUMBER_TEXT_SIZE]);

#endif
