/* Hands packets and ticks to the shards: at once in the caller's thread, or in batches to worker
 * threads that own the shards in turn (shard i belongs to worker i mod threads). Each shard sees
 * the same packets and ticks in the same order either way. Thread: owner. */
#ifndef TRAWL_DISSECT_RUN_WORKERS_H
#define TRAWL_DISSECT_RUN_WORKERS_H

#include "dissect/shard.h"

enum {
    RUN_SHARDS = 16 /* fixed: memory limits are per shard, and results must not depend on threads */
};

struct run_workers;

int run_workers_start(struct shard *shards, unsigned threads, struct run_workers **ret_workers);
/* The packet's bytes are copied when a thread will need them later. 0 or -ENOMEM. */
int run_workers_packet(struct run_workers *workers, unsigned shard,
                       const struct flow_packet *packet);
/* flow_table_absorb: the flow with this packet's addresses was a part of another. */
void run_workers_absorb(struct run_workers *workers, unsigned shard,
                        const struct flow_packet *packet);
/* From here on the first `visible` secrets of the key store exist. */
int run_workers_secrets(struct run_workers *workers, uint32_t visible);
int run_workers_tick(struct run_workers *workers, int64_t now_ns);
/* Finishes all shards and ends the threads; `abandon`: without reporting what is open. 0 or the
 * first error of a shard. */
int run_workers_finish(struct run_workers *workers, bool abandon);
void run_workers_free(struct run_workers *workers);

#endif
