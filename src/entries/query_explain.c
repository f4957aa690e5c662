/* How a filter is answered: what of it the columns know, what is left to the evaluator, and how
 * much of the store that makes it read. Judges nothing itself. */
#include <stdlib.h>

#include "base/clock.h"
#include "entries/query_ops.h"
#include "entries/question_rows.h"

static void write_clauses(const struct question *q, struct json_writer *w)
{
    static const char *const answers[] = {[FILTER_BY_ENTRIES] = "entries",
                                          [FILTER_NARROWED] = "narrowed",
                                          [FILTER_BY_COLUMNS] = "columns"};
    size_t count = 0;
    const struct filter_clause *clauses =
        q->filter && filter_root(q->filter) ? filter_clauses(q->filter, &count) : NULL;
    const struct filter_push_down *p = &q->push_down;
    json_key(w, "clauses");
    json_begin_array(w);
    for (size_t i = 0; i < count; i++) {
        struct filter_clause_answer answer = {.answer = FILTER_BY_ENTRIES};
        if (i < p->clause_count)
            answer = p->clauses[i];
        json_begin_object(w);
        json_member_uint(w, "offset", clauses[i].offset);
        json_member_string(w, "text", clauses[i].text);
        json_member_str(w, "answer", answers[answer.answer]);
        json_key(w, "sql");
        if (answer.answer == FILTER_BY_ENTRIES)
            json_none(w);
        else
            json_text(w, slice_of(p->condition.data + answer.sql_begin, answer.sql_len));
        json_end_object(w);
    }
    json_end_array(w);
    json_key(w, "parameters");
    json_begin_array(w);
    for (size_t i = 0; i < p->parameter_count; i++)
        if (p->parameters[i].is_text)
            json_text(w, p->parameters[i].text);
        else
            json_int(w, p->parameters[i].integer);
    json_end_array(w);
}

static void write_payload(const struct question *q, bool judged, struct json_writer *w)
{
    static const struct {
        unsigned flag;
        const char *name;
    } frames[] = {{FIELD_HEADERS, "headers"},
                  {FIELD_REQUEST_BODY, "request bodies"},
                  {FIELD_RESPONSE_BODY, "response bodies"}};
    unsigned payload = judged ? filter_payload(q->filter) : 0;
    json_key(w, "reads");
    json_begin_array(w);
    if (judged)
        json_str(w, "fields");
    for (size_t i = 0; i < sizeof frames / sizeof *frames; i++)
        if (payload & frames[i].flag)
            json_str(w, frames[i].name);
    json_end_array(w);
}

/* What the evaluator has to read; nothing when the columns answer all. */
static int plan(struct question *q, bool judged, struct entries_scan_plan *ret)
{
    struct entries_range range = {.from_ns = q->from_ns, .to_ns = q->to_ns};
    struct candidate_rows candidates = {0};
    static const uint64_t none;
    if (!judged || question_find_candidates(q, &candidates)) {
        range.only = candidates.count ? candidates.list : &none;
        range.only_count = candidates.count;
    }
    int r = entries_reader_plan(q->session->reader, &range, ret);
    free(candidates.list);
    return r < 0 ? question_no_memory(q) : 0;
}

int query_op_explain(struct question *q, struct json_writer *w)
{
    int64_t started_ns = clock_mono_ns(), all = 0;
    struct entries_scan_plan scan = {0};
    int r = question_compile_filter(q);
    bool judged =
        r == 0 && q->filter && filter_root(q->filter) && !question_is_answered_by_columns(q);
    if (r == 0)
        r = question_count_rows(q, false, &all);
    if (r == 0)
        r = plan(q, judged, &scan);
    json_begin_object(w);
    write_clauses(q, w);
    json_member_bool(w, "judged", judged);
    write_payload(q, judged, w);
    json_member_int(w, "entries", all);
    json_member_uint(w, "entries_judged", scan.entries);
    json_member_uint(w, "parts", scan.parts);
    json_member_uint(w, "parts_read", scan.parts_read);
    json_member_uint(w, "blocks", scan.blocks);
    json_member_uint(w, "blocks_read", scan.blocks_read);
    json_member_int(w, "took_ms", (clock_mono_ns() - started_ns) / NS_PER_MS);
    json_end_object(w);
    return r;
}
