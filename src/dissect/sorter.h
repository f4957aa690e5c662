/* Brings entries into their final order, (timestamp, connection, place in its stream, id), in
 * bounded memory.
 *
 * Entries are added through lanes, one a thread, without locks; a full lane is sorted and written
 * as a run to the spill file. sorter_finish merges what is in memory and in the file, numbers the
 * entries (index) and hands them over. The order depends on the entries alone. The spill file is
 * given open (unlinked, e.g. O_TMPFILE), so that nothing needs to be opened later; without one
 * (-1) everything stays in memory up to the limit, beyond it sorter_add fails with -ENOSPC. */
#ifndef TRAWL_DISSECT_SORTER_H
#define TRAWL_DISSECT_SORTER_H

#include "base/error.h"
#include "dissect/entry.h"

struct sorter;
struct sorter_lane;

struct sorter_options {
    size_t memory_bytes; /* 0 = 48 MiB; all lanes together */
    unsigned lanes;      /* 0 = 1 */
    int spill_fd;        /* borrowed */
};

int sorter_new(const struct sorter_options *options, struct sorter **ret_sorter);
void sorter_free(struct sorter *sorter);

/* Thread: a lane belongs to one thread at a time. */
struct sorter_lane *sorter_lane_at(struct sorter *sorter, unsigned index);
/* 0, -ENOMEM, -ENOSPC or what the spill file gave. An entry of more than 32 MiB is -EFBIG. */
int sorter_add(struct sorter_lane *lane, const struct entry *entry);

enum {
    SORTER_LEFT_OUT = 1
};

/* Once, after the last sorter_add. give() gets each entry (borrowed for the call; its values may be
 * changed). SORTER_LEFT_OUT: the entry's number goes to the next one; anything else but 0 ends the
 * walk and is returned. Thread: owner. */
int sorter_finish(struct sorter *sorter, int (*give)(void *ctx, const struct entry *entry),
                  void *ctx, struct error *reterr);

/* Runs written so far (a test wants to know that it spilled). */
size_t sorter_runs(const struct sorter *sorter);

#endif
