#include "dissect/live.h"

#include <errno.h>
#include <stdlib.h>

#include "dissect/run_internal.h"

struct run_live {
    uint64_t next_index;
    struct owner_table *older; /* what was known before the table was full */
    int64_t slowest_ns;        /* the clock that is furthest behind: ≤ 0 */
};

struct dissect_live {
    struct run *run;
    struct run_live state;
    int64_t begin_ns, latest_ns;
    struct dissect_run_options options;
    struct dissect_sink sink;
};

int run_live_entry(struct run *run, const struct entry *entry)
{
    struct entry numbered = *entry;
    const struct entry *given = NULL;
    numbered.index = run->live->next_index;
    int r = owner_table_fill(run->owners, &numbered, &given);
    if (r == 0 && given == &numbered && run->live->older)
        r = owner_table_fill(run->live->older, &numbered, &given);
    if (r == 0)
        r = run->sink->entry(run->sink->ctx, given, run->reterr);
    if (r)
        return r;
    run->live->next_index++;
    run->stats.entries++;
    run->stats.entries_handed++;
    run_count_entry(run, entry->protocol);
    return 0;
}

int64_t run_live_time(const struct run *run, const struct merged_packet *in)
{
    return in->packet.ts_ns - run->options->inputs[in->file].ahead_ns + run->live->slowest_ns;
}

int dissect_live_new(const struct dissect_run_options *options, const struct dissect_sink *sink,
                     uint64_t first_index, struct dissect_live **ret_live, struct error *reterr)
{
    struct dissect_live *live = calloc(1, sizeof *live);
    struct run *run = calloc(1, sizeof *run);
    if (!live || !run) {
        free(live);
        free(run);
        return error_set(reterr, -ENOMEM, "there is not enough memory");
    }
    *reterr = (struct error){.offset = ERROR_NO_OFFSET};
    live->run = run;
    live->options = *options;
    live->options.tap = NULL;
    live->sink = *sink;
    live->state.next_index = first_index;
    live->begin_ns = live->latest_ns = INT64_MIN;
    run->options = &live->options;
    run->sink = &live->sink;
    run->live = &live->state;
    run->reterr = reterr;
    int r = run_prepare(run);
    if (r < 0) {
        run_fail(run, r);
        dissect_live_free(live);
        return r;
    }
    *ret_live = live;
    return 0;
}

static int told(struct dissect_live *live, int r)
{
    return r < 0 ? run_fail(live->run, r) : 0;
}

int dissect_live_grow(struct dissect_live *live, size_t input, uint64_t length, bool last,
                      struct error *reterr)
{
    *reterr = (struct error){.offset = ERROR_NO_OFFSET};
    live->run->reterr = reterr;
    int64_t ahead_ns = live->options.inputs[input].ahead_ns;
    if (ahead_ns < live->state.slowest_ns)
        live->state.slowest_ns = ahead_ns;
    return told(live, input_merge_grow(live->run->merge, input, length, last));
}

/* The table has an end, and this does not: two take turns. */
static int renew_owners(struct run *run)
{
    if (!owner_table_is_full(run->owners))
        return 0;
    struct owner_table *table = owner_table_new();
    if (!table)
        return -ENOMEM;
    owner_table_free(run->live->older);
    run->live->older = run->owners;
    run->owners = table;
    return 0;
}

void dissect_live_begin_at(struct dissect_live *live, int64_t begin_ns)
{
    live->begin_ns = begin_ns;
}

int64_t dissect_live_latest_ns(const struct dissect_live *live)
{
    return live->latest_ns;
}

static int take_until(struct dissect_live *live, int64_t until_ns)
{
    struct run *run = live->run;
    int64_t head_ns;
    int r;
    while ((r = input_merge_head(run->merge, &head_ns)) > 0 && head_ns < until_ns) {
        struct merged_packet in;
        r = input_merge_next(run->merge, &in);
        if (r > 0 && head_ns >= live->begin_ns) {
            live->latest_ns = head_ns > live->latest_ns ? head_ns : live->latest_ns;
            r = run_take(run, &in);
        }
        if (r >= 0)
            r = renew_owners(run);
        if (r < 0)
            return r;
    }
    return r < 0 ? r : 0;
}

int dissect_live_until(struct dissect_live *live, int64_t until_ns, struct error *reterr)
{
    struct run *run = live->run;
    *reterr = (struct error){.offset = ERROR_NO_OFFSET};
    run->reterr = reterr;
    int r = take_until(live, until_ns);
    if (r == 0 && until_ns != INT64_MAX)
        r = run_move_clock(run, until_ns + run->live->slowest_ns);
    if (r == 0)
        r = atomic_load(&run->error);
    return told(live, r);
}

uint64_t dissect_live_behind(const struct dissect_live *live, size_t input)
{
    return input_merge_behind(live->run->merge, input);
}

const struct dissect_statistics *dissect_live_statistics(struct dissect_live *live)
{
    return &live->run->stats;
}

int dissect_live_finish(struct dissect_live *live, struct error *reterr)
{
    struct run *run = live->run;
    *reterr = (struct error){.offset = ERROR_NO_OFFSET};
    run->reterr = reterr;
    int r = take_until(live, INT64_MAX);
    int ended = run_workers_finish(run->workers, r < 0);
    r = r < 0 ? r : ended;
    return told(live, r < 0 ? r : atomic_load(&run->error));
}

void dissect_live_free(struct dissect_live *live)
{
    if (!live)
        return;
    owner_table_free(live->state.older);
    run_release(live->run);
    free(live);
}
