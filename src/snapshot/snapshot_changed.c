#include "snapshot/snapshot_changed.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "snapshot/snapshot_hash.h"

enum {
    READ_BYTES = 1024 * 1024,
    REMEMBERED = 256
};

/* Files get the time of the last tick (at 100 Hz the longest), which may lie before a clock read
 * earlier. */
#define TICK_NS    (10 * NS_PER_MS)
#define SETTLED_NS (2 * NS_PER_S)

/* ── what was read before ── */

struct verdict {
    dev_t dev;
    ino_t ino;
    struct timespec mtime;
    off_t size;
    char sha256[SNAPSHOT_SHA256_SIZE];
};

static struct verdict verdicts[REMEMBERED];
static size_t verdict_next;
static pthread_mutex_t verdict_lock = PTHREAD_MUTEX_INITIALIZER; /* guards both */

static bool recall(const struct stat *st, char sha256[SNAPSHOT_SHA256_SIZE])
{
    bool found = false;
    pthread_mutex_lock(&verdict_lock);
    for (size_t i = 0; i < REMEMBERED && !found; i++) {
        const struct verdict *v = &verdicts[i];
        found = v->sha256[0] && v->dev == st->st_dev && v->ino == st->st_ino &&
                v->size == st->st_size && v->mtime.tv_sec == st->st_mtim.tv_sec &&
                v->mtime.tv_nsec == st->st_mtim.tv_nsec;
        if (found)
            memcpy(sha256, v->sha256, SNAPSHOT_SHA256_SIZE);
    }
    pthread_mutex_unlock(&verdict_lock);
    return found;
}

static void remember(const struct stat *st, const char sha256[SNAPSHOT_SHA256_SIZE])
{
    pthread_mutex_lock(&verdict_lock);
    struct verdict *v = &verdicts[verdict_next++ % REMEMBERED];
    *v = (struct verdict){
        .dev = st->st_dev, .ino = st->st_ino, .mtime = st->st_mtim, .size = st->st_size};
    memcpy(v->sha256, sha256, SNAPSHOT_SHA256_SIZE);
    pthread_mutex_unlock(&verdict_lock);
}

static int hash_file(int fd, char sha256[SNAPSHOT_SHA256_SIZE])
{
    struct snapshot_hash hash = {0};
    uint8_t *data = malloc(READ_BYTES);
    int r = data ? snapshot_hash_begin(&hash) : -ENOMEM;
    for (ssize_t n = READ_BYTES; r == 0 && n == READ_BYTES;) {
        n = io_read_full(fd, data, READ_BYTES);
        if (n < 0)
            r = (int)n;
        else
            snapshot_hash_add(&hash, data, (size_t)n);
    }
    if (r == 0)
        r = snapshot_hash_end(&hash, sha256);
    snapshot_hash_done(&hash);
    free(data);
    return r;
}

/* ── one file ── */

/* When its files were as the manifest says: the first time that it was Completed. */
static int64_t completed_at(const struct snapshot *s)
{
    for (size_t i = 0; i < s->history_count; i++)
        if (strcmp(s->history[i].status, "Completed") == 0)
            return s->history[i].at_ns;
    return s->manifest->completed_at_ns;
}

static int changed(const struct snapshot_file *file, const char *how, struct error *reterr)
{
    return error_set(reterr, -EBADMSG,
                     "%.200s changed since it was recorded (%s), so its packets are no evidence: "
                     "`trawl snapshot verify` says where.",
                     file->name, how);
}

static int compare(const struct snapshot *s, int fd, const struct snapshot_file *file,
                   struct error *reterr)
{
    struct stat st;
    char sha256[SNAPSHOT_SHA256_SIZE];
    if (fstat(fd, &st) < 0)
        return error_set(reterr, -errno, "%.200s cannot be read: %s.", file->name,
                         strerrordesc_np(errno));
    if ((uint64_t)st.st_size != file->size_bytes)
        return changed(file, "it has another size", reterr);
    int64_t written_ns = st.st_mtim.tv_sec * NS_PER_S + st.st_mtim.tv_nsec;
    if (written_ns <= completed_at(s) - TICK_NS)
        return 0;
    if (!recall(&st, sha256)) {
        int r = hash_file(fd, sha256);
        if (r < 0)
            return error_set(reterr, r, "%.200s cannot be read: %s.", file->name,
                             strerrordesc_np(-r));
        /* Stamps are coarse: what was written just now may be written again under the same one. */
        if (clock_now_ns() - written_ns > SETTLED_NS)
            remember(&st, sha256);
    }
    return strcmp(sha256, file->sha256) == 0
               ? 0
               : changed(file, "it no longer matches its SHA-256", reterr);
}

int snapshot_file_check(const struct snapshot *snapshot, int dir, const struct snapshot_file *file,
                        struct error *reterr)
{
    int fd = openat(dir, file->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT)
        return error_set(reterr, -ESTALE, "The packets of this snapshot are gone (%.200s).",
                         file->name);
    if (fd < 0)
        return error_set(reterr, -errno, "%.200s cannot be read: %s.", file->name,
                         strerrordesc_np(errno));
    int r = file->damaged ? 0 : compare(snapshot, fd, file, reterr);
    close(fd);
    return r;
}

/* ── all that a question reads ── */

static bool wants_node(const struct snapshot_files_check *check, const char *name)
{
    for (size_t i = 0; i < check->node_count; i++)
        if (strcmp(check->nodes[i], name) == 0)
            return true;
    return check->node_count == 0;
}

static bool wants_file(const struct snapshot_files_check *check, const struct snapshot_node *node,
                       const struct snapshot_file *file)
{
    if (file->outside && !check->outside)
        return false;
    if (file->first_ns > file->last_ns)
        return true;
    __int128 first = (__int128)file->first_ns - node->clock_offset_ns,
             last = (__int128)file->last_ns - node->clock_offset_ns;
    return file->outside || (last >= check->from_ns && first <= check->to_ns);
}

int snapshot_files_check(struct snapshot_store *store, const struct snapshot *snapshot,
                         const struct snapshot_files_check *check, struct error *reterr)
{
    const struct snapshot_manifest *m = snapshot->manifest;
    int dir = snapshot_store_open_dir(store, snapshot->id, reterr), r = dir < 0 ? dir : 0;
    for (size_t n = 0; r == 0 && n < m->node_count; n++) {
        const struct snapshot_node *node = &m->nodes[n];
        for (size_t f = 0; r == 0 && f < node->file_count && wants_node(check, node->name); f++) {
            struct error err = {.offset = ERROR_NO_OFFSET};
            if (wants_file(check, node, &node->files[f]))
                r = snapshot_file_check(snapshot, dir, &node->files[f], &err);
            if (r == -EBADMSG && check->on_changed) {
                check->on_changed(check->ctx, &err);
                r = 0;
            }
            if (r < 0 && reterr)
                *reterr = err;
        }
    }
    if (dir >= 0)
        close(dir);
    return r;
}
