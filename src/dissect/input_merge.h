/* The packets of several capture files in order of time. Files whose turn has not come are not
 * being read: only the time of their first packet is known. Thread: owner. */
#ifndef TRAWL_DISSECT_INPUT_MERGE_H
#define TRAWL_DISSECT_INPUT_MERGE_H

#include "dissect/run.h"
#include "packet/packet.h"

struct input_merge;

struct merged_packet {
    struct packet packet; /* borrowed until the next call */
    uint32_t file;        /* index of the input */
    uint32_t vantage;     /* number of the interface over all inputs, from 0 */
};

struct input_merge_options {
    const struct dissect_input *inputs;
    size_t input_count;
    bool grows; /* no input is there yet: they come with input_merge_grow, in order */
    void (*damage)(void *ctx, const struct dissect_input *input, const struct error *error);
    void *ctx;
    /* Key log text of a decryption secrets block that stands before the packets that come next.
     * Anything but 0 ends the reading and is returned. MAY be NULL. */
    int (*secrets)(void *ctx, struct slice text);
    void *secrets_ctx;
    /* What the recorder noted in a statistics block of this input. As secrets(). MAY be NULL. */
    int (*note)(void *ctx, const struct dissect_input *input, struct slice note);
    void *note_ctx;
};

int input_merge_new(const struct input_merge_options *options, struct input_merge **ret_merge,
                    struct error *reterr);
void input_merge_free(struct input_merge *merge);
/* With `grows`: input `index` is there up to `length` bytes, where a block ends; `last`: nothing
 * will follow. inputs[index] is read from now on. -ENOMEM. */
int input_merge_grow(struct input_merge *merge, size_t index, uint64_t length, bool last);
/* Nothing before this offset of a growing input is read again; UINT64_MAX once it is closed. */
uint64_t input_merge_behind(const struct input_merge *merge, size_t index);
/* The time of the packet that comes next (by the common clock: ahead_ns): 1, 0 when there is none
 * (yet), -ENOMEM. */
int input_merge_head(struct input_merge *merge, int64_t *ret_ns);
/* 1, 0 at the end, -ENOMEM. What is wrong with an input goes to damage(). */
int input_merge_next(struct input_merge *merge, struct merged_packet *ret_packet);
/* "node:interface"; borrowed until the merge is freed. Thread: any that was given the number. */
struct slice input_merge_vantage(const struct input_merge *merge, uint32_t vantage);
uint64_t input_merge_damages(const struct input_merge *merge);
/* Bytes read of the inputs so far. */
uint64_t input_merge_read_bytes(const struct input_merge *merge);

#endif
