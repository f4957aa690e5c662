/* What a worker answered, taken apart. The objects are hostile; everything is checked. Thread: any.
 */
#ifndef TRAWL_HUB_WORKER_ANSWER_H
#define TRAWL_HUB_WORKER_ANSWER_H

#include <jansson.h>

#include "hub/worker_client.h"

/* 0 or −EPROTO. */
int worker_answer_status(const json_t *object, struct worker_status *ret_status);
/* 0, −EPROTO or −ENOMEM; on failure the list may be half filled (ring_list_done). */
int worker_answer_list(const json_t *object, struct ring_list *ret_list);

#endif
