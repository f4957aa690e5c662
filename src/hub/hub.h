/* The hub: snapshot store, fleet, jobs and API, wired together. Thread: main. */
#ifndef TRAWL_HUB_HUB_H
#define TRAWL_HUB_HUB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct hub;

struct hub_options {
    const char *data_dir;
    const char *listen;
    uint64_t quota_bytes;          /* 0 = what the disk has */
    const char *const *host_names; /* ends with NULL; may be NULL */
};

int hub_start(const struct hub_options *options, struct hub **ret_hub, struct error *reterr);
/* What has to be done now and then: called about once a second. */
void hub_tick(struct hub *hub);
/* At most 6 s. True: freed. False: a snapshot or dissection is under way and goes on after the next
 * start; the process has to end with _exit. */
bool hub_stop(struct hub *hub);
uint16_t hub_port(const struct hub *hub);
/* The token when this start made it, else NULL. */
const char *hub_new_token(const struct hub *hub);
int hub_reload(struct hub *hub, struct error *reterr);

#endif
