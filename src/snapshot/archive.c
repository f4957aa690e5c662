#include "snapshot/archive.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "snapshot/snapshot_hash.h"

enum {
    BLOCK = 512,
    NAME_BYTES = 100,
    COPY_BYTES = 256 * 1024,
    MAX_PAX_BYTES = 2048
};
#define OCTAL_SIZE_MAX 077777777777ULL /* 8 GiB − 1 */

/* ── headers (POSIX.1-2001, pax interchange format) ── */

static void octal(uint8_t *field, size_t width, uint64_t v)
{
    field[width - 1] = '\0';
    for (size_t i = width - 1; i-- > 0; v >>= 3)
        field[i] = (uint8_t)('0' + (v & 7));
}

static void put_header(uint8_t out[BLOCK], const char *name, char type, uint64_t size,
                       int64_t mtime_s)
{
    memset(out, 0, BLOCK);
    size_t len = strlen(name);
    memcpy(out, name, len < NAME_BYTES ? len : NAME_BYTES);
    octal(out + 100, 8, 0644);
    octal(out + 108, 8, 0);
    octal(out + 116, 8, 0);
    octal(out + 124, 12, size <= OCTAL_SIZE_MAX ? size : 0);
    octal(out + 136, 12, mtime_s > 0 ? (uint64_t)mtime_s & OCTAL_SIZE_MAX : 0);
    memset(out + 148, ' ', 8);
    out[156] = (uint8_t)type;
    memcpy(out + 257, "ustar", 6);
    memcpy(out + 263, "00", 2);
    unsigned sum = 0;
    for (int i = 0; i < BLOCK; i++)
        sum += out[i];
    octal(out + 148, 7, sum);
    out[155] = ' ';
}

/* "LEN key=value\n", LEN counts itself. */
static size_t pax_record(char *out, size_t size, const char *key, const char *value)
{
    size_t rest = strlen(key) + strlen(value) + 3, total = rest + 1;
    for (size_t digits = 1; digits < 6; digits++) {
        size_t limit = 1;
        for (size_t i = 0; i < digits; i++)
            limit *= 10;
        total = rest + digits;
        if (total < limit)
            break;
    }
    int n = snprintf(out, size, "%zu %s=%s\n", total, key, value);
    return n < 0 || (size_t)n >= size ? 0 : (size_t)n;
}

/* What stands before a file's bytes: its header, with an extended one when it does not fit. */
static size_t member_head(uint8_t out[BLOCK + MAX_PAX_BYTES + BLOCK], const char *name,
                          uint64_t size, int64_t mtime_s)
{
    char records[MAX_PAX_BYTES] = "";
    size_t len = 0, at = 0;
    if (strlen(name) > NAME_BYTES)
        len += pax_record(records, sizeof records, "path", name);
    if (size > OCTAL_SIZE_MAX) {
        char text[24];
        snprintf(text, sizeof text, "%llu", (unsigned long long)size);
        len += pax_record(records + len, sizeof records - len, "size", text);
    }
    if (len) {
        size_t padded = (len + BLOCK - 1) / BLOCK * BLOCK;
        put_header(out, "PaxHeaders/0", 'x', len, mtime_s);
        memset(out + BLOCK, 0, padded);
        memcpy(out + BLOCK, records, len);
        at = BLOCK + padded;
    }
    put_header(out + at, name, '0', size, mtime_s);
    return at + BLOCK;
}

static uint64_t padding(uint64_t size)
{
    return (BLOCK - size % BLOCK) % BLOCK;
}

/* ── length ── */

static int manifest_size(int dir, uint64_t *ret_size, struct error *reterr)
{
    struct stat st;
    if (fstatat(dir, "manifest.json", &st, AT_SYMLINK_NOFOLLOW) < 0)
        return error_set(reterr, -errno, "manifest.json cannot be read: %s.",
                         strerrordesc_np(errno));
    *ret_size = (uint64_t)st.st_size;
    return 0;
}

static uint64_t member_length(const char *name, uint64_t size)
{
    uint8_t head[BLOCK + MAX_PAX_BYTES + BLOCK];
    return member_head(head, name, size, 0) + size + padding(size);
}

static int open_snapshot(struct snapshot_store *store, const struct snapshot *s,
                         struct error *reterr)
{
    if (!s->manifest)
        return error_set(reterr, -EBUSY, "The snapshot is not Completed.");
    return snapshot_store_open_dir(store, s->id, reterr);
}

/* Before the length is promised. Their SHA-256 are compared as they are sent. */
static int check_member(int dir, const struct snapshot_file *f, struct error *reterr)
{
    struct stat st;
    if (fstatat(dir, f->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? error_set(reterr, -ESTALE,
                                           "%.200s is gone: this snapshot is no longer whole "
                                           "(`trawl snapshot verify` says what is missing).",
                                           f->name)
                               : error_set(reterr, -errno, "%.200s cannot be read: %s.", f->name,
                                           strerrordesc_np(errno));
    if ((uint64_t)st.st_size == f->size_bytes)
        return 0;
    return error_set(reterr, -EBADMSG,
                     "%.200s changed since it was recorded (it has %llu bytes instead of %llu): "
                     "`trawl snapshot verify` says where.",
                     f->name, (unsigned long long)st.st_size, (unsigned long long)f->size_bytes);
}

int archive_length(struct snapshot_store *store, const struct snapshot *s, uint64_t *ret_bytes,
                   struct error *reterr)
{
    int dir = open_snapshot(store, s, reterr);
    if (dir < 0)
        return dir;
    uint64_t size, total = 2 * BLOCK;
    int r = manifest_size(dir, &size, reterr);
    for (size_t n = 0; r == 0 && n < s->manifest->node_count; n++)
        for (size_t f = 0; r == 0 && f < s->manifest->nodes[n].file_count; f++)
            r = check_member(dir, &s->manifest->nodes[n].files[f], reterr);
    close(dir);
    if (r < 0)
        return r;
    total += member_length("manifest.json", size);
    for (size_t n = 0; n < s->manifest->node_count; n++)
        for (size_t f = 0; f < s->manifest->nodes[n].file_count; f++)
            total += member_length(s->manifest->nodes[n].files[f].name,
                                   s->manifest->nodes[n].files[f].size_bytes);
    *ret_bytes = total;
    return 0;
}

/* ── writing ── */

struct writer {
    const struct archive_output *output;
    uint64_t at; /* bytes of the archive so far, left-out ones included */
    uint8_t *data;
    int dir;
    int64_t mtime_s;
};

static int put(struct writer *w, const uint8_t *data, size_t n, struct error *reterr)
{
    uint64_t from = w->output->from, start = w->at;
    w->at += n;
    if (w->at <= from)
        return 0;
    size_t skip = start < from ? (size_t)(from - start) : 0;
    int r = w->output->write(w->output->ctx, data + skip, n - skip);
    return r == 0 ? 0
                  : error_set(reterr, r < 0 ? r : -ECANCELED, "The archive could not be sent: %s.",
                              strerrordesc_np(r < 0 ? -r : ECANCELED));
}

static int put_data(struct writer *w, int fd, uint64_t size, struct snapshot_hash *hash,
                    struct error *reterr)
{
    uint64_t left = size;
    while (left > 0) {
        if (w->output->cancel && __atomic_load_n(w->output->cancel, __ATOMIC_RELAXED))
            return error_set(reterr, -ECANCELED, "It was cancelled.");
        size_t want = left < COPY_BYTES ? (size_t)left : COPY_BYTES;
        ssize_t n = io_read_full(fd, w->data, want);
        if (n != (ssize_t)want)
            return error_set_at(reterr, n < 0 ? (int)n : -EBADMSG, size - left,
                                "it ends or cannot be read after %llu bytes",
                                (unsigned long long)(size - left));
        snapshot_hash_add(hash, w->data, want);
        int r = put(w, w->data, want, reterr);
        if (r < 0)
            return r;
        left -= want;
    }
    return 0;
}

static int put_member(struct writer *w, const char *name, uint64_t size, const char *sha256,
                      struct error *reterr)
{
    uint8_t head[BLOCK + MAX_PAX_BYTES + BLOCK];
    size_t head_len = member_head(head, name, size, w->mtime_s);
    uint64_t whole = head_len + size + padding(size);
    if (w->at + whole <= w->output->from) { /* before the range */
        w->at += whole;
        return 0;
    }
    int r = put(w, head, head_len, reterr);
    if (r < 0)
        return r;
    int fd = openat(w->dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY);
    if (fd < 0)
        return error_set(reterr, -errno, "%s cannot be opened: %s.", name, strerrordesc_np(errno));
    struct snapshot_hash hash = {0};
    struct error e = {.offset = ERROR_NO_OFFSET};
    char got[SNAPSHOT_SHA256_SIZE];
    r = snapshot_hash_begin(&hash);
    if (r == 0)
        r = put_data(w, fd, size, &hash, &e);
    if (r == 0)
        r = snapshot_hash_end(&hash, got);
    if (r == 0 && w->output->from == 0 && strcmp(got, sha256) != 0)
        r = error_set(&e, -EBADMSG, "it does not match its SHA-256");
    if (r == 0) {
        static const uint8_t zeros[BLOCK];
        r = put(w, zeros, (size_t)padding(size), &e);
    }
    snapshot_hash_done(&hash);
    close(fd);
    return r < 0 ? error_set(reterr, r, "%s: %s.", name, e.text) : 0;
}

int archive_write(struct snapshot_store *store, const struct snapshot *s,
                  const struct archive_output *output, struct error *reterr)
{
    struct writer w = {.output = output, .data = malloc(COPY_BYTES)};
    w.dir = open_snapshot(store, s, reterr);
    if (w.dir < 0 || !w.data) {
        int r = w.dir < 0 ? w.dir : error_set(reterr, -ENOMEM, "There is no memory.");
        free(w.data);
        if (w.dir >= 0)
            close(w.dir);
        return r;
    }
    w.mtime_s = s->manifest->completed_at_ns / NS_PER_S;
    uint64_t size = 0;
    int r = manifest_size(w.dir, &size, reterr);
    if (r == 0)
        r = put_member(&w, "manifest.json", size, s->manifest_sha256, reterr);
    for (size_t n = 0; r == 0 && n < s->manifest->node_count; n++)
        for (size_t f = 0; r == 0 && f < s->manifest->nodes[n].file_count; f++) {
            const struct snapshot_file *file = &s->manifest->nodes[n].files[f];
            r = put_member(&w, file->name, file->size_bytes, file->sha256, reterr);
        }
    static const uint8_t end[2 * BLOCK];
    if (r == 0)
        r = put(&w, end, sizeof end, reterr);
    close(w.dir);
    free(w.data);
    return r;
}
