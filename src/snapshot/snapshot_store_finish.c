/* The store's points of no return: complete, adopt, delete. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "snapshot/snapshot_hash.h"
#include "snapshot/snapshot_json.h"
#include "snapshot/snapshot_model.h"
#include "snapshot/snapshot_store.h"
#include "snapshot/snapshot_store_private.h"

int snapshot_store_open_dir(struct snapshot_store *store, const char *id, struct error *reterr)
{
    int dir = store_is_id(id)
                  ? openat(store->dir_fd, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
                  : -1;
    return dir < 0 ? store_not_found(id, reterr) : dir;
}

int snapshot_store_path(const struct snapshot_store *store, const char *id, char *out,
                        size_t out_size)
{
    int n = snprintf(out, out_size, "%s/snapshots/%s", store->data_dir, id);
    return n < 0 || (size_t)n >= out_size ? -ENAMETOOLONG : 0;
}

/* ── complete ── */

/* What the state knows and the manifest has to say. */
static int fill_manifest(struct snapshot_manifest *m, const struct snapshot *s)
{
    memcpy(m->id, s->id, sizeof m->id);
    m->created_at_ns = s->created_at_ns;
    m->completed_at_ns = clock_now_ns();
    m->imported = s->imported;
    m->tool_version = arena_strdup(&m->arena, "trawl " TRAWL_VERSION);
    if (!m->tool_version || snapshot_copy_request(&m->arena, &s->request, &m->requested) < 0)
        return -ENOMEM;
    snapshot_manifest_total(m);
    return 0;
}

/* manifest.json, signed, into the folder; its SHA-256 into sha256. */
static int write_manifest(struct snapshot_store *store, int dir, struct snapshot_manifest *m,
                          char sha256[SNAPSHOT_SHA256_SIZE], struct error *reterr)
{
    struct buf json;
    buf_init(&json, SNAPSHOT_MANIFEST_MAX_BYTES);
    int r = snapshot_manifest_write(m, &json);
    if (r == 0)
        r = snapshot_key_sign(store->key, &json);
    if (r == 0)
        r = snapshot_hash_bytes(buf_slice(&json), sha256);
    if (r == 0) {
        m->public_key = arena_strdup(&m->arena, snapshot_key_public(store->key));
        r = m->public_key ? 0 : -ENOMEM;
    }
    if (r == 0)
        r = io_replace_file(SNAPSHOT_PHASE_MANIFEST, dir, "manifest.json", buf_slice(&json), 0400);
    buf_done(&json);
    return r < 0 ? error_set(reterr, r, "The manifest cannot be written: %s.", strerrordesc_np(-r))
                 : 0;
}

struct completion {
    struct snapshot_manifest *manifest;
    const char *sha256;
};

static int edit_complete(struct snapshot *s, void *ctx, struct error *reterr)
{
    const struct completion *c = ctx;
    if (s->status != SNAPSHOT_IN_PROGRESS)
        return error_set(reterr, -EBUSY, "The snapshot is no longer in progress.");
    s->manifest = snapshot_manifest_ref(c->manifest);
    s->signed_here = true;
    memcpy(s->manifest_sha256, c->sha256, SNAPSHOT_SHA256_SIZE);
    const struct snapshot_manifest *m = c->manifest;
    const char *text = m->partial ? "completed, partial"
                       : m->empty ? "completed, empty"
                                  : "completed";
    return store_set_status(s, SNAPSHOT_COMPLETED, "", text);
}

int snapshot_store_complete(struct snapshot_store *store, const char *id,
                            struct snapshot_manifest *manifest, struct error *reterr)
{
    struct snapshot *s = NULL;
    int r = snapshot_store_get(store, id, &s, reterr), dir = -1;
    if (r == 0 && s->status != SNAPSHOT_IN_PROGRESS)
        r = error_set(reterr, -EBUSY, "The snapshot is no longer in progress.");
    if (r == 0) {
        r = fill_manifest(manifest, s);
        if (r < 0)
            error_set(reterr, r, "There is no memory for the manifest.");
    }
    if (r == 0) {
        dir = snapshot_store_open_dir(store, id, reterr);
        r = dir < 0 ? dir : 0;
    }
    char sha256[SNAPSHOT_SHA256_SIZE] = "";
    if (r == 0)
        r = write_manifest(store, dir, manifest, sha256, reterr);
    if (r == 0) {
        struct completion c = {manifest, sha256};
        struct store_change change = {.edit = edit_complete, .ctx = &c, .free_reservation = true};
        r = store_apply(store, id, &change, reterr);
    }
    if (dir >= 0)
        close(dir);
    snapshot_unref(s);
    snapshot_manifest_unref(manifest);
    return r;
}

/* ── import: stage, adopt ── */

static void staged_name(const char *id, char out[64])
{
    snprintf(out, 64, "%s.import", id);
}

static bool forget_stage(struct snapshot_store *store, const char *id)
{
    for (struct store_stage **at = &store->stages; *at; at = &(*at)->next)
        if (strcmp((*at)->id, id) == 0) {
            struct store_stage *gone = *at;
            *at = gone->next;
            free(gone);
            return true;
        }
    return false;
}

int snapshot_store_stage(struct snapshot_store *store, const char *id, uint64_t bytes,
                         int *ret_dir_fd, struct error *reterr)
{
    if (!store_is_id(id))
        return error_set(reterr, -EINVAL, "That is not an id of a snapshot.");
    struct store_stage *stage = calloc(1, sizeof *stage);
    if (!stage)
        return error_set(reterr, -ENOMEM, "There is no memory for the import.");
    memcpy(stage->id, id, SNAPSHOT_ID_SIZE);
    stage->bytes = bytes;
    char name[64];
    staged_name(id, name);
    pthread_mutex_lock(&store->mutex);
    int r = store_fit(store, bytes, reterr);
    if (r == 0) {
        r = io_mkdir(SNAPSHOT_PHASE_IMPORT, store->dir_fd, name, 0700);
        if (r < 0)
            error_set(reterr, r, "The import's folder cannot be made: %s.", strerrordesc_np(-r));
    }
    if (r == 0) {
        stage->next = store->stages;
        store->stages = stage;
        stage = NULL;
    }
    pthread_mutex_unlock(&store->mutex);
    free(stage);
    if (r < 0)
        return r;
    int dir = openat(store->dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (dir < 0) {
        r = -errno;
        snapshot_store_unstage(store, id);
        return error_set(reterr, r, "The import's folder cannot be opened: %s.",
                         strerrordesc_np(-r));
    }
    *ret_dir_fd = dir;
    return 0;
}

void snapshot_store_unstage(struct snapshot_store *store, const char *id)
{
    char name[64];
    staged_name(id, name);
    pthread_mutex_lock(&store->mutex);
    bool ours = forget_stage(store, id);
    pthread_mutex_unlock(&store->mutex);
    if (ours)
        (void)io_remove_tree(SNAPSHOT_PHASE_DELETE, store->dir_fd, name);
}

static int adopted_snapshot(const struct snapshot_adoption *a, struct snapshot_manifest *m,
                            const char *sha256, struct snapshot **ret)
{
    struct snapshot *s = snapshot_new();
    if (!s)
        return -ENOMEM;
    memcpy(s->id, a->id, SNAPSHOT_ID_SIZE);
    memcpy(s->manifest_sha256, sha256, SNAPSHOT_SHA256_SIZE);
    s->imported = true;
    s->created_at_ns = m->created_at_ns;
    s->manifest = snapshot_manifest_ref(m);
    s->note = arena_strdup(&s->arena, "");
    struct snapshot_request request = m->requested;
    union {
        const char *in;
        char *out;
    } name = {.in = a->name};
    if (name.in)
        request.name = name.out; /* copied below */
    char text[128];
    snprintf(text, sizeof text, "imported%s%.64s", a->by && a->by[0] ? " by " : "",
             a->by ? a->by : "");
    if (!s->note || snapshot_copy_request(&s->arena, &request, &s->request) < 0 ||
        store_set_status(s, SNAPSHOT_COMPLETED, "", text) < 0) {
        snapshot_unref(s);
        return -ENOMEM;
    }
    *ret = s;
    return 0;
}

static int appear(struct snapshot_store *store, const char *staged, struct snapshot *s,
                  struct error *reterr)
{
    char name[64];
    staged_name(staged, name);
    pthread_mutex_lock(&store->mutex);
    int r = store_find(store, s->id)
                ? error_set(reterr, -EEXIST, "A snapshot with the id %s is already here.", s->id)
                : store_write_state(store, name, s, reterr);
    if (r == 0) {
        r = io_rename(SNAPSHOT_PHASE_IMPORT, store->dir_fd, name, store->dir_fd, s->id);
        if (r == 0)
            r = io_fsync(SNAPSHOT_PHASE_IMPORT, store->dir_fd);
        if (r < 0)
            error_set(reterr, r, "The import cannot be put in place: %s.", strerrordesc_np(-r));
        if (r < 0) /* undo, should the rename have happened */
            (void)renameat(store->dir_fd, s->id, store->dir_fd, name);
    }
    if (r == 0) {
        forget_stage(store, staged);
        r = store_insert(store, snapshot_ref(s));
        if (r < 0)
            error_set(reterr, r, "There is no memory for a snapshot.");
    }
    pthread_mutex_unlock(&store->mutex);
    return r;
}

int snapshot_store_adopt(struct snapshot_store *store, const struct snapshot_adoption *a,
                         struct error *reterr)
{
    struct snapshot_manifest *m = a->manifest;
    char folder[64], sha256[SNAPSHOT_SHA256_SIZE] = "";
    staged_name(a->staged, folder);
    int dir = openat(store->dir_fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    int r = dir < 0 ? error_set(reterr, -ENOENT, "Nothing is staged as %s.", a->staged) : 0;
    if (r == 0 && a->name)
        r = snapshot_check_name(a->name, reterr);
    if (r == 0 && m) {
        memcpy(m->id, a->id, sizeof m->id);
        m->imported = true;
        m->created_at_ns = m->completed_at_ns = clock_now_ns();
        m->tool_version = arena_strdup(&m->arena, "trawl " TRAWL_VERSION);
        snapshot_manifest_total(m);
        r = write_manifest(store, dir, m, sha256, reterr);
    } else if (r == 0) {
        r = store_read_manifest(dir, &m, sha256, reterr);
    }
    if (r == 0 && !a->name && snapshot_check_name(m->requested.name, NULL) < 0)
        r = error_set(reterr, -EINVAL,
                      "The archive's name for the snapshot cannot be used: give it another one.");
    struct snapshot *s = NULL;
    if (r == 0) {
        r = adopted_snapshot(a, m, sha256, &s);
        if (r < 0)
            error_set(reterr, r, "There is no memory for a snapshot.");
    }
    if (r == 0) {
        r = io_fsync(SNAPSHOT_PHASE_IMPORT, dir);
        if (r < 0)
            error_set(reterr, r, "The import cannot be written: %s.", strerrordesc_np(-r));
    }
    if (r == 0)
        r = appear(store, a->staged, s, reterr);
    if (r == 0)
        store_announce(store, s->id, s);
    snapshot_unref(s);
    snapshot_manifest_unref(m);
    if (dir >= 0)
        close(dir);
    return r;
}

/* ── delete ── */

static int check_delete(const struct snapshot *s, struct error *reterr)
{
    if (s->locked)
        return error_set(reterr, -EPERM, "The snapshot is locked: unlock it first.");
    if (s->status == SNAPSHOT_IN_PROGRESS)
        return error_set(reterr, -EBUSY, "The snapshot is being taken: cancel it first.");
    for (size_t i = 0; i < s->dissection_count; i++)
        if (snapshot_dissection_runs(&s->dissections[i]))
            return error_set(reterr, -EBUSY, "The snapshot is being dissected: cancel that first.");
    return 0;
}

int snapshot_store_delete(struct snapshot_store *store, const char *id, uint64_t *ret_freed_bytes,
                          struct error *reterr)
{
    char gone[64];
    snprintf(gone, sizeof gone, "%.40s.deleting", id);
    pthread_mutex_lock(&store->mutex);
    const struct store_slot *slot = store_find(store, id);
    int r = slot ? check_delete(slot->now, reterr) : store_not_found(id, reterr);
    uint64_t bytes = r == 0 ? snapshot_size_bytes(slot->now) : 0;
    if (r == 0) {
        /* The rename is the moment: before it the snapshot is whole, after it recovery goes on. */
        r = io_rename(SNAPSHOT_PHASE_DELETE, store->dir_fd, id, store->dir_fd, gone);
        if (r < 0)
            error_set(reterr, r, "The snapshot cannot be deleted: %s.", strerrordesc_np(-r));
    }
    if (r == 0) {
        (void)io_fsync(SNAPSHOT_PHASE_DELETE, store->dir_fd);
        store_remove(store, id);
    }
    pthread_mutex_unlock(&store->mutex);
    if (r < 0)
        return r;
    r = io_remove_tree(SNAPSHOT_PHASE_DELETE, store->dir_fd, gone);
    store_announce(store, id, NULL);
    if (r < 0)
        return error_set(reterr, r,
                         "The snapshot is deleted, but its files are not all gone yet (%s): the "
                         "next start removes them.",
                         strerrordesc_np(-r));
    *ret_freed_bytes = bytes;
    return 0;
}
