/* Long work of one kind (snapshots being taken, dissections): a thread each, at most so many at
 * once, the others wait for their turn in the order they came. A run that is cancelled does not
 * wait any longer: it begins, and is to see that it was cancelled.
 *
 * The owner embeds a struct run, fills in its key and hands it over with runs_add; from then on the
 * run is the list's, until `free_run` gets it back. Thread: any but runs_new and runs_free. */
#ifndef TRAWL_HUB_RUNS_H
#define TRAWL_HUB_RUNS_H

#include <stdbool.h>
#include <stdint.h>

enum {
    RUN_KEY_SIZE = 128
};

struct runs;

struct run {
    char key[RUN_KEY_SIZE]; /* unique among those that run or wait */
    bool cancel;            /* atomic */
    /* of runs.c */
    struct runs *all;
    struct run *next;
    uint64_t number;
    bool began, had_turn;
};

struct runs_options {
    unsigned at_once, waiting; /* waiting: with those that run */
    /* On the run's thread, when its turn has come. Not called when runs_free came before. */
    void (*work)(struct run *run);
    /* After that, on whatever thread; the run is no longer in the list. */
    void (*free_run)(struct run *run);
    /* It was cancelled: whatever it waits for has to end. On the thread of runs_cancel, under the
     * list's lock; may be NULL. */
    void (*on_cancel)(struct run *run);
};

int runs_new(const struct runs_options *options, struct runs **ret_runs);
/* No run begins any more. True and freed when none is left (after at most 0.3 s); false: some are,
 * and everything they use has to stay. */
bool runs_free(struct runs *runs);

/* Takes a place. −EEXIST: one of this key is there; −EBUSY: there is no place, or runs_free came.
 * Then runs_launch or runs_drop. */
int runs_add(struct runs *runs, struct run *run);
/* −EAGAIN: there is no thread; runs_drop it. */
int runs_launch(struct run *run);
/* Gives the place of a run back that was not launched; free_run is not called. */
void runs_drop(struct run *run);

/* False when there is none of this key. Waits at most five seconds for its end, so that the answer
 * can show how it ended. */
bool runs_cancel(struct runs *runs, const char *key);
bool run_is_cancelled(const struct run *run);
/* runs_free came. */
bool run_is_abandoned(const struct run *run);

#endif
