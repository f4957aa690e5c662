/* The records of dissections; what stands beside them in their folders is the entry store's. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/io.h"
#include "snapshot/snapshot_json.h"
#include "snapshot/snapshot_model.h"
#include "snapshot/snapshot_store_private.h"

int snapshot_check_dissection_name(const char *name, struct error *reterr)
{
    size_t len = strlen(name);
    if (len == 0 || len > 64 || name[0] == '.' ||
        strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") != len)
        return error_set(reterr, -EINVAL,
                         "A dissection's name is 1 to 64 of A-Z a-z 0-9 . _ - and does not begin "
                         "with a dot.");
    return 0;
}

int snapshot_store_dissection_path(const struct snapshot_store *store, const char *id,
                                   const char *name, uint64_t run, char *out, size_t out_size)
{
    char below[32] = "";
    if (run)
        snprintf(below, sizeof below, "/run-%" PRIu64, run);
    int n = snprintf(out, out_size, "%s/snapshots/%s/dissections/%s%s", store->data_dir, id, name,
                     below);
    return n < 0 || (size_t)n >= out_size ? -ENAMETOOLONG : 0;
}

/* The folder <dir>/name, made durable when it is new. */
static int make_below(int dir, const char *name)
{
    int r = io_mkdir(SNAPSHOT_PHASE_STATE, dir, name, 0700);
    if (r == 0)
        r = io_fsync(SNAPSHOT_PHASE_STATE, dir);
    if (r < 0 && r != -EEXIST)
        return r;
    int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return fd < 0 ? -errno : fd;
}

static int write_record(struct snapshot_store *store, const char *id,
                        const struct snapshot_dissection *d)
{
    struct buf json;
    buf_init(&json, SNAPSHOT_STATE_MAX_BYTES);
    int parent = -1, dir = -1;
    int r = snapshot_dissection_state_write(d, &json);
    int top = openat(store->dir_fd, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (r == 0 && top < 0)
        r = -ENOENT;
    if (r == 0)
        r = parent = make_below(top, "dissections");
    if (r >= 0)
        r = dir = make_below(parent, d->name);
    if (r >= 0)
        r = io_replace_file(SNAPSHOT_PHASE_STATE, dir, "state.json", buf_slice(&json), 0600);
    if (dir >= 0)
        close(dir);
    if (parent >= 0)
        close(parent);
    if (top >= 0)
        close(top);
    buf_done(&json);
    return r < 0 ? r : 0;
}

/* Where the name is, or would be. */
static size_t position(const struct snapshot *s, const char *name, bool *ret_found)
{
    size_t at = 0;
    while (at < s->dissection_count && strcmp(s->dissections[at].name, name) < 0)
        at++;
    *ret_found = at < s->dissection_count && strcmp(s->dissections[at].name, name) == 0;
    return at;
}

struct record_edit {
    struct snapshot_store *store;
    const struct snapshot_dissection *dissection;
    bool persist;
};

static int edit_put(struct snapshot *s, void *ctx, struct error *reterr)
{
    const struct record_edit *e = ctx;
    if (s->status != SNAPSHOT_COMPLETED)
        return error_set(reterr, -EBUSY, "The snapshot is %s: only a Completed one is dissected.",
                         snapshot_status_text(s));
    bool found;
    size_t at = position(s, e->dissection->name, &found);
    struct snapshot_dissection *all = arena_calloc(&s->arena, s->dissection_count + 1, sizeof *all);
    if (!all)
        return error_set(reterr, -ENOMEM, "There is no memory for the dissection.");
    for (size_t i = 0; i < at; i++)
        all[i] = s->dissections[i];
    for (size_t i = at + found; i < s->dissection_count; i++)
        all[i + !found] = s->dissections[i];
    if (snapshot_copy_dissection(&s->arena, e->dissection, &all[at]) < 0)
        return error_set(reterr, -ENOMEM, "There is no memory for the dissection.");
    s->dissections = all;
    s->dissection_count += !found;
    if (!e->persist)
        return 0;
    int r = write_record(e->store, s->id, e->dissection);
    return r < 0 ? error_set(reterr, r, "The dissection's state cannot be written: %s.",
                             strerrordesc_np(-r))
                 : 0;
}

int snapshot_store_put_dissection(struct snapshot_store *store, const char *id,
                                  const struct snapshot_dissection *dissection, bool persist,
                                  struct error *reterr)
{
    int r = snapshot_check_dissection_name(dissection->name, reterr);
    if (r < 0)
        return r;
    struct record_edit edit = {store, dissection, persist};
    struct store_change change = {.edit = edit_put, .ctx = &edit, .volatile_only = true};
    return store_apply(store, id, &change, reterr);
}

/* ── runs ── */

static int open_dissection(struct snapshot_store *store, const char *id, const char *name)
{
    char path[SNAPSHOT_ID_SIZE + 100];
    snprintf(path, sizeof path, "%.30s/dissections/%.64s", id, name);
    int dir = openat(store->dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return dir < 0 ? -errno : dir;
}

int store_trim_runs(int dir, uint64_t keep)
{
    char kept[32];
    snprintf(kept, sizeof kept, "run-%" PRIu64, keep);
    int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
    DIR *stream = fd < 0 ? NULL : fdopendir(fd);
    if (!stream) {
        r = -errno;
        if (fd >= 0)
            close(fd);
        return r;
    }
    const struct dirent *child;
    while (r == 0 && (child = readdir(stream)) != NULL) { // NOLINT(concurrency-mt-unsafe): our own
        const char *name = child->d_name;
        bool is_run = strncmp(name, "run-", 4) == 0;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strcmp(name, "state.json") == 0 ||
            (keep ? strcmp(name, kept) == 0 : !is_run))
            continue;
        r = io_remove_tree(SNAPSHOT_PHASE_DELETE, dir, name);
    }
    closedir(stream);
    return r;
}

int snapshot_store_make_run(struct snapshot_store *store, const char *id, const char *name,
                            uint64_t run, struct error *reterr)
{
    char below[32];
    snprintf(below, sizeof below, "run-%" PRIu64, run);
    int r = snapshot_check_dissection_name(name, reterr), dir;
    if (r < 0)
        return r;
    r = dir = open_dissection(store, id, name);
    if (r >= 0)
        r = io_remove_tree(SNAPSHOT_PHASE_DELETE, dir, below);
    if (r >= 0)
        r = make_below(dir, below);
    if (r >= 0)
        close(r);
    if (dir >= 0)
        close(dir);
    return r < 0 ? error_set(reterr, r, "The dissection's folder cannot be made: %s.",
                             strerrordesc_np(-r))
                 : 0;
}

int snapshot_store_trim_runs(struct snapshot_store *store, const char *id, const char *name,
                             uint64_t keep, struct error *reterr)
{
    int r = snapshot_check_dissection_name(name, reterr);
    if (r < 0)
        return r;
    int dir = r = open_dissection(store, id, name);
    if (r >= 0)
        r = store_trim_runs(dir, keep);
    if (dir >= 0)
        close(dir);
    return r < 0 ? error_set(reterr, r, "What an earlier run left cannot be removed: %s.",
                             strerrordesc_np(-r))
                 : 0;
}

/* ── removing ── */

static int edit_remove(struct snapshot *s, void *ctx, struct error *reterr)
{
    const char *name = ctx;
    bool found;
    size_t at = position(s, name, &found);
    if (!found)
        return error_set(reterr, -ENOENT, "There is no dissection \"%s\".", name);
    if (snapshot_dissection_runs(&s->dissections[at]))
        return error_set(reterr, -EBUSY, "The dissection runs: cancel it first.");
    s->dissection_count--;
    for (size_t i = at; i < s->dissection_count; i++)
        s->dissections[i] = s->dissections[i + 1];
    s->request.auto_dissect = false; /* it was made, and is not wanted back at the next start */
    return 0;
}

int snapshot_store_delete_dissection(struct snapshot_store *store, const char *id, const char *name,
                                     struct error *reterr)
{
    int r = snapshot_check_dissection_name(name, reterr);
    if (r < 0)
        return r;
    char copy[80];
    snprintf(copy, sizeof copy, "%s", name);
    struct store_change change = {.edit = edit_remove, .ctx = copy};
    r = store_apply(store, id, &change, reterr);
    if (r < 0)
        return r;
    int top = openat(store->dir_fd, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    int dir =
        top < 0 ? -1 : openat(top, "dissections", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (dir >= 0) {
        /* the record first: what remains after a crash has no state and is removed at start */
        char record[96];
        snprintf(record, sizeof record, "%s/state.json", name);
        (void)io_unlink(SNAPSHOT_PHASE_DELETE, dir, record, 0);
        r = io_remove_tree(SNAPSHOT_PHASE_DELETE, dir, name);
        close(dir);
    }
    if (top >= 0)
        close(top);
    return r < 0 ? error_set(reterr, r, "The dissection's files cannot be removed: %s.",
                             strerrordesc_np(-r))
                 : 0;
}
