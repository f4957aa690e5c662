/* What a crash left behind is put right when the store opens (promises P1, P2). */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "snapshot/snapshot_hash.h"
#include "snapshot/snapshot_json.h"
#include "snapshot/snapshot_model.h"
#include "snapshot/snapshot_store_private.h"

bool store_is_id(const char *name)
{
    return strlen(name) == SNAPSHOT_ID_SIZE - 1 &&
           strspn(name, "0123456789ABCDEFGHIJKLMNOPQRSTUV") == SNAPSHOT_ID_SIZE - 1;
}

int store_read_manifest(int dir, struct snapshot_manifest **ret_manifest,
                        char ret_sha256[SNAPSHOT_SHA256_SIZE], struct error *reterr)
{
    struct buf json;
    buf_init(&json, SNAPSHOT_MANIFEST_MAX_BYTES);
    int r = io_read_file(dir, "manifest.json", &json);
    if (r < 0)
        error_set(reterr, r, "manifest.json cannot be read: %s.", strerrordesc_np(-r));
    if (r == 0)
        r = snapshot_hash_bytes(buf_slice(&json), ret_sha256);
    if (r == 0)
        r = snapshot_manifest_parse(buf_slice(&json), ret_manifest, reterr);
    buf_done(&json);
    return r;
}

static void report(struct snapshot_store *store, const char *id, const char *text)
{
    buf_printf(&store->report, "%s: %s\n", id, text);
}

/* All files are there with their sizes: the sums are `verify`'s business. */
static bool files_present(int dir, const struct snapshot_manifest *m)
{
    for (size_t n = 0; n < m->node_count; n++)
        for (size_t f = 0; f < m->nodes[n].file_count; f++) {
            const struct snapshot_file *file = &m->nodes[n].files[f];
            struct stat st;
            if (fstatat(dir, file->name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode) ||
                (uint64_t)st.st_size != file->size_bytes)
                return false;
        }
    return true;
}

struct found {
    int dir;
    const char *id;
    struct snapshot *state;             /* NULL: none, or damaged */
    struct snapshot_manifest *manifest; /* NULL: none, or damaged */
    bool has_state, has_manifest;
    char sha256[SNAPSHOT_SHA256_SIZE];
    struct error state_error, manifest_error;
};

/* What is wrong with this process now says nothing about what lies on the disk. */
static bool is_our_fault(int r)
{
    return r == -EMFILE || r == -ENFILE || r == -ENOMEM;
}

static int look(struct found *f)
{
    struct buf json;
    buf_init(&json, SNAPSHOT_STATE_MAX_BYTES);
    int r = io_read_file(f->dir, "state.json", &json);
    f->has_state = r != -ENOENT;
    if (r == 0)
        r = snapshot_state_parse(buf_slice(&json), &f->state, &f->state_error);
    else
        error_set(&f->state_error, r, "state.json cannot be read: %s.", strerrordesc_np(-r));
    buf_done(&json);
    if (is_our_fault(r))
        return r;
    r = store_read_manifest(f->dir, &f->manifest, f->sha256, &f->manifest_error);
    f->has_manifest = r != -ENOENT;
    return is_our_fault(r) ? r : 0;
}

/* The state is lost but the evidence is there. */
static int rebuild_state(struct found *f)
{
    struct snapshot *s = snapshot_new();
    if (!s)
        return -ENOMEM;
    memcpy(s->id, f->id, SNAPSHOT_ID_SIZE);
    s->created_at_ns = f->manifest->created_at_ns;
    s->imported = f->manifest->imported;
    s->status = SNAPSHOT_IN_PROGRESS;
    s->note = arena_strdup(&s->arena, "");
    s->status_detail = arena_strdup(&s->arena, "");
    if (!s->note || !s->status_detail ||
        snapshot_copy_request(&s->arena, &f->manifest->requested, &s->request) < 0) {
        snapshot_unref(s);
        return -ENOMEM;
    }
    f->state = s;
    return 0;
}

/* Nothing readable at all: it is kept and shown as Failed, for a person to judge. */
static int placeholder(struct found *f)
{
    struct snapshot *s = snapshot_new();
    if (!s)
        return -ENOMEM;
    memcpy(s->id, f->id, SNAPSHOT_ID_SIZE);
    s->created_at_ns = clock_now_ns();
    s->request.name = arena_strdup(&s->arena, f->id);
    s->request.created_by = arena_strdup(&s->arena, "");
    s->note = arena_strdup(&s->arena, "");
    s->request.to_ns = s->request.from_ns = 0;
    if (!s->request.name || !s->request.created_by || !s->note ||
        store_set_status(s, SNAPSHOT_FAILED, f->state_error.text, f->state_error.text) < 0) {
        snapshot_unref(s);
        return -ENOMEM;
    }
    f->state = s;
    return 0;
}

/* It was Completed, or its manifest says that it may be. Returns whether the state has to be
 * written. */
static int settle_complete(struct found *f, bool was_completed, bool *ret_write)
{
    struct snapshot *s = f->state;
    bool whole = files_present(f->dir, f->manifest);
    if (!was_completed && !whole)
        return 1; /* not complete after all */
    s->manifest = snapshot_manifest_ref(f->manifest);
    if (was_completed && strcmp(s->manifest_sha256, f->sha256) != 0)
        return store_set_status(s, SNAPSHOT_FAILED, "manifest.json was altered after completion",
                                "manifest.json does not match its recorded SHA-256");
    memcpy(s->manifest_sha256, f->sha256, sizeof s->manifest_sha256);
    if (was_completed && whole)
        return 0;
    if (was_completed) /* the manifest stays: verify names each file */
        return store_set_status(s, SNAPSHOT_COMPLETED, "files are missing: run verify",
                                "files were missing at start");
    *ret_write = true;
    return store_set_status(s, SNAPSHOT_COMPLETED, "", "completed (found whole after a restart)");
}

static int settle_interrupted(struct snapshot_store *store, struct found *f)
{
    struct snapshot *s = f->state;
    if (s->status == SNAPSHOT_PENDING && !f->has_manifest)
        return 0; /* it had not begun */
    store_remove_data(store, f->id);
    s->manifest_sha256[0] = '\0';
    if (s->attempts >= SNAPSHOT_MAX_ATTEMPTS) {
        report(store, f->id, "failed: interrupted too often");
        return store_set_status(s, SNAPSHOT_FAILED, "the hub stopped three times while taking it",
                                "given up after three interrupted attempts");
    }
    report(store, f->id, "will be taken again");
    return store_set_status(s, SNAPSHOT_PENDING, "", "interrupted by a restart, to be taken again");
}

static int settle(struct snapshot_store *store, struct found *f)
{
    bool write = false;
    int r = 0;
    if (!f->state && f->manifest) {
        r = rebuild_state(f);
        report(store, f->id, "its state was rebuilt from the manifest");
        write = true;
    }
    if (r == 0 && !f->state)
        return placeholder(f);
    if (r < 0)
        return r;
    struct snapshot *s = f->state;
    memcpy(s->id, f->id, SNAPSHOT_ID_SIZE);
    bool was_completed = s->status == SNAPSHOT_COMPLETED;
    if (was_completed && !f->manifest) {
        report(store, f->id, f->manifest_error.text);
        return store_set_status(s, SNAPSHOT_FAILED, f->manifest_error.text, f->manifest_error.text);
    }
    if (s->status == SNAPSHOT_FAILED) {
        if (!f->has_manifest) /* what a failed clean-up left */
            (void)io_remove_tree(SNAPSHOT_PHASE_DELETE, f->dir, "nodes");
        return 0;
    }
    if (f->manifest) {
        r = settle_complete(f, was_completed, &write);
        if (r < 0)
            return r;
        if (r == 0 && !write)
            return 0;
        if (r == 0) {
            report(store, f->id, "was complete: its state is written again");
            (void)store_write_state(store, f->id, s, NULL); /* else at the next start */
            return 0;
        }
    }
    r = settle_interrupted(store, f);
    if (r == 0)
        (void)store_write_state(store, f->id, s, NULL);
    return r;
}

/* ── dissections ── */

/* It ran when the hub ended: for the first time, or once more beside the result that there is. */
static void settle_dissection(struct snapshot *s, struct snapshot_dissection *d)
{
    char *reason = arena_strdup(&s->arena, "the hub stopped while it ran");
    if (d->state == SNAPSHOT_DISSECTION_RUNNING) {
        d->state = SNAPSHOT_DISSECTION_FAILED;
        d->reason = reason;
        d->finished_at_ns = clock_now_ns();
    } else {
        d->redo.state = SNAPSHOT_DISSECTION_FAILED;
        d->redo.reason = reason;
        d->redo.finished_at_ns = clock_now_ns();
    }
}

static int add_dissection(struct snapshot *s, int parent, const char *name)
{
    int dir = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (dir < 0)
        return is_our_fault(-errno) ? -errno : 0;
    struct buf json;
    buf_init(&json, SNAPSHOT_STATE_MAX_BYTES);
    struct snapshot_dissection d;
    int r = io_read_file(dir, "state.json", &json);
    if (r == 0)
        r = snapshot_dissection_state_parse(buf_slice(&json), &s->arena, &d, NULL);
    if (r == 0 && strcmp(d.name, name) == 0) {
        if (snapshot_dissection_runs(&d)) {
            settle_dissection(s, &d);
            buf_reset(&json);
            if (snapshot_dissection_state_write(&d, &json) == 0)
                (void)io_replace_file(SNAPSHOT_PHASE_STATE, dir, "state.json", buf_slice(&json),
                                      0600);
        }
        (void)store_trim_runs(dir, d.run); /* of a run that did not end, or was replaced */
        struct snapshot_dissection *all =
            arena_calloc(&s->arena, s->dissection_count + 1, sizeof *all);
        if (all) {
            if (s->dissection_count)
                memcpy(all, s->dissections, s->dissection_count * sizeof *all);
            all[s->dissection_count++] = d;
            s->dissections = all;
        }
    } else if (!is_our_fault(r)) {
        /* no readable state: it cannot be shown, and an entry store is made again at will */
        (void)io_remove_tree(SNAPSHOT_PHASE_DELETE, parent, name);
    }
    buf_done(&json);
    close(dir);
    return is_our_fault(r) ? r : 0;
}

static int by_name(const void *a, const void *b)
{
    const struct snapshot_dissection *x = a, *y = b;
    return strcmp(x->name, y->name);
}

static int read_dissections(struct found *f)
{
    int parent = openat(f->dir, "dissections", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *stream = parent < 0 ? NULL : fdopendir(parent);
    if (!stream) {
        int r = -errno;
        if (parent >= 0)
            close(parent);
        return is_our_fault(r) ? r : 0;
    }
    int r = 0;
    const struct dirent *child;
    while (r == 0 &&
           (child = readdir(stream)) != NULL) // NOLINT(concurrency-mt-unsafe): a stream of our own
        if (child->d_name[0] != '.')
            r = add_dissection(f->state, parent, child->d_name);
    closedir(stream);
    if (f->state->dissection_count)
        qsort(f->state->dissections, f->state->dissection_count, sizeof *f->state->dissections,
              by_name);
    return r;
}

/* ── the folder ── */

static int recover_one(struct snapshot_store *store, const char *id, struct error *reterr)
{
    struct found f = {.id = id};
    f.dir = openat(store->dir_fd, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (f.dir < 0 && (errno == ENOTDIR || errno == ELOOP))
        return 0;  /* a file with such a name is not ours */
    if (f.dir < 0) /* evidence that is there but cannot be opened is never passed over in silence */
        return error_set(reterr, -errno, "The snapshot %s cannot be opened: %s.", id,
                         strerrordesc_np(errno));
    int r = look(&f);
    if (r < 0) {
        /* nothing is judged, and nothing removed, by what could not be read */
    } else if (!f.has_state && !f.has_manifest) {
        report(store, id, "had not begun and is removed");
        (void)io_remove_tree(SNAPSHOT_PHASE_DELETE, store->dir_fd, id);
    } else {
        (void)io_remove_tree(SNAPSHOT_PHASE_DELETE, f.dir, "staging");
        r = settle(store, &f);
        if (r == 0 && f.state->status == SNAPSHOT_COMPLETED)
            r = read_dissections(&f);
        if (r == 0) {
            bool waits = f.state->status == SNAPSHOT_PENDING;
            uint64_t reserved = f.state->request.estimate_bytes;
            r = store_insert(store, f.state);
            f.state = NULL;
            if (r == 0 && waits)
                store_find(store, id)->reserved = reserved;
        }
    }
    snapshot_unref(f.state);
    snapshot_manifest_unref(f.manifest);
    close(f.dir);
    return r < 0 ? error_set(reterr, r, "The snapshot %s cannot be recovered: %s.", id,
                             strerrordesc_np(-r))
                 : 0;
}

static bool ends_with(const char *name, const char *suffix)
{
    return slice_ends_with(slice_str(name), slice_str(suffix));
}

int store_recover(struct snapshot_store *store, struct error *reterr)
{
    int fd = openat(store->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = fd < 0 ? NULL : fdopendir(fd);
    if (!stream) {
        if (fd >= 0)
            close(fd);
        return error_set(reterr, -EIO, "The snapshots folder cannot be listed.");
    }
    int r = 0;
    while (r == 0) {
        errno = 0;
        const struct dirent *child =
            readdir(stream); // NOLINT(concurrency-mt-unsafe): a stream of our own
        if (!child && errno)
            r = error_set(reterr, -errno, "The snapshots folder cannot be listed: %s.",
                          strerrordesc_np(errno));
        if (!child)
            break;
        if (ends_with(child->d_name, ".deleting") || ends_with(child->d_name, ".import")) {
            report(store, child->d_name, "was left over and is removed");
            (void)io_remove_tree(SNAPSHOT_PHASE_DELETE, store->dir_fd, child->d_name);
        } else if (store_is_id(child->d_name)) {
            r = recover_one(store, child->d_name, reterr);
        }
    }
    closedir(stream);
    return r;
}
