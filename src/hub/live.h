/* Live dissection: a switch, and while it is on one sandboxed job that follows the rings of all
 * nodes (entries/query.h, hub/live_node.h). Its entries stay in DATA/live, the newest million of
 * them and at most about 2 GiB, also when it is off; switched on again it goes on behind them. It
 * switches itself off when nobody has looked for a while. A job that dies is started again; what
 * was stored stays. Thread: any but live_new and live_free. */
#ifndef TRAWL_HUB_LIVE_H
#define TRAWL_HUB_LIVE_H

#include "api/api.h"
#include "hub/fleet.h"

struct live;

enum {
    LIVE_KEEP_ROWS = 1000000
};
#define LIVE_KEEP_BYTES (UINT64_C(2) << 30) /* of payload, compressed */

struct live_options {
    struct fleet *fleet;
    const char *data_dir;
    int64_t idle_ns; /* 0 = 5 minutes */
};

int live_new(const struct live_options *options, struct live **ret_live, struct error *reterr);
/* Seals what there is. */
void live_free(struct live *live);
/* On: takes up what is being recorded now, returns when the job can be asked (-EIO with the reason
 * when it cannot be started). Off: returns when what there is has been sealed. */
int live_switch(struct live *live, bool on, struct error *reterr);
/* Somebody looks at it. */
void live_touch(struct live *live);
/* DATA/live. */
const char *live_dir(const struct live *live);
/* There is something to ask. */
bool live_has_store(const struct live *live);
/* Somebody follows: waits until more entries are stored, or it goes on or off (against what the
 * caller knows), at most so long. */
void live_wait(struct live *live, const struct api_live_now *known, int64_t timeout_ns,
               struct api_live_now *ret_now);
/* LiveStatus (api/schema_table.c). */
void live_write_json(struct live *live, struct json_writer *w);

#endif
