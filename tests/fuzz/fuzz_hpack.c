/* HPACK: blocks of one direction, now and then with a loss between them. A byte of options, then
 * per block two bytes of length (the highest bit: something is lost before it) and the block. */
#include <stdlib.h>

#include "base/cursor.h"
#include "dissect/dissector.h"
#include "dissect/proto/hpack.h"
#include "fuzz/alloc_faults.h"

enum {
    ARENA_BYTES = 4 * 1024 * 1024,
    LOSS_BIT = 0x8000
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

extern volatile unsigned sum_of_all;
volatile unsigned sum_of_all;

/* What comes out is within the caps and readable; a sum that nobody needs makes each byte be read.
 */
static unsigned check(const struct hpack_fields *fields)
{
    unsigned sum = 0;
    if (fields->count > DISSECT_MAX_HEADERS)
        abort();
    for (size_t i = 0; i < fields->count; i++) {
        const struct hpack_field *field = &fields->list[i];
        for (size_t k = 0; k < field->name.len; k++)
            sum += field->name.data[k];
        for (size_t k = 0; k < field->value.len; k++)
            sum += field->value.data[k];
        if (field->unknown && !fields->unknown)
            abort();
    }
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena conn, block_arena;
    struct hpack_decoder decoder;
    struct cursor c = cursor_of(data, size);
    alloc_faults_begin(data, size);
    arena_init(&conn, ARENA_BYTES);
    arena_init(&block_arena, ARENA_BYTES);
    hpack_init(&decoder, &conn, cursor_u8(&c) & 1);
    while (cursor_left(&c)) {
        struct hpack_fields fields;
        size_t head = cursor_le16(&c);
        size_t len = head & (LOSS_BIT - 1);
        if (head & LOSS_BIT)
            hpack_forget(&decoder);
        if (len > cursor_left(&c))
            len = cursor_left(&c);
        struct slice bytes = cursor_slice(&c, len);
        uint8_t *copy = alloc_faults_malloc(len);
        if (len)
            memcpy(copy, bytes.data, len);
        (void)hpack_decode(&decoder, slice_of(copy, len), &block_arena, &fields);
        free(copy);
        sum_of_all = check(&fields);
        if (decoder.size > HPACK_KEEP_BYTES)
            abort();
        arena_reset(&block_arena);
    }
    alloc_faults_pause();
    arena_done(&conn);
    arena_done(&block_arena);
    return 0;
}
