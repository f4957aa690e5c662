/* BPF expressions over captures with several link types. Thread: owner. */
#ifndef TRAWL_SNAPSHOT_SNAPSHOT_FILTER_H
#define TRAWL_SNAPSHOT_SNAPSHOT_FILTER_H

#include "base/buf.h"
#include "base/error.h"
#include "packet/bpf.h"

/* Refuses what libpcap would look up in the network: host names. −EINVAL with the offset. Services
 * ("port http") are fine. */
int snapshot_filter_check(const char *expression, struct error *reterr);

/* The same, and the expression with services as numbers ("port 80") and a NUL into `out`: a job
 * with a confined view of the files cannot look them up. */
int snapshot_filter_expand(const char *expression, struct buf *out, struct error *reterr);

enum {
    SNAPSHOT_FILTER_MAX_LINK_TYPES = 16
};

struct snapshot_filter {
    const char *expression; /* borrowed; NULL = everything matches */
    struct {
        uint16_t link_type;
        struct bpf *bpf; /* NULL: it does not fit this link type, nothing matches */
    } programs[SNAPSHOT_FILTER_MAX_LINK_TYPES];
    size_t count;
    bool closed; /* nothing more is compiled: packets of other link types do not match */
};

/* Checks, and compiles for the usual link types, so that a later compile needs no file (sandbox).
 */
int snapshot_filter_init(struct snapshot_filter *filter, const char *expression,
                         struct error *reterr);
bool snapshot_filter_match(struct snapshot_filter *filter, const struct packet *packet);
void snapshot_filter_done(struct snapshot_filter *filter);

#endif
