/* What run.c (files, sorted) and live.c (segments that grow, at once) share. */
#ifndef TRAWL_DISSECT_RUN_INTERNAL_H
#define TRAWL_DISSECT_RUN_INTERNAL_H

#include <stdatomic.h>

#include "dissect/hops.h"
#include "dissect/input_merge.h"
#include "dissect/owner_table.h"
#include "dissect/run.h"
#include "dissect/run_workers.h"
#include "dissect/sorter.h"
#include "dissect/stream_numbers.h"
#include "flow/flow_nat.h"
#include "packet/defrag.h"

struct run {
    const struct dissect_run_options *options;
    const struct dissect_sink *sink;
    struct error *reterr;
    struct dissect_statistics stats;
    struct input_merge *merge;
    struct defrag *defrag;
    struct sorter *sorter;
    struct owner_table *owners;
    struct flow_nat *nat;
    struct stream_numbers *streams;
    uint64_t number;                   /* of the next packet, openings included */
    struct shard_withdrawn *withdrawn; /* of all shards, by number; at the end */
    size_t withdrawn_count;
    struct hash_key hop_key;
    struct hops *hops; /* at the end */
    struct run_workers *workers;
    const char *wanted[DISSECT_MAX_PROTOCOLS];
    size_t wanted_count;
    struct shard shards[RUN_SHARDS];
    size_t shards_ready;
    _Atomic int error; /* of the sorter, from any thread */
    _Atomic uint64_t found;
    struct run_out {
        struct run *run;
        struct sorter_lane *lane;
        struct hop_list hops;
    } outs[RUN_SHARDS];
    int64_t clock_ns, last_ts_ns;
    int64_t next_progress_ns;
    struct run_live *live; /* entries go on at once, unsorted; NULL: they do not */
};

/* Everything but the packets; run->live, options, sink and reterr are set. */
int run_prepare(struct run *run);
/* One packet into the shards, capture time moved on. */
int run_take(struct run *run, const struct merged_packet *in);
int run_move_clock(struct run *run, int64_t now_ns);
void run_count_entry(struct run *run, const char *protocol);
/* The sentence for people, unless there is one already. Returns r. */
int run_fail(struct run *run, int r);
void run_release(struct run *run);
/* live.c: from a shard. 0 or what the sink returned. */
int run_live_entry(struct run *run, const struct entry *entry);
/* live.c: of a packet, by the clock that is furthest behind. */
int64_t run_live_time(const struct run *run, const struct merged_packet *in);

#endif
