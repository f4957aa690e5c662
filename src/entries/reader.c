#include "entries/reader.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "entries/reader_internal.h"

enum {
    DEFAULT_MEMORY_BYTES = 128 * 1000 * 1000,
    DEFAULT_THREADS = 2,
    MAX_THREADS = 16,
    ROW_ARENA_BYTES = 64 * 1024 * 1024
};

static int copy_dirs(struct entries_reader *r, const char *const *dirs, struct error *reterr)
{
    size_t count = 0;
    while (dirs[count])
        count++;
    r->dirs = calloc(count + 1, sizeof *r->dirs);
    for (size_t i = 0; r->dirs && i < count; i++)
        if (!(r->dirs[r->dir_count++] = strdup(dirs[i])))
            return error_set(reterr, -ENOMEM, "out of memory.");
    return r->dirs ? 0 : error_set(reterr, -ENOMEM, "out of memory.");
}

int entries_reader_open(const struct entries_reader_options *options,
                        struct entries_reader **ret_reader, struct error *reterr)
{
    struct entries_reader *r = calloc(1, sizeof *r);
    if (!r)
        return error_set(reterr, -ENOMEM, "out of memory.");
    r->threads = options->threads ? options->threads : DEFAULT_THREADS;
    if (r->threads > MAX_THREADS)
        r->threads = MAX_THREADS;
    uint64_t memory =
        options->duckdb_memory_bytes ? options->duckdb_memory_bytes : DEFAULT_MEMORY_BYTES;
    r->next_number = 1;
    int result = copy_dirs(r, options->dirs, reterr);
    if (result == 0)
        result = duckdb_api_open(NULL, memory, r->threads, &r->database, &r->connection, reterr);
    bool changed;
    if (result == 0)
        result = reader_open_parts(r, &changed, reterr);
    if (result < 0) {
        entries_reader_free(r);
        return result;
    }
    *ret_reader = r;
    return 0;
}

int entries_reader_refresh(struct entries_reader *r, bool *ret_changed, struct error *reterr)
{
    return reader_open_parts(r, ret_changed, reterr);
}

void entries_reader_free(struct entries_reader *r)
{
    if (!r)
        return;
    duckdb_api_close(&r->database, &r->connection);
    for (size_t i = 0; i < r->part_count; i++)
        reader_close_part(&r->parts[i]);
    for (size_t i = 0; i < r->dir_count; i++)
        free(r->dirs[i]);
    free(r->dirs);
    free(r->parts);
    free(r);
}

uint64_t entries_reader_rows(const struct entries_reader *r)
{
    return r->rows;
}

void entries_reader_span(const struct entries_reader *r, uint64_t *ret_first, uint64_t *ret_end)
{
    *ret_first = *ret_end = 0;
    for (size_t i = r->part_count; i-- > 0;) {
        const struct part *part = &r->parts[i];
        uint64_t rows = part->description.summary.rows;
        if (rows == 0)
            continue;
        *ret_first = part->first_row;
        if (*ret_end == 0)
            *ret_end = part->first_row + rows;
    }
}

void entries_reader_range(const struct entries_reader *r, int64_t *ret_first_ns,
                          int64_t *ret_last_ns)
{
    int64_t first = INT64_MAX;
    int64_t last = INT64_MIN;
    for (size_t i = 0; i < r->part_count; i++) {
        const struct part_summary *s = &r->parts[i].description.summary;
        if (s->rows == 0)
            continue;
        first = s->first_ns < first ? s->first_ns : first;
        last = s->last_ns > last ? s->last_ns : last;
    }
    *ret_first_ns = first <= last ? first : 0;
    *ret_last_ns = first <= last ? last : 0;
}

duckdb_connection entries_reader_connection(struct entries_reader *r)
{
    return r->connection;
}

static struct part *part_of_row(const struct entries_reader *r, uint64_t row)
{
    for (size_t i = 0; i < r->part_count; i++) {
        struct part *part = &r->parts[i];
        if (row >= part->first_row && row - part->first_row < part->description.summary.rows)
            return part;
    }
    return NULL;
}

size_t entries_reader_folder(const struct entries_reader *r, uint64_t row)
{
    const struct part *part = part_of_row(r, row);
    return part ? part->folder : 0;
}

bool entries_reader_has_hops(const struct entries_reader *r)
{
    return r->has_hops;
}

bool entries_reader_has_doubles(const struct entries_reader *r)
{
    return r->has_doubles;
}

/* The block that holds an index of this part (binary search; blocks follow one another). */
static const struct block_info *block_of_index(const struct part *part, uint64_t index)
{
    size_t low = 0;
    size_t high = part->block_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (part->blocks[middle].first_row <= index)
            low = middle + 1;
        else
            high = middle;
    }
    const struct block_info *block = low ? &part->blocks[low - 1] : NULL;
    return block && index - block->first_row < block->row_count ? block : NULL;
}

int entries_reader_entry(struct entries_reader *r, uint64_t row, unsigned payload,
                         struct arena *arena, struct entry *ret_entry,
                         const struct entry_files **ret_files, struct error *reterr)
{
    struct part *part = part_of_row(r, row);
    uint64_t index = part ? row - part->first_row + part->description.summary.first_index : 0;
    const struct block_info *block = part ? block_of_index(part, index) : NULL;
    if (!block)
        return error_set(reterr, -ENOENT, "there is no such entry.");
    if (part->loaded_offset != block->offset || part->loaded_payload != payload) {
        part->loaded_offset = 0;
        int result = block_reader_load(part->reader, block->offset, payload, NULL, reterr);
        if (result < 0)
            return result;
        part->loaded_offset = block->offset;
        part->loaded_payload = payload;
    }
    int result =
        block_reader_row(part->reader, (uint32_t)(index - block->first_row), arena, ret_entry);
    if (result < 0)
        return error_set_at(reterr, result, block->offset,
                            "an entry of the block at offset %" PRIu64 " is damaged.",
                            block->offset);
    *ret_files = &part->description.summary.files;
    return 0;
}

/* ── scans ── */

struct block_matches {
    uint32_t *slots; /* malloc'd when count > 0 */
    uint32_t count, unjudged;
};

struct scan {
    struct entries_reader *reader;
    const struct filter *filter;
    unsigned payload;
    struct entries_range range;
    struct scan_unit {
        const struct part *part;
        const struct block_info *block;
        uint64_t base;        /* row of the block's first entry */
        const uint64_t *only; /* rows to judge; NULL = all */
        uint64_t only_count;
        struct block_matches matches;
    } * units;
    size_t unit_count;
    _Atomic size_t next;
    _Atomic int error; /* the first failure */
    pthread_mutex_t error_lock;
    struct error reterr;
};

static void scan_failed(struct scan *scan, int error, const struct error *reason)
{
    pthread_mutex_lock(&scan->error_lock);
    if (scan->error == 0) {
        scan->error = error;
        scan->reterr = *reason;
    }
    pthread_mutex_unlock(&scan->error_lock);
}

struct scan_worker {
    struct block_reader *reader;
    const struct part *part;
    struct filter_scratch *scratch;
    struct arena arena;
    uint32_t *slots;
    size_t slot_cap;
};

static int judge_block(struct scan *scan, struct scan_worker *worker, struct scan_unit *unit,
                       struct error *reterr)
{
    int r = block_reader_load(worker->reader, unit->block->offset, scan->payload, NULL, reterr);
    if (r < 0)
        return r;
    if (unit->block->row_count > worker->slot_cap) {
        uint32_t *slots = realloc(worker->slots, unit->block->row_count * sizeof *slots);
        if (!slots)
            return error_set(reterr, -ENOMEM, "out of memory.");
        worker->slots = slots;
        worker->slot_cap = unit->block->row_count;
    }
    struct block_matches *matches = &unit->matches;
    uint64_t count = unit->only ? unit->only_count : unit->block->row_count;
    for (uint64_t i = 0; i < count; i++) {
        uint32_t slot = (uint32_t)(unit->only ? unit->only[i] - unit->base : i);
        struct entry entry;
        arena_reset(&worker->arena);
        r = block_reader_row(worker->reader, slot, &worker->arena, &entry);
        if (r < 0)
            return error_set_at(reterr, r, unit->block->offset,
                                "an entry of the block at offset %" PRIu64 " is damaged.",
                                unit->block->offset);
        if (entry.timestamp_ns < scan->range.from_ns || entry.timestamp_ns >= scan->range.to_ns)
            continue;
        enum filter_result result = filter_match(scan->filter, &entry, worker->scratch);
        if (result == FILTER_YES)
            worker->slots[matches->count++] = slot;
        else if (result != FILTER_NO)
            matches->unjudged++;
    }
    if (matches->count) {
        matches->slots = malloc(matches->count * sizeof *matches->slots);
        if (!matches->slots)
            return error_set(reterr, -ENOMEM, "out of memory.");
        memcpy(matches->slots, worker->slots, matches->count * sizeof *matches->slots);
    }
    return 0;
}

static void *scan_thread(void *arg)
{
    struct scan *scan = arg;
    struct scan_worker worker = {.scratch = filter_scratch_new()};
    arena_init(&worker.arena, ROW_ARENA_BYTES);
    struct error reason = {0};
    int r = worker.scratch ? 0 : error_set(&reason, -ENOMEM, "out of memory.");
    while (r == 0 && scan->error == 0) {
        size_t i = scan->next++;
        if (i >= scan->unit_count)
            break;
        struct scan_unit *unit = &scan->units[i];
        if (worker.part != unit->part) {
            block_reader_free(worker.reader);
            worker.reader = NULL;
            worker.part = unit->part;
            r = block_reader_new(unit->part->payload_fd, unit->part->description.field_map,
                                 unit->part->description.field_map_count, &worker.reader);
            if (r < 0)
                error_set(&reason, r, "out of memory.");
        }
        if (r == 0)
            r = judge_block(scan, &worker, unit, &reason);
    }
    if (r < 0)
        scan_failed(scan, r, &reason);
    block_reader_free(worker.reader);
    filter_scratch_free(worker.scratch);
    arena_done(&worker.arena);
    free(worker.slots);
    return NULL;
}

/* The first of the rows to judge that is not below `row`. */
static uint64_t lower_bound(const struct entries_range *range, uint64_t row)
{
    uint64_t low = 0, high = range->only_count;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (range->only[middle] < row)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void plan_block(struct scan *scan, const struct part *part, const struct block_info *block)
{
    const struct entries_range *range = &scan->range;
    struct scan_unit unit = {.part = part, .block = block};
    unit.base = part->first_row + block->first_row - part->description.summary.first_index;
    if (block->first_ns >= range->to_ns || block->last_ns < range->from_ns)
        return;
    if (range->only) {
        uint64_t first = lower_bound(range, unit.base);
        unit.only = range->only + first;
        unit.only_count = lower_bound(range, unit.base + block->row_count) - first;
        if (unit.only_count == 0)
            return;
    }
    scan->units[scan->unit_count++] = unit;
}

static int plan_scan(struct entries_reader *r, struct scan *scan)
{
    size_t total = 0;
    for (size_t i = 0; i < r->part_count; i++)
        total += r->parts[i].block_count;
    scan->units = calloc(total ? total : 1, sizeof *scan->units);
    if (!scan->units)
        return -ENOMEM;
    for (size_t i = 0; i < r->part_count; i++)
        for (size_t b = 0; b < r->parts[i].block_count; b++)
            plan_block(scan, &r->parts[i], &r->parts[i].blocks[b]);
    return 0;
}

int entries_reader_plan(struct entries_reader *r, const struct entries_range *range,
                        struct entries_scan_plan *ret_plan)
{
    struct scan scan = {.reader = r, .range = *range};
    struct entries_scan_plan plan = {.parts = r->part_count};
    if (plan_scan(r, &scan) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < r->part_count; i++)
        plan.blocks += r->parts[i].block_count;
    plan.blocks_read = scan.unit_count;
    for (size_t i = 0; i < scan.unit_count; i++) {
        const struct scan_unit *unit = &scan.units[i];
        plan.parts_read += i == 0 || unit->part != scan.units[i - 1].part;
        plan.entries += unit->only ? unit->only_count : unit->block->row_count;
    }
    free(scan.units);
    *ret_plan = plan;
    return 0;
}

static int gather(const struct scan *scan, struct entries_matches *ret_matches)
{
    struct entries_matches m = {0};
    for (size_t i = 0; i < scan->unit_count; i++)
        m.count += scan->units[i].matches.count;
    m.rows = malloc((m.count ? m.count : 1) * sizeof *m.rows);
    if (!m.rows)
        return -ENOMEM;
    uint64_t at = 0;
    for (size_t i = 0; i < scan->unit_count; i++) {
        const struct scan_unit *unit = &scan->units[i];
        for (uint32_t k = 0; k < unit->matches.count; k++)
            m.rows[at++] = unit->base + unit->matches.slots[k];
        m.unjudged += unit->matches.unjudged;
    }
    *ret_matches = m;
    return 0;
}

int entries_reader_match(struct entries_reader *r, const struct filter *filter,
                         const struct entries_range *range, struct entries_matches *ret_matches,
                         struct error *reterr)
{
    struct scan scan = {.reader = r,
                        .filter = filter,
                        .payload = filter_payload(filter),
                        .range = *range,
                        .error_lock = PTHREAD_MUTEX_INITIALIZER};
    if (plan_scan(r, &scan) < 0)
        return error_set(reterr, -ENOMEM, "out of memory.");
    pthread_t threads[MAX_THREADS];
    unsigned started = 0;
    while (started + 1 < r->threads && started + 1 < scan.unit_count &&
           pthread_create(&threads[started], NULL, scan_thread, &scan) == 0)
        started++;
    scan_thread(&scan);
    for (unsigned i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    int result = scan.error;
    if (result < 0 && reterr)
        *reterr = scan.reterr;
    if (result == 0 && gather(&scan, ret_matches) < 0)
        result = error_set(reterr, -ENOMEM, "out of memory.");
    for (size_t i = 0; i < scan.unit_count; i++)
        free(scan.units[i].matches.slots);
    free(scan.units);
    return result;
}
