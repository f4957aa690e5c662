#include "filter/filter.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "filter/program.h"

void pattern_list_free(struct filter_pattern *list)
{
    while (list) {
        struct filter_pattern *next = list->next;
        filter_regex_free(list->regex);
        free(list);
        list = next;
    }
}

void filter_free(struct filter *filter)
{
    if (!filter)
        return;
    pattern_list_free(filter->patterns);
    arena_done(&filter->arena);
    free(filter);
}

static int compile_steps(struct filter *filter, struct filter_compiler *c)
{
    struct filter_node *root;
    int result = compile_parse(c, &root);
    if (result == 0 && root)
        result = compile_check(c, root);
    if (result == 0 && root)
        result = compile_plan(c, root);
    filter->patterns = c->patterns;
    if (result < 0)
        return result;
    filter->root = root;
    filter->slot_count = c->slot_count;
    if (program_describe(filter) < 0)
        return compile_no_memory(c);
    return 0;
}

int program_compile(struct slice text, const struct filter_options *options,
                    const struct filter_env *env, struct filter **ret,
                    struct filter_diagnostic *reterr)
{
    struct filter_diagnostic diagnostic = {0};
    struct filter *filter = calloc(1, sizeof *filter);
    if (!filter) {
        if (reterr)
            *reterr = (struct filter_diagnostic){.text = "there is not enough memory"};
        return -ENOMEM;
    }
    arena_init(&filter->arena, FILTER_ARENA_CAP_BYTES);
    filter->text = arena_dup(&filter->arena, slice_sub(text, 0, (size_t)FILTER_MAX_TEXT));
    filter->budget_steps =
        options && options->budget_steps ? options->budget_steps : FILTER_DEFAULT_BUDGET;
    filter->now_ns = options && options->now_ns ? options->now_ns : clock_now_ns();
    struct filter_compiler c = {
        .arena = &filter->arena,
        .text = filter->text,
        .diagnostic = &diagnostic,
        .env = env,
        .now_ns = filter->now_ns,
    };
    int result;
    if (text.len > FILTER_MAX_TEXT)
        result = compile_fail(&c, FILTER_MAX_TEXT, FILTER_MAX_TEXT,
                              "the filter is too long: %zu bytes, at most %d are allowed", text.len,
                              FILTER_MAX_TEXT);
    else
        result = filter->text.data ? compile_steps(filter, &c) : compile_no_memory(&c);
    if (result < 0) {
        if (reterr)
            *reterr = diagnostic;
        filter_free(filter);
        return result;
    }
    *ret = filter;
    return 0;
}

int filter_compile(struct slice text, const struct filter_options *options, struct filter **ret,
                   struct filter_diagnostic *reterr)
{
    static const struct filter_env env = {0};
    return program_compile(text, options, &env, ret, reterr);
}

void filter_diagnostic_error(const struct filter_diagnostic *d, struct error *reterr)
{
    char where[160];
    if (d->token[0])
        snprintf(where, sizeof where, "at byte %zu (%s)", d->offset, d->token);
    else
        snprintf(where, sizeof where, "at byte %zu", d->offset);
    if (d->suggestion[0])
        error_set_at(reterr, -EINVAL, d->offset, "%s, %s; did you mean %s?", d->text, where,
                     d->suggestion);
    else
        error_set_at(reterr, -EINVAL, d->offset, "%s, %s", d->text, where);
}

/* ── evaluation ── */

struct filter_scratch *filter_scratch_new(void)
{
    struct filter_scratch *scratch = calloc(1, sizeof *scratch);
    if (scratch)
        arena_init(&scratch->arena, FILTER_SCRATCH_CAP_BYTES);
    return scratch;
}

void filter_scratch_free(struct filter_scratch *scratch)
{
    if (!scratch)
        return;
    pattern_list_free(scratch->last_pattern);
    arena_done(&scratch->arena);
    free(scratch->slots);
    free(scratch);
}

static bool room_for_slots(struct filter_scratch *scratch, uint32_t count)
{
    if (count <= scratch->slot_room)
        return true;
    struct value *slots = realloc(scratch->slots, count * sizeof *slots);
    if (!slots)
        return false;
    scratch->slots = slots;
    scratch->slot_room = count;
    return true;
}

bool program_run(const struct filter *filter, const struct entry *entry,
                 const struct filter_binding *bindings, struct filter_scratch *scratch,
                 struct value *ret)
{
    arena_reset(&scratch->arena);
    if (!room_for_slots(scratch, filter->slot_count)) {
        set_error(ret, ERROR_MEMORY);
        return false;
    }
    struct filter_eval eval;
    eval.entry = entry;
    eval.arena = &scratch->arena;
    eval.slots = scratch->slots;
    eval.bindings = bindings;
    eval.steps_left = filter->budget_steps;
    eval.now_ns = filter->now_ns;
    eval.is_doubtful = false;
    eval.scratch = scratch;
    node_eval(&eval, filter->root, ret);
    return eval.is_doubtful;
}

enum filter_result filter_match(const struct filter *filter, const struct entry *entry,
                                struct filter_scratch *scratch)
{
    struct value v;
    if (!filter->root)
        return FILTER_YES;
    bool doubtful = program_run(filter, entry, NULL, scratch, &v);
    if (v.kind == VALUE_BOOL)
        return v.boolean ? FILTER_YES : doubtful ? FILTER_DOUBT : FILTER_NO;
    scratch->error = v;
    if (v.kind != VALUE_ERROR) {
        set_error(&scratch->error, ERROR_NO_OVERLOAD);
        scratch->error.offset = filter->root->offset;
    }
    return FILTER_ERROR;
}

void filter_scratch_error(const struct filter *filter, const struct filter_scratch *scratch,
                          struct filter_diagnostic *ret_diagnostic)
{
    *ret_diagnostic = (struct filter_diagnostic){.offset = scratch->error.offset};
    value_error_text(&scratch->error, ret_diagnostic->text, sizeof ret_diagnostic->text);
    (void)filter;
}

/* ── what it says about itself ── */

struct slice filter_text(const struct filter *filter)
{
    return filter->text;
}

const struct filter_node *filter_root(const struct filter *filter)
{
    return filter->root;
}

const field_id *filter_fields(const struct filter *filter, size_t *ret_count)
{
    *ret_count = filter->field_count;
    return filter->fields;
}

unsigned filter_payload(const struct filter *filter)
{
    return filter->payload;
}

const struct filter_clause *filter_clauses(const struct filter *filter, size_t *ret_count)
{
    *ret_count = filter->clause_count;
    return filter->clauses;
}

const struct filter_warning *filter_warnings(const struct filter *filter, size_t *ret_count)
{
    *ret_count = filter->warning_count;
    return filter->warnings;
}
