/* Content codings: the first byte picks them, the rest is the body. */
#include "base/memory.h"
#include "dissect/dissector.h"
#include "fuzz/alloc_faults.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const codings[] = {
        "gzip", "deflate", "br", "zstd", "gzip, br", "br,x-gzip", "zstd, gzip", "identity,deflate"};
    if (size == 0)
        return 0;
    struct arena arena;
    struct slice body = SLICE_NONE;
    bool truncated = false;
    arena_init(&arena, 4 * 1024 * 1024);
    uint64_t failures = memory_failures();
    bool faulty = alloc_faults_begin(data, size);
    int r = dissect_decode_body(&arena, slice_str(codings[data[0] & 7]),
                                slice_of(data + 1, size - 1), &body, &truncated);
    alloc_faults_pause();
    if (faulty && alloc_faults_failed() && memory_failures() == failures)
        __builtin_trap(); /* nobody would know */
    if (r == 0 && body.len > DISSECT_BODY_CAP)
        __builtin_trap();
    arena_done(&arena);
    return 0;
}
