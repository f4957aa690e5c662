#include "api/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/json_writer.h"
#include "base/text.h"

enum {
    MAX_LINE_BYTES = 4096,
    MAX_TEXT_BYTES = 600,
    HASH_TAIL_BYTES = sizeof(",\"hash\":\"\"}") - 1 + 2 * SHA256_DIGEST_LENGTH
};

static const char file_name[] = "audit.jsonl", phase[] = "audit";

struct audit {
    pthread_mutex_t lock;
    int fd;
    uint64_t seq;
    char prev[2 * SHA256_DIGEST_LENGTH + 1];
};

static void hash_text(struct slice text, char out[2 * SHA256_DIGEST_LENGTH + 1])
{
    uint8_t digest[SHA256_DIGEST_LENGTH];
    SHA256(text.data, text.len, digest);
    text_hex(digest, sizeof digest, out);
}

/* ── reading ── */

struct walk {
    FILE *file;
    char *line;
    size_t cap;
    uint64_t seq;
    off_t good_end; /* after the last whole line */
    char prev[2 * SHA256_DIGEST_LENGTH + 1];
    bool intact;
    uint64_t broken_at;
};

/* Does the line carry the hash of itself and of the one before? */
static bool fits(struct walk *w, struct slice line)
{
    char hash[2 * SHA256_DIGEST_LENGTH + 1], prev[100], seq[40];
    if (line.len < HASH_TAIL_BYTES)
        return false;
    struct slice body = slice_sub(line, 0, line.len - HASH_TAIL_BYTES);
    struct buf whole;
    buf_init(&whole, MAX_LINE_BYTES * 4);
    buf_append_slice(&whole, body);
    buf_append_str(&whole, "}");
    hash_text(buf_slice(&whole), hash);
    buf_done(&whole);
    char tail[HASH_TAIL_BYTES + 1];
    snprintf(tail, sizeof tail, ",\"hash\":\"%s\"}", hash);
    snprintf(prev, sizeof prev, ",\"prev\":\"%s\"", w->prev);
    snprintf(seq, sizeof seq, "{\"seq\":%llu,", (unsigned long long)w->seq);
    bool ok = slice_ends_with(line, slice_str(tail)) && slice_ends_with(body, slice_str(prev)) &&
              slice_starts_with(line, slice_str(seq));
    memcpy(w->prev, hash, sizeof hash);
    return ok;
}

/* The next whole line: false at the end. */
static bool next_line(struct walk *w, struct slice *ret_line)
{
    ssize_t n = getline(&w->line, &w->cap, w->file);
    if (n <= 0 || w->line[n - 1] != '\n')
        return false;
    w->good_end += n;
    w->seq++;
    struct slice line = slice_of(w->line, (size_t)n - 1);
    if (!fits(w, line) && w->intact) {
        w->intact = false;
        w->broken_at = w->seq;
    }
    *ret_line = line;
    return true;
}

static int walk_init(struct walk *w, int fd)
{
    *w = (struct walk){.intact = true};
    memset(w->prev, '0', sizeof w->prev - 1);
    w->file = fdopen(fd, "r");
    return w->file ? 0 : -errno;
}

static void walk_done(struct walk *w)
{
    if (w->file)
        fclose(w->file);
    free(w->line);
}

int audit_read(const char *data_dir, size_t max, struct buf *out, struct audit_check *ret_check,
               struct error *reterr)
{
    char path[4200];
    snprintf(path, sizeof path, "%.4096s/%s", data_dir, file_name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set(reterr, -errno, "%.300s cannot be read: %s.", path, strerror(errno));
    struct walk w;
    int e = walk_init(&w, fd);
    if (e) {
        close(fd);
        return e;
    }
    char **kept = max ? calloc(max, sizeof *kept) : NULL;
    struct slice line;
    while (next_line(&w, &line))
        if (kept) {
            free(kept[w.seq % max]);
            kept[w.seq % max] = strndup((const char *)line.data, line.len);
        }
    if (kept && out) {
        bool first = true;
        buf_append_str(out, "[");
        for (uint64_t s = w.seq > max ? w.seq - max + 1 : 1; s <= w.seq; s++, first = false)
            if (kept[s % max]) {
                buf_append_str(out, first ? "" : ",");
                buf_append_str(out, kept[s % max]);
            }
        buf_append_str(out, "]");
    }
    for (size_t i = 0; kept && i < max; i++)
        free(kept[i]);
    free(kept);
    struct stat st;
    if (w.intact && fstat(fd, &st) == 0 && st.st_size != w.good_end) {
        w.intact = false; /* half a line at the end */
        w.broken_at = w.seq + 1;
    }
    *ret_check = (struct audit_check){.lines = w.seq, .intact = w.intact, .broken_at = w.broken_at};
    walk_done(&w);
    return out ? buf_failed(out) : 0;
}

/* ── writing ── */

/* Continues the chain; cuts what a crash left of a last line. */
static int catch_up(struct audit *a, int dir, bool *ret_torn)
{
    int fd = openat(dir, file_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return -errno;
    struct walk w;
    struct stat st;
    int e = walk_init(&w, fd);
    if (e) {
        close(fd);
        return e;
    }
    struct slice line;
    while (next_line(&w, &line))
        ;
    a->seq = w.seq;
    memcpy(a->prev, w.prev, sizeof a->prev);
    *ret_torn = fstat(fd, &st) == 0 && st.st_size > w.good_end;
    off_t end = w.good_end;
    walk_done(&w);
    return *ret_torn ? io_ftruncate(phase, a->fd, end) : 0;
}

int audit_open(const char *data_dir, struct audit **ret_audit, struct error *reterr)
{
    struct audit *a = calloc(1, sizeof *a);
    if (!a)
        return error_set(reterr, -ENOMEM, "There is no memory for the audit log.");
    pthread_mutex_init(&a->lock, NULL);
    memset(a->prev, '0', sizeof a->prev - 1);
    a->fd = -1;
    bool torn = false;
    int dir = open(data_dir, O_PATH | O_DIRECTORY | O_CLOEXEC), e = dir < 0 ? -errno : 0;
    if (!e) {
        a->fd = io_create(phase, dir, file_name, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0600);
        e = a->fd < 0 ? a->fd : catch_up(a, dir, &torn);
    }
    if (dir >= 0)
        close(dir);
    if (!e && torn)
        e = audit_write(a, "hub", "", "audit.repaired", "", "a torn last line was cut");
    if (e) {
        audit_close(a);
        return error_set(reterr, e, "%.300s/%s cannot be written: %s.", data_dir, file_name,
                         strerror(-e));
    }
    *ret_audit = a;
    return 0;
}

void audit_close(struct audit *audit)
{
    if (!audit)
        return;
    if (audit->fd >= 0)
        close(audit->fd);
    pthread_mutex_destroy(&audit->lock);
    free(audit);
}

static void member(struct json_writer *w, const char *key, const char *text)
{
    json_key(w, key);
    json_text(w, slice_sub(slice_str(text ? text : ""), 0, MAX_TEXT_BYTES));
}

int audit_write(struct audit *a, const char *who, const char *peer, const char *action,
                const char *target, const char *detail)
{
    struct buf line;
    buf_init(&line, 4 * MAX_LINE_BYTES);
    pthread_mutex_lock(&a->lock);
    struct json_writer w;
    json_init(&w, &line);
    json_begin_object(&w);
    json_member_uint(&w, "seq", a->seq + 1);
    json_member_time(&w, "at", clock_now_ns());
    member(&w, "who", who);
    member(&w, "peer", peer);
    member(&w, "action", action);
    member(&w, "target", target);
    member(&w, "detail", detail);
    json_member_str(&w, "prev", a->prev);
    json_end_object(&w);
    char hash[2 * SHA256_DIGEST_LENGTH + 1];
    hash_text(buf_slice(&line), hash);
    line.len--; /* the closing brace */
    buf_printf(&line, ",\"hash\":\"%s\"}\n", hash);
    int e = buf_failed(&line);
    struct stat st;
    if (!e && fstat(a->fd, &st) < 0)
        e = -errno;
    if (!e) {
        e = io_write(phase, a->fd, line.data, line.len);
        if (e)
            (void)io_ftruncate(phase, a->fd, st.st_size); /* half a line would break the chain */
    }
    if (!e)
        e = io_fdatasync(phase, a->fd);
    if (!e) {
        a->seq++;
        memcpy(a->prev, hash, sizeof hash);
    }
    pthread_mutex_unlock(&a->lock);
    buf_done(&line);
    return e;
}
