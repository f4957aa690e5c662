#include "packet/input_window.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    WINDOW_BYTES = 256 << 10, /* stays in the second-level cache */
    WINDOW_SLACK = 128 << 10, /* so that bytes are moved at most once per 128 KiB of progress */
    RAW_BYTES = 256 << 10
};

/* Bytes, 0 at the end, or a negative errno. */
static ssize_t read_some(struct input_window *w, void *to, size_t n)
{
    ssize_t got;
    do {
        got = w->seekable ? pread(w->fd, to, n, (off_t)w->file_pos) : read(w->fd, to, n);
    } while (got < 0 && errno == EINTR);
    if (got < 0)
        return -errno;
    w->file_pos += (uint64_t)got;
    return got;
}

static int read_magic(struct input_window *w, struct error *reterr)
{
    while (w->raw_end < 4) {
        ssize_t got = read_some(w, w->raw + w->raw_end, RAW_BYTES - w->raw_end);
        if (got == -EISDIR)
            return error_set(reterr, -EISDIR, "This is a folder, not a capture file.");
        if (got < 0)
            return error_set(reterr, (int)got, "The file cannot be read: %s.", strerror(-(int)got));
        if (got == 0) {
            w->raw_ended = true;
            break;
        }
        w->raw_end += (size_t)got;
    }
    return 0;
}

int input_window_open(struct input_window *w, int fd, uint64_t limit, struct error *reterr)
{
    *w = (struct input_window){.fd = fd, .limit = limit ? limit : UINT64_MAX};
    w->error.offset = ERROR_NO_OFFSET;
    struct stat st;
    w->seekable = fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode));
    w->raw = malloc(RAW_BYTES);
    w->data = malloc(WINDOW_BYTES);
    w->cap = WINDOW_BYTES;
    int r = w->raw && w->data
                ? 0
                : error_set(reterr, -ENOMEM, "There is not enough memory to read the file.");
    if (r == 0)
        r = read_magic(w, reterr);
    if (r == 0) {
        w->codec = input_codec_detect(slice_of(w->raw, w->raw_end));
        if (w->codec != INPUT_PLAIN && input_decoder_new(w->codec, &w->decoder) < 0)
            r = error_set(reterr, -ENOMEM, "There is not enough memory to decompress the file.");
    }
    if (r < 0) {
        input_window_close(w);
        return r;
    }
    if (w->codec == INPUT_PLAIN) {
        memcpy(w->data, w->raw, w->raw_end);
        w->end = w->raw_end < w->limit ? w->raw_end : (size_t)w->limit;
        w->fill_pos = w->end;
        w->ended = w->raw_ended || w->fill_pos >= w->limit;
        free(w->raw);
        w->raw = NULL;
    }
    return 0;
}

void input_window_close(struct input_window *w)
{
    if (!w)
        return;
    input_decoder_free(w->decoder);
    free(w->raw);
    free(w->data);
    *w = (struct input_window){.fd = -1, .ended = true};
}

/* Room for n bytes from start on. */
static bool make_room(struct input_window *w, size_t n)
{
    if (n <= w->cap - w->start)
        return true;
    size_t have = w->end - w->start;
    if (n + WINDOW_SLACK > w->cap) {
        uint8_t *data = malloc(n + WINDOW_SLACK);
        if (!data) {
            w->io_error = -ENOMEM;
            return false;
        }
        memcpy(data, w->data + w->start, have);
        free(w->data);
        w->data = data;
        w->cap = n + WINDOW_SLACK;
    } else {
        memmove(w->data, w->data + w->start, have);
    }
    w->start = 0;
    w->end = have;
    return true;
}

static void fill_plain(struct input_window *w)
{
    size_t room = w->cap - w->end;
    if (room > w->limit - w->fill_pos)
        room = (size_t)(w->limit - w->fill_pos);
    ssize_t got = room ? read_some(w, w->data + w->end, room) : 0;
    if (got < 0)
        w->io_error = (int)got;
    if (got <= 0) {
        w->ended = true;
        return;
    }
    w->end += (size_t)got;
    w->fill_pos += (uint64_t)got;
}

static bool refill_raw(struct input_window *w)
{
    if (w->raw_start < w->raw_end || w->raw_ended)
        return true;
    ssize_t got = read_some(w, w->raw, RAW_BYTES);
    if (got < 0) {
        w->io_error = (int)got;
        w->ended = true;
        return false;
    }
    w->raw_ended = got == 0;
    w->raw_start = 0;
    w->raw_end = (size_t)got;
    return true;
}

static void fill_decoded(struct input_window *w)
{
    if (!refill_raw(w))
        return;
    size_t room = w->cap - w->end;
    if (room > w->limit - w->fill_pos)
        room = (size_t)(w->limit - w->fill_pos);
    struct slice in = slice_of(w->raw + w->raw_start, w->raw_end - w->raw_start);
    bool no_input = in.len == 0;
    size_t written = 0;
    int r =
        room ? input_decoder_run(w->decoder, &in, w->data + w->end, room, &written, &w->error) : 0;
    w->raw_start = w->raw_end - in.len;
    w->end += written;
    w->fill_pos += written;
    if (r == -ENOMEM)
        w->io_error = r;
    if (r < 0 || room == 0) {
        w->error.code = r;
        w->ended = true;
    } else if (no_input && written == 0) {
        w->ended = true;
        if (!input_decoder_at_boundary(w->decoder))
            error_set(&w->error, -EBADMSG, "the compressed data is cut short");
    }
}

size_t input_window_fill(struct input_window *w, size_t n)
{
    if (w->ended || n > INPUT_WINDOW_NEED_MAX || !make_room(w, n))
        return w->end - w->start;
    while (w->end - w->start < n && !w->ended) {
        if (w->codec == INPUT_PLAIN)
            fill_plain(w);
        else
            fill_decoded(w);
    }
    return w->end - w->start;
}

bool input_window_skip(struct input_window *w, uint64_t n)
{
    while (n > 0) {
        size_t have = input_window_need(w, 1);
        if (have == 0)
            return false;
        size_t step = n < have ? (size_t)n : have;
        input_window_step(w, step);
        n -= step;
    }
    return true;
}

int input_window_seek(struct input_window *w, uint64_t offset)
{
    if (w->codec != INPUT_PLAIN || !w->seekable)
        return -ESPIPE;
    w->start = w->end = 0;
    w->offset = w->fill_pos = w->file_pos = offset;
    w->ended = offset >= w->limit;
    return 0;
}

int input_window_extend(struct input_window *w, uint64_t limit)
{
    if (w->codec != INPUT_PLAIN || !w->seekable)
        return -ESPIPE;
    if (limit > w->limit) {
        w->limit = limit;
        w->file_pos = w->fill_pos; /* what was read beyond the old limit was not kept */
        w->ended = false;
    }
    return 0;
}

uint64_t input_window_position(const struct input_window *w)
{
    if (w->codec == INPUT_PLAIN)
        return w->offset;
    return w->file_pos - (w->raw_end - w->raw_start);
}
