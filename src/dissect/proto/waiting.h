/* Calls that wait for an answer which names them by a number (Kafka's correlation id, MongoDB's
 * responseTo, CQL's stream). A call begins with a struct waiting_call; the calls are in their
 * entries' arenas, the table is the connection's. Zero-initialise. Thread: that of the connection.
 */
#ifndef TRAWL_DISSECT_PROTO_WAITING_H
#define TRAWL_DISSECT_PROTO_WAITING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    WAITING_BUCKETS = 64,
    WAITING_MAX = 512
};

struct waiting_call {
    struct waiting_call *next; /* in its bucket */
    int32_t number;
    bool unsure; /* its answer may be among what was lost */
};

struct waiting {
    struct waiting_call *buckets[WAITING_BUCKETS];
    uint32_t count;
};

static inline struct waiting_call **waiting_bucket(struct waiting *w, int32_t number)
{
    return &w->buckets[(uint32_t)number % WAITING_BUCKETS];
}

/* A client that asks more than that without an answer: its server was not recorded. */
static inline bool waiting_is_full(const struct waiting *w)
{
    return w->count >= WAITING_MAX;
}

/* Of calls with the same number the one that was put last is found first. */
static inline void waiting_put(struct waiting *w, struct waiting_call *call, int32_t number)
{
    struct waiting_call **bucket = waiting_bucket(w, number);
    call->number = number;
    call->next = *bucket;
    *bucket = call;
    w->count++;
}

/* NULL: none. It stays in the table. */
static inline struct waiting_call *waiting_find(struct waiting *w, int32_t number)
{
    struct waiting_call *call = *waiting_bucket(w, number);
    while (call && call->number != number)
        call = call->next;
    return call;
}

/* The same, taken out. */
static inline struct waiting_call *waiting_take(struct waiting *w, int32_t number)
{
    for (struct waiting_call **at = waiting_bucket(w, number); *at; at = &(*at)->next) {
        struct waiting_call *call = *at;
        if (call->number != number)
            continue;
        *at = call->next;
        w->count--;
        return call;
    }
    return NULL;
}

/* Any one of them, taken out; NULL when nothing waits. */
static inline struct waiting_call *waiting_take_any(struct waiting *w)
{
    for (size_t i = 0; i < WAITING_BUCKETS; i++)
        if (w->buckets[i])
            return waiting_take(w, w->buckets[i]->number);
    return NULL;
}

/* Answers were lost: those to what waits now may be among them. */
static inline void waiting_doubt_all(struct waiting *w)
{
    for (size_t i = 0; i < WAITING_BUCKETS; i++)
        for (struct waiting_call *call = w->buckets[i]; call; call = call->next)
            call->unsure = true;
}

#endif
