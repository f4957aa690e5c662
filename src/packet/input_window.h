/* A window over a file or pipe, plain or compressed, that only moves forward: a reader asks for n
 * bytes at its position, looks at them, steps over them. Memory: 2 MiB, grows to the largest n
 * asked for plus 1 MiB (n ≤ 16 MiB). Regular files are read with pread(2) from offset 0 on,
 * whatever the descriptor's own position, so several windows may share one descriptor; they are
 * never mapped (a file cut short under a mapping is a SIGBUS). Thread: owner. */
#ifndef TRAWL_PACKET_INPUT_WINDOW_H
#define TRAWL_PACKET_INPUT_WINDOW_H

#include "packet/input_decoder.h"

enum {
    INPUT_WINDOW_NEED_MAX = 16 << 20
};

struct input_window {
    uint8_t *data;
    size_t cap;
    size_t start, end;  /* unread bytes are data[start, end) */
    uint64_t offset;    /* of data[start] in the plain file */
    uint64_t limit;     /* plain bytes beyond this are not there */
    bool ended;         /* nothing follows data[end] */
    struct error error; /* why it ended early: code 0 = it did not (compressed data) */
    int io_error;       /* sticky negative errno of read(2) or lack of memory */

    int fd; /* borrowed */
    bool seekable;
    uint64_t file_pos; /* bytes taken from the descriptor */
    uint64_t fill_pos; /* plain offset of data[end] */
    enum input_codec codec;
    struct input_decoder *decoder;
    uint8_t *raw; /* compressed bytes not yet decoded: raw[raw_start, raw_end) */
    size_t raw_start, raw_end;
    bool raw_ended;
};

/* Reads the first bytes and finds the codec. limit: 0 = none. 0 or a negative errno with a
 * sentence. On failure nothing is held. */
int input_window_open(struct input_window *w, int fd, uint64_t limit, struct error *reterr);
void input_window_close(struct input_window *w);

/* Internal: the slow half of input_window_need. */
size_t input_window_fill(struct input_window *w, size_t n);

/* Bytes there are at the position: at least n, or fewer at the end of the input (then io_error or
 * error say whether something went wrong). n ≤ INPUT_WINDOW_NEED_MAX. May move the bytes. */
static inline size_t input_window_need(struct input_window *w, size_t n)
{
    size_t have = w->end - w->start;
    return have >= n ? have : input_window_fill(w, n);
}

static inline const uint8_t *input_window_at(const struct input_window *w)
{
    return w->data + w->start;
}

/* n ≤ what the last need returned. */
static inline void input_window_step(struct input_window *w, size_t n)
{
    w->start += n;
    w->offset += n;
}

/* Any n: true when all of it was there. */
bool input_window_skip(struct input_window *w, uint64_t n);
/* Plain regular files only: goes on at this offset. -ESPIPE otherwise. */
int input_window_seek(struct input_window *w, uint64_t offset);
/* Plain regular files only: the limit moves on. -ESPIPE otherwise. */
int input_window_extend(struct input_window *w, uint64_t limit);
/* Bytes of the input behind us: of the compressed file when it is one. */
uint64_t input_window_position(const struct input_window *w);

#endif
