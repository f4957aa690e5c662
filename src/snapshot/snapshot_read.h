/* Reading JSON members into an arena; the first thing that is missing or of the wrong kind is
 * remembered and everything after it gives zeros. Private to src/snapshot. Thread: owner. */
#ifndef TRAWL_SNAPSHOT_SNAPSHOT_READ_H
#define TRAWL_SNAPSHOT_SNAPSHOT_READ_H

#include <jansson.h>

#include "base/arena.h"
#include "base/error.h"
#include "snapshot/snapshot.h"

struct snapshot_read {
    struct arena *arena;
    bool bad;
    char where[64]; /* the member */
};

/* The object of one JSON text with a format name and a version ≤ max_version; NULL with a sentence.
 * json_decref it. */
json_t *snapshot_read_document(struct slice text, const char *format, int max_version,
                               const char *what, struct error *reterr);
/* 0, or −EBADMSG / −ENOMEM with a sentence. */
int snapshot_read_result(const struct snapshot_read *r, const char *what, struct error *reterr);

void snapshot_read_fail(struct snapshot_read *r, const char *key);
char *snapshot_read_text(struct snapshot_read *r, const json_t *object, const char *key);
/* NULL when absent or null. */
char *snapshot_read_optional(struct snapshot_read *r, const json_t *object, const char *key);
uint64_t snapshot_read_uint(struct snapshot_read *r, const json_t *object, const char *key);
int64_t snapshot_read_int(struct snapshot_read *r, const json_t *object, const char *key);
bool snapshot_read_bool(struct snapshot_read *r, const json_t *object, const char *key);
int64_t snapshot_read_time(struct snapshot_read *r, const json_t *object, const char *key);
/* false when null or absent. */
bool snapshot_read_time_or_null(struct snapshot_read *r, const json_t *object, const char *key,
                                int64_t *ret_ns);
void snapshot_read_sha256(struct snapshot_read *r, const json_t *object, const char *key,
                          char out[SNAPSHOT_SHA256_SIZE]);
struct snapshot_interval snapshot_read_interval(struct snapshot_read *r, const json_t *object);
struct snapshot_drops snapshot_read_drops(struct snapshot_read *r, const json_t *object,
                                          const char *key);
/* The array's elements and a zeroed C array of as many items (`size` bytes each) in the arena; at
 * most max. */
const json_t *snapshot_read_array(struct snapshot_read *r, const json_t *object, const char *key,
                                  size_t max, size_t *ret_count);
void *snapshot_read_alloc(struct snapshot_read *r, size_t count, size_t size);
char **snapshot_read_texts(struct snapshot_read *r, const json_t *object, const char *key,
                           size_t max, size_t *ret_count);
const json_t *snapshot_read_object(struct snapshot_read *r, const json_t *object, const char *key);

#endif
