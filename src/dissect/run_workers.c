#include "dissect/run_workers.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

enum {
    BATCH_BYTES = 512 * 1024, /* more than the largest packet */
    BATCHES = 4,              /* of each worker */
    ALIGN = 16
};

enum record_kind {
    RECORD_PACKET,
    RECORD_ABSORB,
    RECORD_TICK,
    RECORD_SECRETS
};

struct record {
    uint32_t size; /* with what follows, aligned */
    uint16_t kind, shard;
    int64_t now_ns;            /* RECORD_TICK */
    uint32_t visible;          /* RECORD_SECRETS */
    struct flow_packet packet; /* frame and payload are set when it is read */
    struct frame frame;
    _Alignas(ALIGN) uint8_t payload[];
};

struct batch {
    size_t len;
    uint8_t *data;
};

struct worker {
    struct run_workers *all;
    unsigned index;
    pthread_t thread;
    bool started;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct batch batches[BATCHES];
    /* Batches [taken, given) are full; the reader fills number `given`. */
    unsigned given, taken;
    bool over, abandoned;
    int error;
};

struct run_workers {
    struct shard *shards;
    unsigned threads; /* 1: everything happens in the caller's thread */
    struct worker *workers;
    int error;
};

static int serve(struct worker *worker, struct batch *batch)
{
    struct shard *shards = worker->all->shards;
    int result = 0;
    for (size_t at = 0; at < batch->len;) {
        struct record *record = (struct record *)(void *)(batch->data + at);
        at += record->size;
        if (record->kind == RECORD_TICK) {
            for (unsigned i = worker->index; i < RUN_SHARDS; i += worker->all->threads)
                shard_tick(&shards[i], record->now_ns);
            continue;
        }
        if (record->kind == RECORD_SECRETS) {
            for (unsigned i = worker->index; i < RUN_SHARDS; i += worker->all->threads)
                shards[i].host.keys_visible = record->visible;
            continue;
        }
        record->frame.payload.data = record->payload;
        record->packet.frame = &record->frame;
        if (record->kind == RECORD_ABSORB) {
            shard_absorb(&shards[record->shard], &record->packet);
            continue;
        }
        int r = shard_packet(&shards[record->shard], &record->packet);
        result = r < 0 ? r : result;
    }
    batch->len = 0;
    return result;
}

static void finish_shards(const struct worker *worker)
{
    for (unsigned i = worker->index; i < RUN_SHARDS; i += worker->all->threads)
        shard_finish(&worker->all->shards[i]);
}

static void *work(void *arg)
{
    struct worker *worker = arg;
    pthread_mutex_lock(&worker->mutex);
    for (;;) {
        while (worker->taken == worker->given && !worker->over)
            pthread_cond_wait(&worker->changed, &worker->mutex);
        if (worker->taken == worker->given || worker->abandoned)
            break;
        struct batch *batch = &worker->batches[worker->taken % BATCHES];
        pthread_mutex_unlock(&worker->mutex);
        int r = serve(worker, batch);
        pthread_mutex_lock(&worker->mutex);
        worker->error = r < 0 ? r : worker->error;
        worker->taken++;
        pthread_cond_signal(&worker->changed);
    }
    bool abandoned = worker->abandoned;
    pthread_mutex_unlock(&worker->mutex);
    if (!abandoned)
        finish_shards(worker);
    return NULL;
}

static int start_worker(struct worker *worker)
{
    pthread_mutex_init(&worker->mutex, NULL);
    pthread_cond_init(&worker->changed, NULL);
    for (int i = 0; i < BATCHES; i++) {
        worker->batches[i].data = aligned_alloc(ALIGN, BATCH_BYTES);
        if (!worker->batches[i].data)
            return -ENOMEM;
    }
    int r = pthread_create(&worker->thread, NULL, work, worker);
    worker->started = r == 0;
    return -r;
}

int run_workers_start(struct shard *shards, unsigned threads, struct run_workers **ret_workers)
{
    struct run_workers *all = calloc(1, sizeof *all);
    if (!all)
        return -ENOMEM;
    all->shards = shards;
    all->threads = threads > RUN_SHARDS ? RUN_SHARDS : threads;
    all->workers = calloc(all->threads, sizeof *all->workers);
    int r = all->workers ? 0 : -ENOMEM;
    for (unsigned i = 0; i < all->threads && r == 0; i++) {
        all->workers[i].all = all;
        all->workers[i].index = i;
        if (all->threads > 1)
            r = start_worker(&all->workers[i]);
    }
    if (r < 0) {
        run_workers_finish(all, true);
        run_workers_free(all);
        return r;
    }
    *ret_workers = all;
    return 0;
}

/* Gives the batch in hand to the worker and waits until there is another to fill. */
static void pass_on(struct worker *worker)
{
    pthread_mutex_lock(&worker->mutex);
    worker->given++;
    pthread_cond_signal(&worker->changed);
    while (worker->given - worker->taken == BATCHES)
        pthread_cond_wait(&worker->changed, &worker->mutex);
    pthread_mutex_unlock(&worker->mutex);
}

static struct record *put(struct worker *worker, size_t payload_bytes)
{
    size_t size = (sizeof(struct record) + payload_bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    struct batch *batch = &worker->batches[worker->given % BATCHES];
    if (batch->len + size > BATCH_BYTES) {
        pass_on(worker);
        batch = &worker->batches[worker->given % BATCHES];
    }
    struct record *record = (struct record *)(void *)(batch->data + batch->len);
    record->size = (uint32_t)size;
    batch->len += size;
    return record;
}

static struct record *put_packet(struct run_workers *all, unsigned shard,
                                 const struct flow_packet *packet, size_t payload_bytes)
{
    struct record *record = put(&all->workers[shard % all->threads], payload_bytes);
    record->shard = (uint16_t)shard;
    record->packet = *packet;
    record->frame = *packet->frame;
    record->frame.tcp_options = SLICE_NONE;
    if (payload_bytes)
        memcpy(record->payload, packet->frame->payload.data, payload_bytes);
    return record;
}

int run_workers_packet(struct run_workers *all, unsigned shard, const struct flow_packet *packet)
{
    if (all->threads == 1)
        return shard_packet(&all->shards[shard], packet);
    put_packet(all, shard, packet, packet->frame->payload.len)->kind = RECORD_PACKET;
    return 0;
}

void run_workers_absorb(struct run_workers *all, unsigned shard, const struct flow_packet *packet)
{
    if (all->threads == 1)
        shard_absorb(&all->shards[shard], packet);
    else
        put_packet(all, shard, packet, 0)->kind = RECORD_ABSORB;
}

int run_workers_secrets(struct run_workers *all, uint32_t visible)
{
    if (all->threads == 1) {
        for (unsigned i = 0; i < RUN_SHARDS; i++)
            all->shards[i].host.keys_visible = visible;
        return 0;
    }
    for (unsigned i = 0; i < all->threads; i++) {
        struct record *record = put(&all->workers[i], 0);
        record->kind = RECORD_SECRETS;
        record->visible = visible;
    }
    return 0;
}

int run_workers_tick(struct run_workers *all, int64_t now_ns)
{
    if (all->threads == 1) {
        for (unsigned i = 0; i < RUN_SHARDS; i++)
            shard_tick(&all->shards[i], now_ns);
        return 0;
    }
    for (unsigned i = 0; i < all->threads; i++) {
        struct record *record = put(&all->workers[i], 0);
        record->kind = RECORD_TICK;
        record->now_ns = now_ns;
    }
    return 0;
}

int run_workers_finish(struct run_workers *all, bool abandon)
{
    int result = 0;
    for (unsigned i = 0; all->workers && i < all->threads; i++) {
        struct worker *worker = &all->workers[i];
        if (all->threads == 1 && !abandon)
            finish_shards(worker);
        if (!worker->started)
            continue;
        pthread_mutex_lock(&worker->mutex);
        worker->given++;
        worker->over = true;
        worker->abandoned = abandon;
        pthread_cond_signal(&worker->changed);
        pthread_mutex_unlock(&worker->mutex);
    }
    for (unsigned i = 0; all->workers && i < all->threads; i++) {
        struct worker *worker = &all->workers[i];
        if (!worker->started)
            continue;
        pthread_join(worker->thread, NULL);
        worker->started = false;
        result = worker->error < 0 ? worker->error : result;
    }
    return result;
}

void run_workers_free(struct run_workers *all)
{
    if (!all)
        return;
    for (unsigned i = 0; all->workers && i < all->threads; i++)
        for (int b = 0; b < BATCHES; b++)
            free(all->workers[i].batches[b].data);
    free(all->workers);
    free(all);
}
