/* The flags of recording that `trawl up` and `trawl worker` hand on to the capturer as they were
 * given: checked before anything is started, because a capturer that refuses them would be started
 * again for ever. Thread: init-only. */
#ifndef TRAWL_CLI_RECORD_FLAGS_H
#define TRAWL_CLI_RECORD_FLAGS_H

#include "config/options.h"

struct record_flags { /* borrowed; NULL = not given */
    const char *node, *bpf, *snaplen, *ring_size, *segment_size, *buffer;
    const struct option_list *interfaces, *excluded;
};

/* 0, or -EINVAL with a sentence that names the flag. */
int record_flags_check(const struct record_flags *flags, struct error *reterr);

#endif
