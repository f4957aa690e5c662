/* `trawl entries --follow`: the live calls as they come (GET /entries/stream), printed by whoever
 * asks for them. What was missed, and whether live dissection is on, goes to standard error. When
 * the hub is gone it is tried again, and goes on behind what was printed. Thread: main. */
#ifndef TRAWL_CLI_ENTRIES_FOLLOW_H
#define TRAWL_CLI_ENTRIES_FOLLOW_H

#include "cli/client.h"

struct entries_follow {
    const char *filter; /* or NULL */
    bool whole;         /* with headers and bodies */
    int64_t limit;      /* ends after so many; 0 = never */
    int64_t max_behind; /* a reader further behind passes calls over */
    void (*print)(void *ctx, const json_t *entry, bool first);
    void *ctx;
};

/* The exit code: 0 after `limit` calls, or when nobody reads what is printed. */
int entries_follow(struct client *client, const struct entries_follow *what);

#endif
