#include "api/failures.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct failure {
    char request_id[REQUEST_ID_SIZE]; /* "" = none */
    struct api_problem problem;
};

struct failures {
    pthread_mutex_t lock; /* guards what follows */
    size_t next;
    struct failure kept[FAILURES_KEPT];
};

int failures_new(struct failures **ret_failures)
{
    struct failures *f = calloc(1, sizeof *f);
    if (!f)
        return -ENOMEM;
    pthread_mutex_init(&f->lock, NULL);
    *ret_failures = f;
    return 0;
}

void failures_free(struct failures *failures)
{
    if (!failures)
        return;
    pthread_mutex_destroy(&failures->lock);
    free(failures);
}

void failures_add(struct failures *failures, const char *request_id,
                  const struct api_problem *problem)
{
    pthread_mutex_lock(&failures->lock);
    struct failure *f = &failures->kept[failures->next++ % FAILURES_KEPT];
    snprintf(f->request_id, sizeof f->request_id, "%s", request_id);
    f->problem = *problem;
    pthread_mutex_unlock(&failures->lock);
}

bool failures_find(struct failures *failures, const char *request_id,
                   struct api_problem *ret_problem)
{
    bool found = false;
    pthread_mutex_lock(&failures->lock);
    for (size_t i = 0; i < FAILURES_KEPT && !found; i++) {
        const struct failure *f = &failures->kept[i];
        found = f->request_id[0] && strcmp(f->request_id, request_id) == 0;
        if (found)
            *ret_problem = f->problem;
    }
    pthread_mutex_unlock(&failures->lock);
    return found;
}
