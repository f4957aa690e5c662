/* The same call at several hops: a proxy or sidecar passes a request on over a connection of its
 * own. Such calls are linked: `hop` n, `hop_count` m, `hop_of` the id of the first.
 *
 * Linked are HTTP calls that have their answers, the same request id (else the same traceparent),
 * method and path, other ends, and lie in one another in time, one in each. Two calls in one (an
 * application that asks several others under the id it was asked with) are its own calls and no
 * hops, and so is whatever cannot be told: nothing is guessed. Source: dissection.md.
 *
 * In: every entry as it is found, each list from one thread at a time. Out: after hops_link, which
 * depends on the entries alone and not on their order, what to say of an entry. Memory: 64 bytes a
 * call with an id, at most HOPS_MAX_CALLS of them: of more than that none is linked. */
#ifndef TRAWL_DISSECT_HOPS_H
#define TRAWL_DISSECT_HOPS_H

#include "base/hash.h"
#include "dissect/entry.h"

enum {
    HOPS_MAX_CALLS = 512 * 1024
};

struct hop_call;

struct hop_list { /* {0}: empty */
    struct hop_call *calls;
    size_t count, cap;
    bool failed; /* no memory, or too many */
};
void hop_list_add(struct hop_list *list, struct hash_key key, const struct entry *entry);
void hop_list_done(struct hop_list *list);

struct hops;
/* Calls for which `left_out` says true are not there (NULL: none). The lists are emptied. -ENOMEM.
 */
int hops_link(struct hop_list *const *lists, size_t count,
              bool (*left_out)(void *ctx, uint64_t stream, int64_t last_ns), void *ctx,
              struct hops **ret_hops);
void hops_free(struct hops *hops);

/* The entry, or a copy of it that says which hop it is (borrowed until the next call). -ENOMEM. */
int hops_fill(struct hops *hops, const struct entry *entry, const struct entry **ret_entry);

#endif
