#include "snapshot/snapshot_store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/text.h"
#include "snapshot/snapshot_hash.h"
#include "snapshot/snapshot_json.h"
#include "snapshot/snapshot_model.h"
#include "snapshot/snapshot_store_private.h"

/* ── open and close ── */

static int open_folders(struct snapshot_store *store, struct error *reterr)
{
    int r = io_make_dirs(SNAPSHOT_PHASE_STATE, store->data_dir, 0700);
    if (r < 0)
        return error_set(reterr, r, "The data folder %s cannot be made: %s.", store->data_dir,
                         strerrordesc_np(-r));
    store->data_fd = open(store->data_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (store->data_fd < 0)
        return error_set(reterr, -errno, "The data folder %s cannot be opened: %s.",
                         store->data_dir, strerrordesc_np(errno));
    r = io_mkdir(SNAPSHOT_PHASE_STATE, store->data_fd, "snapshots", 0700);
    if (r < 0 && r != -EEXIST)
        return error_set(reterr, r, "The snapshots folder in %s cannot be made: %s.",
                         store->data_dir, strerrordesc_np(-r));
    store->dir_fd =
        openat(store->data_fd, "snapshots", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (store->dir_fd < 0)
        return error_set(reterr, -errno, "The snapshots folder in %s cannot be opened: %s.",
                         store->data_dir, strerrordesc_np(errno));
    r = io_fsync(SNAPSHOT_PHASE_STATE, store->data_fd);
    return r < 0 ? error_set(reterr, r, "The data folder %s cannot be written: %s.",
                             store->data_dir, strerrordesc_np(-r))
                 : 0;
}

int snapshot_store_open(const struct snapshot_store_options *options,
                        struct snapshot_store **ret_store, struct error *reterr)
{
    struct snapshot_store *store = calloc(1, sizeof *store);
    if (!store)
        return error_set(reterr, -ENOMEM, "There is no memory for the snapshot store.");
    store->options = *options;
    store->data_fd = store->dir_fd = -1;
    buf_init(&store->report, 64 * 1024);
    pthread_mutex_init(&store->mutex, NULL);
    store->data_dir = strdup(options->data_dir);
    int r = store->data_dir ? open_folders(store, reterr)
                            : error_set(reterr, -ENOMEM, "There is no memory for a path.");
    if (r == 0)
        r = snapshot_key_open(store->data_fd, &store->key, reterr);
    if (r == 0)
        r = store_recover(store, reterr);
    if (r < 0) {
        snapshot_store_free(store);
        return r;
    }
    *ret_store = store;
    return 0;
}

void snapshot_store_free(struct snapshot_store *store)
{
    if (!store)
        return;
    for (size_t i = 0; i < store->count; i++) {
        snapshot_unref(store->slots[i]->now);
        free(store->slots[i]);
    }
    free(store->slots);
    while (store->stages) {
        struct store_stage *next = store->stages->next;
        free(store->stages);
        store->stages = next;
    }
    snapshot_key_free(store->key);
    if (store->dir_fd >= 0)
        close(store->dir_fd);
    if (store->data_fd >= 0)
        close(store->data_fd);
    buf_done(&store->report);
    pthread_mutex_destroy(&store->mutex);
    free(store->data_dir);
    free(store);
}

const char *snapshot_store_recovery_report(const struct snapshot_store *store)
{
    return store->report.len ? (const char *)store->report.data : "";
}

const struct snapshot_key *snapshot_store_key(const struct snapshot_store *store)
{
    return store->key;
}

/* ── slots ── */

static size_t lower_bound(const struct snapshot_store *store, const char *id)
{
    size_t low = 0, high = store->count;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (strcmp(store->slots[mid]->now->id, id) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

struct store_slot *store_find(const struct snapshot_store *store, const char *id)
{
    size_t at = lower_bound(store, id);
    if (at == store->count || strcmp(store->slots[at]->now->id, id) != 0)
        return NULL;
    return store->slots[at];
}

int store_insert(struct snapshot_store *store, struct snapshot *snapshot)
{
    const struct snapshot_manifest *m = snapshot->manifest;
    snapshot->signed_here =
        m && m->public_key && strcmp(m->public_key, snapshot_key_public(store->key)) == 0;
    struct store_slot *slot = calloc(1, sizeof *slot);
    if (slot && store->count == store->cap) {
        size_t cap = store->cap ? store->cap * 2 : 64;
        struct store_slot **slots = reallocarray(store->slots, cap, sizeof(struct store_slot *));
        if (slots) {
            store->slots = slots;
            store->cap = cap;
        }
    }
    if (!slot || store->count == store->cap) {
        free(slot);
        snapshot_unref(snapshot);
        return -ENOMEM;
    }
    size_t at = lower_bound(store, snapshot->id);
    memmove(&store->slots[at + 1], &store->slots[at],
            (store->count - at) * sizeof(struct store_slot *));
    slot->now = snapshot;
    store->slots[at] = slot;
    store->count++;
    return 0;
}

void store_remove(struct snapshot_store *store, const char *id)
{
    size_t at = lower_bound(store, id);
    if (at == store->count || strcmp(store->slots[at]->now->id, id) != 0)
        return;
    snapshot_unref(store->slots[at]->now);
    free(store->slots[at]);
    store->count--;
    memmove(&store->slots[at], &store->slots[at + 1],
            (store->count - at) * sizeof(struct store_slot *));
}

int store_write_state(struct snapshot_store *store, const char *folder,
                      const struct snapshot *version, struct error *reterr)
{
    struct buf json;
    buf_init(&json, SNAPSHOT_STATE_MAX_BYTES);
    int r = snapshot_state_write(version, &json);
    int dir = -1;
    if (r == 0) {
        dir = openat(store->dir_fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        r = dir < 0 ? -errno : 0;
    }
    if (r == 0)
        r = io_replace_file(SNAPSHOT_PHASE_STATE, dir, "state.json", buf_slice(&json), 0600);
    if (dir >= 0)
        close(dir);
    buf_done(&json);
    return r < 0 ? error_set(reterr, r, "The snapshot's state cannot be written: %s.",
                             strerrordesc_np(-r))
                 : 0;
}

void store_announce(struct snapshot_store *store, const char *id, const struct snapshot *version)
{
    if (store->options.on_change)
        store->options.on_change(store->options.ctx, id, version);
}

int store_not_found(const char *id, struct error *reterr)
{
    char shown[80];
    text_escape(slice_str(id), shown, sizeof shown);
    return error_set(reterr, -ENOENT, "There is no snapshot \"%s\".", shown);
}

/* ── quota ── */

void store_quota(const struct snapshot_store *store, struct snapshot_quota *ret_quota)
{
    uint64_t used = 0, reserved = 0, outstanding = 0;
    for (size_t i = 0; i < store->count; i++) {
        const struct store_slot *slot = store->slots[i];
        used += snapshot_size_bytes(slot->now);
        reserved += slot->reserved;
        /* what has come already is no longer free on the disk */
        uint64_t come = slot->now->progress.bytes;
        outstanding += slot->reserved > come ? slot->reserved - come : 0;
    }
    for (const struct store_stage *stage = store->stages; stage; stage = stage->next) {
        reserved += stage->bytes;
        outstanding += stage->bytes;
    }
    struct statvfs fs;
    uint64_t disk = UINT64_MAX;
    if (fstatvfs(store->dir_fd, &fs) == 0) {
        uint64_t floor = store->options.free_floor_bytes;
        uint64_t size = (uint64_t)fs.f_blocks * fs.f_frsize;
        if (floor == 0)
            floor = size / 20 < (1ULL << 30) ? size / 20 : 1ULL << 30;
        disk = (uint64_t)fs.f_bavail * fs.f_frsize;
        disk = disk > floor ? disk - floor : 0;
        disk = disk > outstanding ? disk - outstanding : 0;
    }
    uint64_t limit = store->options.quota_bytes;
    if (limit == 0)
        limit = disk == UINT64_MAX ? UINT64_MAX : used + reserved + disk;
    uint64_t taken = used + reserved;
    uint64_t left = limit > taken ? limit - taken : 0;
    *ret_quota = (struct snapshot_quota){.limit_bytes = limit,
                                         .used_bytes = used,
                                         .reserved_bytes = reserved,
                                         .free_bytes = left < disk ? left : disk};
}

void snapshot_store_quota(struct snapshot_store *store, struct snapshot_quota *ret_quota)
{
    pthread_mutex_lock(&store->mutex);
    store_quota(store, ret_quota);
    pthread_mutex_unlock(&store->mutex);
}

void snapshot_quota_write_json(const struct snapshot_quota *quota, struct json_writer *w)
{
    json_begin_object(w);
    json_member_uint(w, "limit_bytes", quota->limit_bytes);
    json_member_uint(w, "used_bytes", quota->used_bytes);
    json_member_uint(w, "reserved_bytes", quota->reserved_bytes);
    json_member_uint(w, "free_bytes", quota->free_bytes);
    json_end_object(w);
}

int store_fit(struct snapshot_store *store, uint64_t need, struct error *reterr)
{
    struct snapshot_quota quota;
    store_quota(store, &quota);
    if (need <= quota.free_bytes)
        return 0;
    char a[24], b[24];
    return error_set(reterr, -EDQUOT,
                     "The snapshot does not fit: it needs %s (%llu bytes), %s (%llu bytes) are "
                     "available. Delete snapshots or raise the quota.",
                     text_format_size(need, a), (unsigned long long)need,
                     text_format_size(quota.free_bytes, b), (unsigned long long)quota.free_bytes);
}

int snapshot_store_reserve(struct snapshot_store *store, const char *id, uint64_t bytes,
                           struct error *reterr)
{
    pthread_mutex_lock(&store->mutex);
    struct store_slot *slot = store_find(store, id);
    int r = slot ? 0 : store_not_found(id, reterr);
    if (r == 0 && bytes > slot->reserved) {
        uint64_t before = slot->reserved;
        slot->reserved = 0;
        r = store_fit(store, bytes, reterr);
        slot->reserved = before;
    }
    if (r == 0)
        slot->reserved = bytes;
    pthread_mutex_unlock(&store->mutex);
    return r;
}

/* ── find and list ── */

static bool name_is(const struct snapshot *s, const char *name)
{
    return strcmp(s->request.name, name) == 0;
}

static bool id_begins(const struct snapshot *s, const char *prefix)
{
    return strncasecmp(s->id, prefix, strlen(prefix)) == 0;
}

static struct snapshot *lookup(const struct snapshot_store *store, const char *ref,
                               bool (*match)(const struct snapshot *, const char *),
                               size_t *ret_matches)
{
    struct snapshot *found = NULL;
    *ret_matches = 0;
    for (size_t i = 0; i < store->count; i++)
        if (match(store->slots[i]->now, ref)) {
            found = store->slots[i]->now;
            ++*ret_matches;
        }
    return found;
}

static int find_ref(const struct snapshot_store *store, const char *ref,
                    struct snapshot **ret_found, struct error *reterr)
{
    struct store_slot *exact = store_find(store, ref);
    if (exact) {
        *ret_found = exact->now;
        return 0;
    }
    if (strcmp(ref, "@latest") == 0) {
        if (store->count == 0)
            return error_set(reterr, -ENOENT, "There is no snapshot yet.");
        /* An import brings its own id and times: it is the latest only where nothing was taken. */
        size_t at = store->count - 1;
        for (size_t i = store->count; i-- > 0;)
            if (!store->slots[i]->now->imported) {
                at = i;
                break;
            }
        *ret_found = store->slots[at]->now;
        return 0;
    }
    char shown[80];
    text_escape(slice_str(ref), shown, sizeof shown);
    size_t named = 0, prefixed = 0;
    struct snapshot *by_name = lookup(store, ref, name_is, &named);
    if (named == 1) {
        *ret_found = by_name;
        return 0;
    }
    struct snapshot *by_prefix = ref[0] ? lookup(store, ref, id_begins, &prefixed) : NULL;
    if (named == 0 && prefixed == 1) {
        *ret_found = by_prefix;
        return 0;
    }
    if (named || prefixed)
        return error_set(reterr, -ENOTUNIQ, "%zu snapshots %s \"%s\": give the whole id.",
                         named ? named : prefixed, named ? "are named" : "have ids that begin with",
                         shown);
    return error_set(reterr, -ENOENT, "There is no snapshot \"%s\".", shown);
}

int snapshot_store_get(struct snapshot_store *store, const char *ref,
                       struct snapshot **ret_snapshot, struct error *reterr)
{
    pthread_mutex_lock(&store->mutex);
    struct snapshot *found = NULL;
    int r = find_ref(store, ref, &found, reterr);
    if (r == 0)
        *ret_snapshot = snapshot_ref(found);
    pthread_mutex_unlock(&store->mutex);
    return r;
}

static bool search_matches(const struct snapshot *s, const char *search)
{
    if (!search || !search[0] || strcasestr(s->request.name, search) ||
        strcasestr(s->note, search) || strcasestr(s->id, search))
        return true;
    for (size_t i = 0; i < s->tag_count; i++)
        if (strcasestr(s->tags[i], search))
            return true;
    return false;
}

int snapshot_store_list(struct snapshot_store *store, const char *search, const char *status,
                        struct snapshot_list *ret_list, struct error *reterr)
{
    pthread_mutex_lock(&store->mutex);
    struct snapshot_list list = {
        .items = calloc(store->count ? store->count : 1, sizeof(struct snapshot *))};
    for (size_t i = store->count; list.items && i-- > 0;) {
        struct snapshot *s = store->slots[i]->now;
        if (search_matches(s, search) &&
            (!status || !status[0] || strcmp(status, snapshot_status_text(s)) == 0))
            list.items[list.count++] = snapshot_ref(s);
    }
    pthread_mutex_unlock(&store->mutex);
    if (!list.items)
        return error_set(reterr, -ENOMEM, "There is no memory for the list.");
    *ret_list = list;
    return 0;
}

void snapshot_list_done(struct snapshot_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        snapshot_unref(list->items[i]);
    free(list->items);
    *list = (struct snapshot_list){0};
}
