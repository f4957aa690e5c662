#include "dissect/sorter.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/io.h"

#define PHASE "dissect-spill"

enum {
    DEFAULT_MEMORY = 48 * 1024 * 1024,
    MAX_ENTRY_BYTES = 32 * 1024 * 1024,
    LANE_FIRST_KEYS = 1024,
    STAGE_BYTES = 256 * 1024,
    MIN_READ_BYTES = 8 * 1024,
    MAX_READ_BYTES = 1024 * 1024,
    TIE_SAMPLE_BYTES = 1024,
    DECODE_ARENA_CAP = 64 * 1024 * 1024
};

/* Also the head of a record in the spill file. */
struct sort_key {
    int64_t timestamp_ns;
    uint64_t group, order; /* entry.order_group, entry.order */
    uint64_t id_hash;
    uint64_t tie; /* of the content: the same entry twice has no order to keep */
    uint32_t len;
    uint32_t at; /* in the lane's bytes */
};

struct sorter_lane {
    struct sorter *sorter;
    struct buf bytes;
    struct sort_key *keys;
    size_t count, cap;
    size_t limit_bytes;
};

struct sort_run {
    off_t offset;
    uint64_t bytes;
};

struct sorter {
    int spill_fd;
    size_t memory_bytes;
    struct sorter_lane *lanes;
    unsigned lane_count;
    pthread_mutex_t mutex; /* of what follows */
    struct sort_run *runs;
    size_t run_count, run_cap;
    off_t spill_end;
};

static uint64_t tie_of(const uint8_t *p, size_t len)
{
    uint64_t h = len;
    size_t n = len < TIE_SAMPLE_BYTES ? len : TIE_SAMPLE_BYTES;
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t v;
        memcpy(&v, p, 8);
        h = (h ^ v) * 0x9fb21c651e98df25ULL;
        h ^= h >> 32;
    }
    for (; n; n--, p++)
        h = (h ^ *p) * 0x100000001b3ULL;
    return h;
}

static int compare_keys(const void *a, const void *b)
{
    const struct sort_key *x = a, *y = b;
    if (x->timestamp_ns != y->timestamp_ns)
        return x->timestamp_ns < y->timestamp_ns ? -1 : 1;
    if (x->group != y->group)
        return x->group < y->group ? -1 : 1;
    if (x->order != y->order)
        return x->order < y->order ? -1 : 1;
    if (x->id_hash != y->id_hash)
        return x->id_hash < y->id_hash ? -1 : 1;
    if (x->tie != y->tie)
        return x->tie < y->tie ? -1 : 1;
    return (x->len > y->len) - (x->len < y->len);
}

int sorter_new(const struct sorter_options *options, struct sorter **ret_sorter)
{
    struct sorter *sorter = calloc(1, sizeof *sorter);
    if (!sorter)
        return -ENOMEM;
    sorter->spill_fd = options->spill_fd;
    sorter->memory_bytes = options->memory_bytes ? options->memory_bytes : DEFAULT_MEMORY;
    sorter->lane_count = options->lanes ? options->lanes : 1;
    pthread_mutex_init(&sorter->mutex, NULL);
    sorter->lanes = calloc(sorter->lane_count, sizeof *sorter->lanes);
    if (!sorter->lanes) {
        sorter_free(sorter);
        return -ENOMEM;
    }
    for (unsigned i = 0; i < sorter->lane_count; i++) {
        struct sorter_lane *lane = &sorter->lanes[i];
        lane->sorter = sorter;
        lane->limit_bytes = sorter->memory_bytes / sorter->lane_count;
        buf_init(&lane->bytes, lane->limit_bytes + MAX_ENTRY_BYTES);
    }
    *ret_sorter = sorter;
    return 0;
}

static void free_lanes(struct sorter *sorter)
{
    for (unsigned i = 0; sorter->lanes && i < sorter->lane_count; i++) {
        buf_done(&sorter->lanes[i].bytes);
        free(sorter->lanes[i].keys);
        sorter->lanes[i].keys = NULL;
        sorter->lanes[i].count = 0;
    }
}

void sorter_free(struct sorter *sorter)
{
    if (!sorter)
        return;
    free_lanes(sorter);
    free(sorter->lanes);
    free(sorter->runs);
    pthread_mutex_destroy(&sorter->mutex);
    free(sorter);
}

struct sorter_lane *sorter_lane_at(struct sorter *sorter, unsigned index)
{
    return &sorter->lanes[index];
}

size_t sorter_runs(const struct sorter *sorter)
{
    return sorter->run_count;
}

/* ── spilling ── */

static int reserve_run(struct sorter *sorter, uint64_t bytes, off_t *ret_offset)
{
    int r = 0;
    pthread_mutex_lock(&sorter->mutex);
    if (sorter->run_count == sorter->run_cap) {
        size_t cap = sorter->run_cap ? sorter->run_cap * 2 : 16;
        struct sort_run *runs = realloc(sorter->runs, cap * sizeof *runs);
        if (runs) {
            sorter->runs = runs;
            sorter->run_cap = cap;
        } else {
            r = -ENOMEM;
        }
    }
    if (r == 0) {
        *ret_offset = sorter->spill_end;
        sorter->runs[sorter->run_count++] = (struct sort_run){sorter->spill_end, bytes};
        sorter->spill_end += (off_t)bytes;
    }
    pthread_mutex_unlock(&sorter->mutex);
    return r;
}

static int write_stage(struct sorter *sorter, struct buf *stage, off_t *offset)
{
    int r = io_pwrite(PHASE, sorter->spill_fd, stage->data, stage->len, *offset);
    *offset += (off_t)stage->len;
    buf_reset(stage);
    return r < 0 ? r : 0;
}

static int write_records(struct sorter_lane *lane, off_t offset)
{
    struct sorter *sorter = lane->sorter;
    struct buf stage;
    buf_init(&stage, STAGE_BYTES + sizeof(struct sort_key));
    int r = 0;
    for (size_t i = 0; i < lane->count && r == 0; i++) {
        const struct sort_key *key = &lane->keys[i];
        const uint8_t *record = lane->bytes.data + key->at;
        if (stage.len + sizeof *key + key->len > STAGE_BYTES && stage.len)
            r = write_stage(sorter, &stage, &offset);
        if (r == 0)
            r = buf_append(&stage, key, sizeof *key);
        if (r == 0 && key->len > STAGE_BYTES - sizeof *key) {
            r = write_stage(sorter, &stage, &offset);
            if (r == 0)
                r = io_pwrite(PHASE, sorter->spill_fd, record, key->len, offset);
            r = r < 0 ? r : 0;
            offset += key->len;
        } else if (r == 0) {
            r = buf_append(&stage, record, key->len);
        }
    }
    if (r == 0 && stage.len)
        r = write_stage(sorter, &stage, &offset);
    buf_done(&stage);
    return r;
}

static int spill(struct sorter_lane *lane)
{
    if (lane->count == 0)
        return 0;
    if (lane->sorter->spill_fd < 0)
        return -ENOSPC;
    qsort(lane->keys, lane->count, sizeof *lane->keys, compare_keys);
    uint64_t bytes = lane->bytes.len + lane->count * sizeof(struct sort_key);
    off_t offset;
    int r = reserve_run(lane->sorter, bytes, &offset);
    if (r == 0)
        r = write_records(lane, offset);
    lane->count = 0;
    buf_reset(&lane->bytes);
    return r;
}

static int grow_keys(struct sorter_lane *lane)
{
    size_t cap = lane->cap ? lane->cap * 2 : LANE_FIRST_KEYS;
    struct sort_key *keys = realloc(lane->keys, cap * sizeof *keys);
    if (!keys)
        return -ENOMEM;
    lane->keys = keys;
    lane->cap = cap;
    return 0;
}

/* Entries are encoded where they stay; only one that no longer fits moves, to the front. */
int sorter_add(struct sorter_lane *lane, const struct entry *entry)
{
    struct buf *bytes = &lane->bytes;
    size_t start = bytes->len;
    int r = entry_encode(entry, bytes);
    size_t len = bytes->len - start;
    if (r == -ENOBUFS || (r == 0 && len > MAX_ENTRY_BYTES))
        r = -EFBIG;
    size_t held = bytes->len + (lane->count + 1) * sizeof *lane->keys;
    if (r == 0 && lane->count == lane->cap)
        r = grow_keys(lane);
    if (r < 0) {
        bytes->len = start;
        bytes->error = 0;
        return r;
    }
    if (lane->count && held > lane->limit_bytes) {
        bytes->len = start;
        r = spill(lane);
        if (r < 0)
            return r;
        memmove(bytes->data, bytes->data + start, len);
        bytes->len = len;
        start = 0;
    }
    lane->keys[lane->count++] = (struct sort_key){.timestamp_ns = entry->timestamp_ns,
                                                  .group = entry->order_group,
                                                  .order = entry->order,
                                                  .id_hash = entry->id_hash,
                                                  .tie = tie_of(bytes->data + start, len),
                                                  .len = (uint32_t)len,
                                                  .at = (uint32_t)start};
    return 0;
}

/* ── merging ── */

/* A sorted row of records: a lane's memory or a run of the file. */
struct source {
    struct sort_key key; /* of the next record */
    bool is_empty;
    const struct sorter_lane *lane;
    size_t next_key;
    struct sort_run run; /* what is left of it */
    uint8_t *buffer;
    size_t buffer_size, len, at;
};

struct merge {
    struct sorter *sorter;
    struct source *sources;
    struct source **heap;
    size_t count;
    struct buf record;
};

static int refill(const struct sorter *sorter, struct source *s)
{
    memmove(s->buffer, s->buffer + s->at, s->len - s->at);
    s->len -= s->at;
    s->at = 0;
    size_t room = s->buffer_size - s->len;
    size_t want = s->run.bytes < room ? (size_t)s->run.bytes : room;
    ssize_t n = io_pread_full(sorter->spill_fd, s->buffer + s->len, want, s->run.offset);
    if (n < 0)
        return (int)n;
    if ((size_t)n != want)
        return -EIO;
    s->len += want;
    s->run.offset += (off_t)want;
    s->run.bytes -= want;
    return 0;
}

/* n bytes of the run, copied to out. */
static int read_run(const struct sorter *sorter, struct source *s, void *out, size_t n)
{
    uint8_t *to = out;
    while (n) {
        if (s->at == s->len) {
            if (s->run.bytes == 0)
                return -EIO;
            int r = refill(sorter, s);
            if (r < 0)
                return r;
        }
        size_t part = s->len - s->at < n ? s->len - s->at : n;
        memcpy(to, s->buffer + s->at, part);
        s->at += part;
        to += part;
        n -= part;
    }
    return 0;
}

static int next_key(const struct sorter *sorter, struct source *s)
{
    if (s->lane) {
        s->is_empty = s->next_key == s->lane->count;
        if (!s->is_empty)
            s->key = s->lane->keys[s->next_key++];
        return 0;
    }
    s->is_empty = s->at == s->len && s->run.bytes == 0;
    if (s->is_empty)
        return 0;
    int r = read_run(sorter, s, &s->key, sizeof s->key);
    return r == 0 && s->key.len > MAX_ENTRY_BYTES ? -EIO : r;
}

/* The record that belongs to s->key. */
static int take_record(struct merge *m, struct source *s, struct slice *ret_record)
{
    if (s->lane) {
        *ret_record = slice_of(s->lane->bytes.data + s->key.at, s->key.len);
        return 0;
    }
    if (s->len - s->at >= s->key.len) {
        *ret_record = slice_of(s->buffer + s->at, s->key.len);
        s->at += s->key.len;
        return 0;
    }
    buf_reset(&m->record);
    uint8_t *room = buf_reserve(&m->record, s->key.len);
    if (!room)
        return -ENOMEM;
    int r = read_run(m->sorter, s, room, s->key.len);
    m->record.len = s->key.len;
    *ret_record = buf_slice(&m->record);
    return r;
}

static void sift_down(struct merge *m, size_t i)
{
    for (;;) {
        size_t least = i;
        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < m->count; child++)
            if (compare_keys(&m->heap[child]->key, &m->heap[least]->key) < 0)
                least = child;
        if (least == i)
            return;
        struct source *swap = m->heap[i];
        m->heap[i] = m->heap[least];
        m->heap[least] = swap;
        i = least;
    }
}

static int add_source(struct merge *m, struct source *s)
{
    int r = next_key(m->sorter, s);
    if (r == 0 && !s->is_empty)
        m->heap[m->count++] = s;
    return r;
}

static int open_sources(struct merge *m, size_t total)
{
    struct sorter *sorter = m->sorter;
    m->sources = calloc(total, sizeof *m->sources);
    m->heap = calloc(total, sizeof(struct source *));
    if (!m->sources || !m->heap)
        return -ENOMEM;
    int r = 0;
    if (sorter->run_count == 0) {
        for (unsigned i = 0; i < sorter->lane_count && r == 0; i++) {
            m->sources[i].lane = &sorter->lanes[i];
            r = add_source(m, &m->sources[i]);
        }
        return r;
    }
    size_t size = sorter->memory_bytes / sorter->run_count;
    size = size > MAX_READ_BYTES ? MAX_READ_BYTES : size < MIN_READ_BYTES ? MIN_READ_BYTES : size;
    for (size_t i = 0; i < sorter->run_count && r == 0; i++) {
        struct source *s = &m->sources[i];
        s->run = sorter->runs[i];
        s->buffer_size = size;
        s->buffer = malloc(size);
        r = s->buffer ? add_source(m, s) : -ENOMEM;
    }
    return r;
}

static int merge_all(struct merge *m, int (*give)(void *ctx, const struct entry *entry), void *ctx)
{
    struct arena arena;
    arena_init(&arena, DECODE_ARENA_CAP);
    int r = 0;
    for (size_t i = m->count; i-- > 0;)
        sift_down(m, i);
    for (uint64_t index = 0; m->count && r == 0;) {
        struct source *s = m->heap[0];
        struct slice record;
        struct entry entry;
        r = take_record(m, s, &record);
        if (r == 0)
            r = entry_decode(record, &arena, &entry);
        if (r < 0)
            break;
        entry.index = index;
        r = give(ctx, &entry);
        arena_reset(&arena);
        index += r != SORTER_LEFT_OUT;
        if (r == SORTER_LEFT_OUT)
            r = 0;
        if (r == 0)
            r = next_key(m->sorter, s);
        if (s->is_empty)
            m->heap[0] = m->heap[--m->count];
        sift_down(m, 0);
    }
    arena_done(&arena);
    return r;
}

int sorter_finish(struct sorter *sorter, int (*give)(void *ctx, const struct entry *entry),
                  void *ctx, struct error *reterr)
{
    int r = 0;
    for (unsigned i = 0; i < sorter->lane_count && r == 0; i++) {
        struct sorter_lane *lane = &sorter->lanes[i];
        if (sorter->run_count)
            r = spill(lane);
        else if (lane->count)
            qsort(lane->keys, lane->count, sizeof *lane->keys, compare_keys);
    }
    /* The file's runs need the memory now. */
    if (sorter->run_count)
        free_lanes(sorter);
    if (r < 0)
        return error_set(reterr, r, "the entries could not be written to the temporary file: %s",
                         strerror(-r));
    struct merge m = {.sorter = sorter};
    buf_init(&m.record, MAX_ENTRY_BYTES);
    size_t total = sorter->run_count ? sorter->run_count : sorter->lane_count;
    r = open_sources(&m, total);
    if (r < 0)
        error_set(reterr, r, "the sorted entries could not be read back: %s", strerror(-r));
    else
        r = merge_all(&m, give, ctx);
    for (size_t i = 0; m.sources && i < total; i++)
        free(m.sources[i].buffer);
    free(m.sources);
    free(m.heap);
    buf_done(&m.record);
    return r;
}
