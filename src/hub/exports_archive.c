/* Archives out, archives and captures in. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hub/exports_private.h"
#include "snapshot/archive.h"
#include "snapshot/import.h"

enum {
    MAX_IMPORTS = 8, /* at once: each is a process and up to 1 MiB in its pipe */
    PIPE_BYTES = 1024 * 1024,
    PIECE_BYTES = 256 * 1024
};

/* ── out ── */

struct sending {
    const struct api_export_sink *sink;
    uint64_t left;
};

static int pass_on(void *ctx, const uint8_t *data, size_t n)
{
    struct sending *s = ctx;
    if (n && !s->left)
        return -ECANCELED; /* what follows is not wanted */
    if (n > s->left)
        n = (size_t)s->left;
    s->left -= n;
    return s->sink->write(s->sink->ctx, data, n);
}

int exports_archive(struct exports *exports, const char *id, const struct api_export_sink *sink,
                    struct error *reterr)
{
    struct snapshot *snapshot = NULL;
    uint64_t bytes = 0;
    int e = snapshot_store_get(exports->store, id, &snapshot, reterr);
    if (e)
        return e;
    id = snapshot->id;
    e = archive_length(exports->store, snapshot, &bytes, reterr);
    if (!e)
        e = sink->begin(sink->ctx, (int64_t)bytes, true);
    if (!e) {
        struct sending sending = {.sink = sink, .left = sink->part->bytes};
        struct archive_output output = {
            .write = pass_on, .ctx = &sending, .from = sink->part->from};
        e = archive_write(exports->store, snapshot, &output, reterr);
        if (e == -ECANCELED && !sending.left)
            e = 0;
    }
    if (e && e != -EPIPE && exports_was_deleted(exports, id))
        e = error_set(reterr, -ESTALE, "The snapshot was deleted meanwhile.");
    snapshot_unref(snapshot);
    return e;
}

/* ── in ── */

/* The request's thread reads the body and fills a pipe; this thread empties it. */
struct importer {
    struct snapshot_import import;
    int result;
    struct error error;
};

static void *importer_main(void *arg)
{
    struct importer *i = arg;
    i->result = snapshot_import_run(&i->import, &i->error);
    close(i->import.in_fd);
    return NULL;
}

/* 0 at the end of the body; −EPIPE when the importer has ended before. */
static int pump(struct api_import *import, int fd)
{
    uint8_t *piece = malloc(PIECE_BYTES);
    int e = piece ? 0 : -ENOMEM;
    while (!e) {
        ssize_t n = import->read(import->read_ctx, piece, PIECE_BYTES);
        if (n <= 0) {
            e = (int)n;
            break;
        }
        for (ssize_t done = 0; done < n && !e;) {
            ssize_t w = write(fd, piece + done, (size_t)(n - done));
            if (w < 0 && errno != EINTR)
                e = -errno;
            done += w > 0 ? w : 0;
        }
    }
    free(piece);
    return e;
}

static int start(struct importer *i, int ends[2], pthread_t *thread, struct error *reterr)
{
    if (pipe2(ends, O_CLOEXEC) < 0)
        return error_set(reterr, -EMFILE, "There is no pipe for the import.");
    (void)fcntl(ends[1], F_SETPIPE_SZ, PIPE_BYTES);
    i->import.in_fd = ends[0];
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int e = pthread_create(thread, NULL, importer_main, i);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (e) {
        close(ends[0]);
        close(ends[1]);
        return error_set(reterr, -EAGAIN, "There is no thread for the import.");
    }
    return 0;
}

static int import_one(struct exports *exports, struct api_import *import, struct error *reterr)
{
    bool cancel = false;
    struct importer i = {
        .import = {.store = exports->store,
                   .file_name = import->file_name,
                   .name = import->name,
                   .by = import->by,
                   .declared_bytes = import->size > 0 ? (uint64_t)import->size : 0,
                   .new_id = import->new_id,
                   .cancel = &cancel},
        .error = {.offset = ERROR_NO_OFFSET},
    };
    int ends[2];
    pthread_t thread;
    int e = start(&i, ends, &thread, reterr);
    if (e)
        return e;
    e = pump(import, ends[1]);
    bool cut = e && e != -EPIPE;
    if (cut) /* half a body must not become a snapshot */
        __atomic_store_n(&cancel, true, __ATOMIC_RELAXED);
    close(ends[1]);
    pthread_join(thread, NULL);
    memcpy(import->id, i.import.id, sizeof import->id);
    import->already_here = i.import.already_here;
    if (i.result)
        return error_set(reterr, i.result, "%s", i.error.text);
    return cut ? error_set(reterr, -ECANCELED, "The upload broke off.") : 0;
}

int exports_import(struct exports *exports, struct api_import *import, struct error *reterr)
{
    int e = -EAGAIN;
    if (atomic_fetch_add(&exports->imports, 1) < MAX_IMPORTS)
        e = import_one(exports, import, reterr);
    else
        error_set(reterr, e, "%d imports are under way: send this one again when one has ended.",
                  MAX_IMPORTS);
    atomic_fetch_sub(&exports->imports, 1);
    return e;
}
