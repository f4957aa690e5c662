/* Why answers broke off. A producer that fails half-way can only cut the connection: its head has
 * been sent. The reason is kept here under the request's id (header X-Request-Id of every answer
 * that is produced as it is sent), where `GET /api/v1/failures/{request}` finds it. The last
 * FAILURES_KEPT, in memory alone. Thread: any. */
#ifndef TRAWL_API_FAILURES_H
#define TRAWL_API_FAILURES_H

#include "api/problem.h"

enum {
    FAILURES_KEPT = 256,
    REQUEST_ID_SIZE = 33 /* 32 hex digits of chance: who knows it has made the request */
};

struct failures;

int failures_new(struct failures **ret_failures);
void failures_free(struct failures *failures);
void failures_add(struct failures *failures, const char *request_id,
                  const struct api_problem *problem);
bool failures_find(struct failures *failures, const char *request_id,
                   struct api_problem *ret_problem);

#endif
