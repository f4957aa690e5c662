/* The process beside the capturer that finds out whose connections are recorded. It alone keeps
 * CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH (the capturer, which reads strangers' packets, has
 * neither), gets addresses and ports through a socket pair and answers with owner notes. It runs at
 * the lowest priority; the packet path never waits for it: what it cannot take is not asked. A
 * keeper with the same capabilities, that reads nothing, starts it again when it dies; without the
 * keeper no owner is known, which owner_watch_problem says. Thread: the capture thread. */
#ifndef TRAWL_WORKER_OWNER_WATCH_H
#define TRAWL_WORKER_OWNER_WATCH_H

#include "ring/ring_owner.h"
#include "ring/ring_writer.h"

enum {
    OWNER_WATCH_BATCH = 256
};

struct owner_watch {
    int fd;    /* -1: there is none */
    pid_t pid; /* of the keeper */
    char problem[200];
    struct owner_end ends[OWNER_WATCH_BATCH]; /* not taken yet */
    size_t count;
};

/* Forks; before any thread is started and before capabilities are given up. Failing is not fatal:
 * the reason is logged. */
void owner_watch_start(struct owner_watch *watch, const struct ring_owner *owner);
/* Asks for new flows of the ring, puts the answers into it. */
void owner_watch_turn(struct owner_watch *watch, struct ring_writer *writer);
void owner_watch_stop(struct owner_watch *watch);
/* A sentence with the time since when owners are not recorded; "" = they are. Valid until the next
 * call. */
const char *owner_watch_problem(const struct owner_watch *watch);

#endif
