/* The one event stream of a browser (Server-Sent Events): `nodes` each second, `snapshot` when one
 * changed (gathered over a quarter of a second), `snapshot_deleted`; a comment every 15 s.
 *
 * Ids are "<start>-<number>". A client that reconnects with Last-Event-ID gets what it missed of
 * the last 512 snapshot events; when that is not enough (or the hub restarted) it gets `resync` and
 * every snapshot. Thread: any. */
#ifndef TRAWL_API_EVENTS_H
#define TRAWL_API_EVENTS_H

#include <stdbool.h>

#include "base/error.h"

struct api;
struct api_call;
struct events;

int events_start(struct api *api, struct events **ret_events, struct error *reterr);
/* Every stream ends soon. */
void events_end(struct events *events);
/* After events_end and when no stream is served any more. */
void events_free(struct events *events);
void events_snapshot_changed(struct events *events, const char *id, bool deleted);
/* Handler of GET /api/v1/events: until the client goes. */
void events_serve(struct api_call *call);

#endif
