/* sums.bin and verify: both walk all files of a manifest block by block. */
#include "snapshot/snapshot_sums.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/text.h"
#include "snapshot/snapshot_hash.h"
#include "snapshot/snapshot_json.h"
#include "snapshot/snapshot_store_private.h"
#include "snapshot/snapshot_verify.h"
#include "snapshot/snapshot_xxh64.h"

#define SUMS_FILE "sums.bin"
static const char magic[8] = "TRAWLSUM";

enum {
    VERSION = 1,
    BLOCK_BYTES = 65536,
    READ_BYTES = 16 * BLOCK_BYTES,
    HEAD_BYTES = 8 + 4 + 4 + 32, /* magic, version, block size, the manifest's SHA-256 */
    TAIL_BYTES = 32,             /* SHA-256 of all before */
    MAX_SUMS_BYTES = 256 * 1024 * 1024
};

static void put_le(uint8_t *out, uint64_t v, int n)
{
    for (int i = 0; i < n; i++)
        out[i] = (uint8_t)(v >> (8 * i));
}

/* ── one file ── */

struct walk {
    int dir;
    const bool *cancel;
    struct buf *sums;      /* gets the blocks' sums, or NULL */
    const uint8_t *expect; /* the blocks' sums as they should be, or NULL */
    uint64_t expect_blocks;
    bool hash; /* the SHA-256 too */
    void (*on_bytes)(void *ctx, size_t n);
    void *ctx;
    /* results */
    char sha256[SNAPSHOT_SHA256_SIZE];
    uint64_t size;
    int64_t damaged_at;
};

static int walk_block(struct walk *w, uint64_t index, const uint8_t *data, size_t n)
{
    uint8_t sum[8];
    put_le(sum, snapshot_xxh64(data, n), 8);
    if (w->expect && w->damaged_at < 0 &&
        (index >= w->expect_blocks || memcmp(w->expect + 8 * index, sum, 8) != 0))
        w->damaged_at = (int64_t)(index * BLOCK_BYTES);
    return w->sums ? buf_append(w->sums, sum, sizeof sum) : 0;
}

static int walk_data(struct walk *w, int fd, uint8_t *data, struct snapshot_hash *hash)
{
    for (uint64_t index = 0;;) {
        if (w->cancel && __atomic_load_n(w->cancel, __ATOMIC_RELAXED))
            return -ECANCELED;
        ssize_t got = io_read_full(fd, data, READ_BYTES);
        if (got < 0)
            return (int)got;
        if (hash)
            snapshot_hash_add(hash, data, (size_t)got);
        for (size_t at = 0; at < (size_t)got; at += BLOCK_BYTES) {
            size_t n = (size_t)got - at < BLOCK_BYTES ? (size_t)got - at : BLOCK_BYTES;
            int r = walk_block(w, index++, data + at, n);
            if (r < 0)
                return r;
        }
        w->size += (uint64_t)got;
        if (w->on_bytes)
            w->on_bytes(w->ctx, (size_t)got);
        if (got < READ_BYTES)
            return 0;
    }
}

static int walk_file(struct walk *w, const char *name)
{
    w->size = 0;
    w->damaged_at = -1;
    w->sha256[0] = '\0';
    int fd = openat(w->dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    struct snapshot_hash hash = {0};
    uint8_t *data = malloc(READ_BYTES);
    int r = data ? snapshot_hash_begin(&hash) : -ENOMEM;
    if (r == 0)
        r = walk_data(w, fd, data, w->hash ? &hash : NULL);
    if (r == 0 && w->hash)
        r = snapshot_hash_end(&hash, w->sha256);
    snapshot_hash_done(&hash);
    free(data);
    close(fd);
    return r;
}

/* ── what is found ── */

static void problem(struct snapshot_verify *v, const char *file, int64_t offset, const char *text)
{
    v->ok = false;
    if (v->problem_count == SNAPSHOT_VERIFY_MAX_PROBLEMS)
        return;
    struct snapshot_problem *p = &v->problems[v->problem_count];
    p->file = arena_strdup(&v->arena, file);
    p->text = arena_strdup(&v->arena, text);
    p->offset = offset;
    if (p->file && p->text)
        v->problem_count++;
}

static int verify_init(struct snapshot_verify *v)
{
    arena_init(&v->arena, 4 * 1024 * 1024);
    v->problems = arena_calloc(&v->arena, SNAPSHOT_VERIFY_MAX_PROBLEMS, sizeof *v->problems);
    v->ok = true;
    return v->problems ? 0 : -ENOMEM;
}

/* ── sums.bin ── */

static uint64_t blocks_of(const struct snapshot_file *file)
{
    return file->size_bytes / BLOCK_BYTES + (file->size_bytes % BLOCK_BYTES != 0);
}

/* What was made a moment ago has the SHA-256 it was made with; a linked segment has that of the
 * recorder, and whether it still matches is known only now. */
static int fill_sums(struct walk *walk, const struct snapshot_manifest *m,
                     struct snapshot_verify *found)
{
    for (size_t n = 0; n < m->node_count; n++)
        for (size_t f = 0; f < m->nodes[n].file_count; f++) {
            const struct snapshot_file *file = &m->nodes[n].files[f];
            walk->hash = file->linked;
            int r = walk_file(walk, file->name);
            if (r == 0 && walk->size != file->size_bytes)
                r = -EBADMSG;
            if (r < 0)
                return r;
            found->files++;
            found->bytes += walk->size;
            if (walk->hash && strcmp(walk->sha256, file->sha256) != 0)
                problem(found, file->name, -1,
                        "it did not match the SHA-256 it was sealed with when it was taken");
        }
    return 0;
}

static int append_digest(struct buf *sums)
{
    char hex[SNAPSHOT_SHA256_SIZE];
    uint8_t digest[TAIL_BYTES];
    int r = snapshot_hash_bytes(buf_slice(sums), hex);
    if (r < 0 || text_unhex(hex, digest, sizeof digest) != TAIL_BYTES)
        return -EIO;
    return buf_append(sums, digest, sizeof digest);
}

int snapshot_sums_write(struct snapshot_store *store, const char *id, const bool *cancel,
                        struct error *reterr)
{
    struct snapshot *s = NULL;
    int r = snapshot_store_get(store, id, &s, reterr);
    if (r < 0)
        return r;
    if (!s->manifest) {
        snapshot_unref(s);
        return error_set(reterr, -EBUSY, "The snapshot is not Completed.");
    }
    struct buf sums;
    buf_init(&sums, MAX_SUMS_BYTES);
    uint8_t head[HEAD_BYTES];
    memcpy(head, magic, sizeof magic);
    put_le(head + 8, VERSION, 4);
    put_le(head + 12, BLOCK_BYTES, 4);
    if (text_unhex(s->manifest_sha256, head + 16, 32) != 32)
        r = -EINVAL;
    if (r == 0)
        r = buf_append(&sums, head, sizeof head);
    struct walk walk = {
        .dir = snapshot_store_open_dir(store, id, NULL), .cancel = cancel, .sums = &sums};
    struct snapshot_verify found = {0};
    if (r == 0)
        r = verify_init(&found);
    if (r == 0)
        r = walk.dir < 0 ? -ENOENT : fill_sums(&walk, s->manifest, &found);
    if (r == 0 && !found.ok)
        r = snapshot_verify_keep(store, id, &found, reterr);
    if (r == 0)
        r = append_digest(&sums);
    if (r == 0)
        r = io_replace_file("snapshot-sums", walk.dir, SUMS_FILE, buf_slice(&sums), 0600);
    if (walk.dir >= 0)
        close(walk.dir);
    snapshot_verify_done(&found);
    buf_done(&sums);
    snapshot_unref(s);
    return r < 0 ? error_set(reterr, r, "The sums cannot be written: %s.", strerrordesc_np(-r)) : 0;
}

/* The sums of all blocks in manifest order, or nothing. */
static struct slice load_sums(int dir, const struct snapshot *s, struct buf *file)
{
    uint64_t blocks = 0;
    for (size_t n = 0; n < s->manifest->node_count; n++)
        for (size_t f = 0; f < s->manifest->nodes[n].file_count; f++)
            blocks += blocks_of(&s->manifest->nodes[n].files[f]);
    uint8_t digest[TAIL_BYTES], manifest[32];
    char hex[SNAPSHOT_SHA256_SIZE];
    if (io_read_file(dir, SUMS_FILE, file) < 0 ||
        file->len != HEAD_BYTES + 8 * blocks + TAIL_BYTES ||
        memcmp(file->data, magic, sizeof magic) != 0 ||
        text_unhex(s->manifest_sha256, manifest, 32) != 32 ||
        memcmp(file->data + 16, manifest, 32) != 0 ||
        snapshot_hash_bytes(slice_of(file->data, file->len - TAIL_BYTES), hex) < 0 ||
        text_unhex(hex, digest, TAIL_BYTES) != TAIL_BYTES ||
        memcmp(file->data + file->len - TAIL_BYTES, digest, TAIL_BYTES) != 0)
        return SLICE_NONE;
    return slice_of(file->data + HEAD_BYTES, file->len - HEAD_BYTES - TAIL_BYTES);
}

/* ── verify ── */

struct verification {
    struct snapshot_verify *v;
    uint64_t bytes_total;
};

static void progress(void *ctx, size_t n)
{
    struct verification *x = ctx;
    x->v->bytes += n;
    if (x->v->on_progress)
        x->v->on_progress(x->v->ctx, x->v->bytes, x->bytes_total);
}

static void check_manifest(struct snapshot_verify *v, int dir, const struct snapshot *s,
                           const struct snapshot_key *key)
{
    struct buf json;
    buf_init(&json, SNAPSHOT_MANIFEST_MAX_BYTES);
    char sha256[SNAPSHOT_SHA256_SIZE] = "", text[256];
    struct error e = {.offset = ERROR_NO_OFFSET};
    int r = io_read_file(dir, "manifest.json", &json);
    if (r < 0) {
        snprintf(text, sizeof text, "it cannot be read: %s", strerrordesc_np(-r));
        problem(v, "manifest.json", -1, text);
    } else {
        (void)snapshot_hash_bytes(buf_slice(&json), sha256);
        if (strcmp(sha256, s->manifest_sha256) != 0)
            problem(v, "manifest.json", -1, "it does not match the SHA-256 that state.json holds");
        if (snapshot_key_check(buf_slice(&json), v->signer, &e) < 0)
            problem(v, "manifest.json", -1, e.text);
        v->own_signature = strcmp(v->signer, snapshot_key_public(key)) == 0;
    }
    v->files++;
    v->bytes += json.len;
    buf_done(&json);
}

static int check_file(struct verification *x, struct walk *w, const struct snapshot_file *file)
{
    char text[256];
    int r = walk_file(w, file->name);
    x->v->files++;
    if (r == -ECANCELED || r == -ENOMEM)
        return r;
    if (r < 0) {
        snprintf(text, sizeof text, "it cannot be read: %s", strerrordesc_np(-r));
        problem(x->v, file->name, r == -EIO ? (int64_t)w->size : -1, text);
    } else if (w->size != file->size_bytes) {
        snprintf(text, sizeof text, "it has %llu bytes instead of %llu",
                 (unsigned long long)w->size, (unsigned long long)file->size_bytes);
        problem(x->v, file->name, w->damaged_at, text);
    } else if (strcmp(w->sha256, file->sha256) != 0) {
        if (w->damaged_at >= 0)
            snprintf(
                text, sizeof text,
                "it does not match its SHA-256; the first damage lies in the bytes %lld to %lld",
                (long long)w->damaged_at, (long long)w->damaged_at + BLOCK_BYTES - 1);
        else
            snprintf(text, sizeof text, "it does not match its SHA-256");
        problem(x->v, file->name, w->damaged_at, text);
    }
    if (file->damaged) { /* it may be as it was written: what it was written from was not */
        char source[512];
        snprintf(source, sizeof source, "its source was damaged when it was taken: %.440s",
                 file->damaged);
        problem(x->v, file->name, -1, source);
    }
    return 0;
}

static int check_files(struct verification *x, int dir, const struct snapshot *s)
{
    struct buf sums_file;
    buf_init(&sums_file, MAX_SUMS_BYTES);
    struct slice sums = load_sums(dir, s, &sums_file);
    struct walk w = {
        .dir = dir, .cancel = x->v->cancel, .hash = true, .on_bytes = progress, .ctx = x};
    uint64_t at = 0;
    int r = 0;
    for (size_t n = 0; r == 0 && n < s->manifest->node_count; n++)
        for (size_t f = 0; r == 0 && f < s->manifest->nodes[n].file_count; f++) {
            const struct snapshot_file *file = &s->manifest->nodes[n].files[f];
            w.expect = sums.len ? sums.data + 8 * at : NULL;
            w.expect_blocks = blocks_of(file);
            at += w.expect_blocks;
            r = check_file(x, &w, file);
        }
    buf_done(&sums_file);
    return r;
}

int snapshot_verify(struct snapshot_store *store, const char *id, struct snapshot_verify *v,
                    struct error *reterr)
{
    struct snapshot *s = NULL;
    int r = verify_init(v) == 0 ? snapshot_store_get(store, id, &s, reterr)
                                : error_set(reterr, -ENOMEM, "There is no memory to verify.");
    int dir = -1;
    if (r == 0 && !s->manifest)
        r = error_set(reterr, -EBUSY, "The snapshot is %s: there is nothing to verify yet.",
                      snapshot_status_text(s));
    if (r == 0) {
        dir = snapshot_store_open_dir(store, s->id, reterr);
        r = dir < 0 ? dir : 0;
    }
    if (r == 0) {
        struct verification x = {v, s->manifest->size_bytes};
        check_manifest(v, dir, s, snapshot_store_key(store));
        r = check_files(&x, dir, s);
        if (r < 0)
            error_set(reterr, r,
                      r == -ECANCELED ? "It was cancelled." : "There is no memory to verify.");
    }
    if (dir >= 0)
        close(dir);
    struct snapshot *still = NULL;
    if (s && (r < 0 || !v->ok) && snapshot_store_get(store, s->id, &still, NULL) < 0)
        r = error_set(reterr, -ESTALE, "The snapshot was deleted meanwhile.");
    snapshot_unref(still);
    snapshot_unref(s);
    return r;
}

void snapshot_verify_write_json(const struct snapshot_verify *v, struct json_writer *w)
{
    json_begin_object(w);
    json_member_bool(w, "ok", v->ok);
    json_member_uint(w, "files", v->files);
    json_member_uint(w, "bytes", v->bytes);
    json_key(w, "signature");
    snapshot_signature_write_json(v->signer, v->own_signature, w);
    json_key(w, "errors");
    snapshot_problems_write_json(v->problems, v->problem_count, w);
    json_end_object(w);
}

int snapshot_verify_keep(struct snapshot_store *store, const char *id,
                         const struct snapshot_verify *v, struct error *reterr)
{
    struct snapshot_verification verified = {
        .at_ns = clock_now_ns(),
        .ok = v->ok,
        .files = v->files,
        .bytes = v->bytes,
        .problems = v->problems,
        .problem_count = v->problem_count,
        .problems_total = v->problem_count,
    };
    return snapshot_store_put_verification(store, id, &verified, reterr);
}

void snapshot_verify_done(struct snapshot_verify *v)
{
    arena_done(&v->arena);
    v->problems = NULL;
    v->problem_count = 0;
}
