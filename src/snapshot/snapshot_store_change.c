#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/text.h"
#include "snapshot/snapshot_filter.h"
#include "snapshot/snapshot_json.h"
#include "snapshot/snapshot_model.h"
#include "snapshot/snapshot_store.h"
#include "snapshot/snapshot_store_private.h"

/* ── one change: clone, edit, write, swap ── */

int store_apply(struct snapshot_store *store, const char *id, const struct store_change *change,
                struct error *reterr)
{
    pthread_mutex_lock(&store->mutex);
    struct store_slot *slot = store_find(store, id);
    int r = slot ? 0 : store_not_found(id, reterr);
    struct snapshot *version = r == 0 ? snapshot_clone(slot->now) : NULL;
    if (r == 0 && !version)
        r = error_set(reterr, -ENOMEM, "There is no memory for the change.");
    if (r == 0)
        r = change->edit(version, change->ctx, reterr);
    if (r == 0 && !change->volatile_only)
        r = store_write_state(store, id, version, reterr);
    struct snapshot *shown = NULL;
    if (r == 0) {
        snapshot_unref(slot->now);
        slot->now = version;
        if (change->free_reservation)
            slot->reserved = 0;
        shown = snapshot_ref(version);
        version = NULL;
    }
    pthread_mutex_unlock(&store->mutex);
    snapshot_unref(version);
    if (shown) {
        store_announce(store, id, shown);
        snapshot_unref(shown);
    }
    return r;
}

int store_set_status(struct snapshot *s, enum snapshot_status status, const char *detail,
                     const char *text)
{
    s->status = status;
    s->status_detail = arena_strdup(&s->arena, detail);
    if (!s->status_detail)
        return -ENOMEM;
    return snapshot_add_history(s, snapshot_status_text(s), text);
}

/* ── create ── */

void snapshot_new_id(struct snapshot_store *store, char ret_id[SNAPSHOT_ID_SIZE])
{
    pthread_mutex_lock(&store->mutex);
    int64_t now = clock_now_ns();
    if (now <= store->last_id_ns)
        now = store->last_id_ns + 1;
    store->last_id_ns = now;
    pthread_mutex_unlock(&store->mutex);
    uint8_t bytes[16];
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)((uint64_t)now >> (56 - 8 * i));
    if (getrandom(bytes + 8, 8, 0) != 8)
        memset(bytes + 8, 0, 8); /* the time is unique within one store */
    text_base32hex(bytes, sizeof bytes, ret_id, SNAPSHOT_ID_SIZE);
    ret_id[SNAPSHOT_ID_SIZE - 1] = '\0';
}

static bool is_blank(uint32_t c)
{
    return c == 0x20 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x202f ||
           c == 0x205f || c == 0x3000;
}

int snapshot_check_name(const char *name, struct error *reterr)
{
    struct slice s = slice_str(name);
    uint32_t first = 0, last = 0;
    if (s.len == 0)
        return error_set(reterr, -EINVAL, "A snapshot needs a name.");
    if (s.len > SNAPSHOT_MAX_NAME_BYTES)
        return error_set(reterr, -EINVAL, "The name is too long: at most %d bytes.",
                         SNAPSHOT_MAX_NAME_BYTES);
    if (!text_is_utf8(s))
        return error_set(reterr, -EINVAL, "The name is not valid UTF-8.");
    for (size_t pos = 0; pos < s.len;) {
        size_t at = pos;
        uint32_t c = text_next_code_point(s, &pos);
        first = at == 0 ? c : first;
        last = c;
        bool control = c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029 ||
                       (c >= 0x200b && c <= 0x200f) || (c >= 0x202a && c <= 0x202e) ||
                       (c >= 0x2060 && c <= 0x2069) || c == 0xfeff;
        if (control)
            return error_set_at(reterr, -EINVAL, at,
                                "The name holds a control character at byte %zu.", at);
        if (c == '/' || c == '\\')
            return error_set_at(reterr, -EINVAL, at,
                                "The name holds a slash at byte %zu: use \"-\" instead.", at);
    }
    if (name[0] == '@')
        return error_set_at(reterr, -EINVAL, 0, "A name cannot begin with \"@\".");
    if (is_blank(first) || is_blank(last))
        return error_set_at(reterr, -EINVAL, is_blank(first) ? 0 : s.len - 1,
                            "The name begins or ends with a blank: leave it out.");
    return 0;
}

/* All that can be said of a filter before it meets a packet. */
static int check_filter(const char *expression, struct error *reterr)
{
    struct snapshot_filter filter;
    int r = snapshot_filter_init(&filter, expression, reterr);
    snapshot_filter_done(&filter);
    return r;
}

static int check_request(const struct snapshot_request *request, struct error *reterr)
{
    int r = snapshot_check_name(request->name ? request->name : "", reterr);
    if (r < 0)
        return r;
    if (request->to_ns <= request->from_ns)
        return error_set(reterr, -EINVAL,
                         "The window is empty: its end must lie behind its start.");
    if (request->from_ns < 0)
        return error_set(reterr, -EINVAL, "The window begins before 1970.");
    if (request->node_count > SNAPSHOT_MAX_NODES)
        return error_set(reterr, -EINVAL, "At most %d nodes fit one snapshot.", SNAPSHOT_MAX_NODES);
    for (size_t i = 0; i < request->node_count; i++) {
        size_t len = strlen(request->nodes[i]);
        if (len == 0 || len > SNAPSHOT_MAX_NODE_NAME_BYTES ||
            !text_is_utf8(slice_str(request->nodes[i])))
            return error_set(reterr, -EINVAL, "A node's name is empty, too long or not UTF-8.");
        char folder[3 * SNAPSHOT_MAX_NODE_NAME_BYTES + 1];
        snapshot_node_folder(request->nodes[i], folder);
        if (strlen(folder) > 255)
            return error_set(reterr, -EINVAL, "A node's name is too long for a folder.");
        for (size_t k = 0; k < i; k++)
            if (strcmp(request->nodes[i], request->nodes[k]) == 0)
                return error_set(reterr, -EINVAL, "A node is named twice.");
    }
    return check_filter(request->filter, reterr);
}

/* A folder without state.json is nothing: recovery removes it. */
static int make_folder(struct snapshot_store *store, const struct snapshot *snapshot,
                       struct error *reterr)
{
    int r = io_mkdir(SNAPSHOT_PHASE_STATE, store->dir_fd, snapshot->id, 0700);
    if (r < 0)
        return error_set(reterr, r, "The snapshot's folder cannot be made: %s.",
                         strerrordesc_np(-r));
    r = store_write_state(store, snapshot->id, snapshot, reterr);
    if (r == 0) {
        r = io_fsync(SNAPSHOT_PHASE_STATE, store->dir_fd);
        if (r < 0)
            error_set(reterr, r, "The snapshots folder cannot be written: %s.",
                      strerrordesc_np(-r));
    }
    if (r < 0)
        (void)io_remove_tree(SNAPSHOT_PHASE_DELETE, store->dir_fd, snapshot->id);
    return r;
}

int snapshot_store_create(struct snapshot_store *store, const struct snapshot_request *request,
                          char ret_id[SNAPSHOT_ID_SIZE], struct error *reterr)
{
    int r = check_request(request, reterr);
    if (r < 0)
        return r;
    struct snapshot *s = snapshot_new();
    if (!s)
        return error_set(reterr, -ENOMEM, "There is no memory for a snapshot.");
    snapshot_new_id(store, s->id);
    s->created_at_ns = clock_now_ns();
    s->progress.eta_ns = -1;
    s->progress.nodes_total = (unsigned)request->node_count;
    s->note = arena_strdup(&s->arena, "");
    s->status_detail = arena_strdup(&s->arena, "");
    if (!s->note || !s->status_detail ||
        snapshot_copy_request(&s->arena, request, &s->request) < 0 ||
        snapshot_add_history(s, "Pending", "created") < 0) {
        snapshot_unref(s);
        return error_set(reterr, -ENOMEM, "There is no memory for a snapshot.");
    }
    pthread_mutex_lock(&store->mutex);
    r = store_fit(store, request->estimate_bytes, reterr);
    if (r == 0)
        r = make_folder(store, s, reterr);
    char id[SNAPSHOT_ID_SIZE];
    memcpy(id, s->id, sizeof id);
    struct snapshot *shown = NULL;
    if (r == 0) {
        shown = snapshot_ref(s);
        r = store_insert(store, s);
        if (r == 0)
            store_find(store, id)->reserved = request->estimate_bytes;
        else
            error_set(reterr, r, "There is no memory for a snapshot.");
    } else {
        snapshot_unref(s);
    }
    pthread_mutex_unlock(&store->mutex);
    if (r == 0) {
        memcpy(ret_id, id, sizeof id);
        store_announce(store, id, shown);
    }
    snapshot_unref(shown);
    return r;
}

/* ── changes ── */

static int edit_tags(struct snapshot *s, const char *const *tags, struct error *reterr)
{
    size_t count = 0;
    while (tags[count])
        count++;
    if (count > SNAPSHOT_MAX_TAGS)
        return error_set(reterr, -EINVAL, "At most %d tags are kept.", SNAPSHOT_MAX_TAGS);
    char **copy = arena_calloc(&s->arena, count + 1, sizeof *copy);
    for (size_t i = 0; copy && i < count; i++) {
        int r = snapshot_check_name(tags[i], NULL);
        if (r < 0)
            return error_set(reterr, r,
                             "A tag is empty, too long, or holds a character that is "
                             "not allowed.");
        copy[i] = arena_strdup(&s->arena, tags[i]);
        if (!copy[i])
            copy = NULL;
    }
    if (!copy)
        return error_set(reterr, -ENOMEM, "There is no memory for the tags.");
    s->tags = copy;
    s->tag_count = count;
    return 0;
}

static int edit_values(struct snapshot *s, void *ctx, struct error *reterr)
{
    const struct snapshot_changes *c = ctx;
    char text[128] = "";
    if (c->name) {
        int r = snapshot_check_name(c->name, reterr);
        if (r < 0)
            return r;
        s->request.name = arena_strdup(&s->arena, c->name);
        snprintf(text, sizeof text, "renamed");
    }
    if (c->note) {
        if (strlen(c->note) > SNAPSHOT_MAX_NOTE_BYTES || !text_is_utf8(slice_str(c->note)))
            return error_set(reterr, -EINVAL,
                             "The note is too long (at most %d bytes) or not "
                             "UTF-8.",
                             SNAPSHOT_MAX_NOTE_BYTES);
        s->note = arena_strdup(&s->arena, c->note);
        snprintf(text + strlen(text), sizeof text - strlen(text), "%snote", text[0] ? ", " : "");
    }
    if (c->tags) {
        int r = edit_tags(s, c->tags, reterr);
        if (r < 0)
            return r;
        snprintf(text + strlen(text), sizeof text - strlen(text), "%stags", text[0] ? ", " : "");
    }
    if (c->locked) {
        s->locked = *c->locked;
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", text[0] ? ", " : "",
                 s->locked ? "locked" : "unlocked");
    }
    if (c->by && c->by[0]) {
        char by[64];
        text_escape(slice_str(c->by), by, sizeof by);
        snprintf(text + strlen(text), sizeof text - strlen(text), " by %s", by);
    }
    if (!s->request.name || !s->note || snapshot_add_history(s, snapshot_status_text(s), text) < 0)
        return error_set(reterr, -ENOMEM, "There is no memory for the change.");
    return 0;
}

int snapshot_store_change(struct snapshot_store *store, const char *id,
                          const struct snapshot_changes *changes, struct error *reterr)
{
    struct snapshot_changes copy = *changes;
    return store_apply(store, id, &(struct store_change){.edit = edit_values, .ctx = &copy},
                       reterr);
}

static int edit_verified(struct snapshot *s, void *ctx, struct error *reterr)
{
    const struct snapshot_verification *v = ctx;
    bool news = !s->verified.at_ns || s->verified.ok != v->ok;
    char text[80];
    snprintf(text, sizeof text, v->ok ? "verified: intact" : "verified: damaged in %llu place%s",
             (unsigned long long)v->problems_total, v->problems_total == 1 ? "" : "s");
    if (snapshot_copy_verification(&s->arena, v, &s->verified) < 0 ||
        (news && snapshot_add_history(s, snapshot_status_text(s), text) < 0))
        return error_set(reterr, -ENOMEM, "There is no memory for the change.");
    return 0;
}

int snapshot_store_put_verification(struct snapshot_store *store, const char *id,
                                    const struct snapshot_verification *verified,
                                    struct error *reterr)
{
    struct snapshot_verification copy = *verified;
    struct store_change change = {.edit = edit_verified, .ctx = &copy};
    int r = store_apply(store, id, &change, reterr);
    if (r < 0 && r != -ENOENT) {
        change.volatile_only = true;
        (void)store_apply(store, id, &change, NULL);
    }
    return r;
}

/* ── life of a taking ── */

static int edit_begin(struct snapshot *s, void *ctx, struct error *reterr)
{
    (void)ctx;
    if (s->status != SNAPSHOT_PENDING)
        return error_set(reterr, -EBUSY, "The snapshot is %s, not Pending.",
                         snapshot_status_text(s));
    s->attempts++;
    return store_set_status(s, SNAPSHOT_IN_PROGRESS, "", "taking began");
}

int snapshot_store_begin(struct snapshot_store *store, const char *id, struct error *reterr)
{
    return store_apply(store, id, &(struct store_change){.edit = edit_begin}, reterr);
}

struct progress_edit {
    const struct snapshot_progress *progress;
    const char *detail;
};

static int edit_progress(struct snapshot *s, void *ctx, struct error *reterr)
{
    const struct progress_edit *p = ctx;
    if (s->status != SNAPSHOT_IN_PROGRESS && s->status != SNAPSHOT_PENDING)
        return error_set(reterr, -EBUSY, "The snapshot is not in progress.");
    s->progress = *p->progress;
    s->status_detail = arena_strdup(&s->arena, p->detail ? p->detail : "");
    return s->status_detail ? 0 : -ENOMEM;
}

void snapshot_store_progress(struct snapshot_store *store, const char *id,
                             const struct snapshot_progress *progress, const char *detail)
{
    struct progress_edit edit = {progress, detail};
    (void)store_apply(
        store, id,
        &(struct store_change){.edit = edit_progress, .ctx = &edit, .volatile_only = true}, NULL);
}

static int edit_fail(struct snapshot *s, void *ctx, struct error *reterr)
{
    if (s->status == SNAPSHOT_COMPLETED)
        return error_set(reterr, -EBUSY, "The snapshot is Completed.");
    const char *reason = ctx;
    s->progress = (struct snapshot_progress){.eta_ns = -1, .nodes_total = s->progress.nodes_total};
    return store_set_status(s, SNAPSHOT_FAILED, reason, reason);
}

/* What had come of a snapshot that did not succeed. */
void store_remove_data(struct snapshot_store *store, const char *id)
{
    int dir = openat(store->dir_fd, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (dir < 0)
        return;
    /* The manifest first: with it, a folder counts as complete. */
    (void)io_remove_tree(SNAPSHOT_PHASE_DELETE, dir, "manifest.json");
    (void)io_remove_tree(SNAPSHOT_PHASE_DELETE, dir, "manifest.json.tmp");
    (void)io_fsync(SNAPSHOT_PHASE_DELETE, dir);
    (void)io_remove_tree(SNAPSHOT_PHASE_DELETE, dir, "nodes");
    (void)io_remove_tree(SNAPSHOT_PHASE_DELETE, dir, "staging");
    close(dir);
}

int snapshot_store_fail(struct snapshot_store *store, const char *id, const char *reason,
                        struct error *reterr)
{
    char text[512];
    snprintf(text, sizeof text, "%s", reason);
    store_remove_data(store, id); /* first: it also makes room for the state on a full disk */
    struct store_change change = {.edit = edit_fail, .ctx = text, .free_reservation = true};
    int r = store_apply(store, id, &change, reterr);
    if (r < 0 && r != -ENOENT && r != -EBUSY) {
        /* the disk says nothing, but the person hears it; after a restart it is Pending again */
        change.volatile_only = true;
        (void)store_apply(store, id, &change, NULL);
    }
    return r;
}

static int edit_retry(struct snapshot *s, void *ctx, struct error *reterr)
{
    (void)ctx;
    if (s->status != SNAPSHOT_FAILED)
        return error_set(reterr, -EBUSY, "Only a Failed snapshot can be retried; this one is %s.",
                         snapshot_status_text(s));
    if (s->imported)
        return error_set(reterr, -EBUSY, "An import cannot be retried: import the file again.");
    s->attempts = 0;
    return store_set_status(s, SNAPSHOT_PENDING, "", "to be taken again");
}

int snapshot_store_retry(struct snapshot_store *store, const char *id, struct error *reterr)
{
    struct snapshot *s = NULL;
    int r = snapshot_store_get(store, id, &s, reterr);
    if (r < 0)
        return r;
    if (s->status == SNAPSHOT_FAILED) {
        r = snapshot_store_reserve(store, s->id, s->request.estimate_bytes, reterr);
        if (r == 0)
            store_remove_data(store, s->id);
    }
    if (r == 0)
        r = store_apply(store, s->id, &(struct store_change){.edit = edit_retry}, reterr);
    if (r < 0 && s->status == SNAPSHOT_FAILED)
        (void)snapshot_store_reserve(store, s->id, 0, NULL);
    snapshot_unref(s);
    return r;
}
