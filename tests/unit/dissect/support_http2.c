#include "support_http2.h"

#include "unit/unit_test.h"

enum {
    POOL_BYTES = 4 * 1024 * 1024
};

static uint8_t pool[POOL_BYTES];
static size_t pool_used;

static uint8_t *pool_take(size_t n)
{
    if (pool_used + n > sizeof pool)
        pool_used = 0; /* round and round: a script is short */
    uint8_t *p = pool + pool_used;
    pool_used += n;
    return p;
}

struct slice http2_bytes(struct slice a, struct slice b)
{
    uint8_t *p = pool_take(a.len + b.len);
    if (a.len)
        memcpy(p, a.data, a.len);
    if (b.len)
        memcpy(p + a.len, b.data, b.len);
    return slice_of(p, a.len + b.len);
}

struct slice http2_u32(uint32_t v)
{
    uint8_t bytes[4] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};
    return http2_bytes(slice_of(bytes, 4), SLICE_NONE);
}

struct drive_step http2_frame(enum dissect_dir dir, uint8_t type, uint8_t flags, uint32_t id,
                              struct slice payload)
{
    uint8_t head[9] = {(uint8_t)(payload.len >> 16),
                       (uint8_t)(payload.len >> 8),
                       (uint8_t)payload.len,
                       type,
                       flags,
                       (uint8_t)(id >> 24),
                       (uint8_t)(id >> 16),
                       (uint8_t)(id >> 8),
                       (uint8_t)id};
    return (struct drive_step){.dir = dir, .bytes = http2_bytes(slice_of(head, 9), payload)};
}

static size_t put_string(uint8_t *out, const char *text, size_t len)
{
    assert_true(len < 127 + 128);
    size_t n = 0;
    if (len < 127) {
        out[n++] = (uint8_t)len;
    } else {
        out[n++] = 127;
        out[n++] = (uint8_t)(len - 127);
    }
    memcpy(out + n, text, len);
    return n + len;
}

struct slice http2_block(const char *fields)
{
    uint8_t *out = pool_take(strlen(fields) * 2 + 64);
    size_t n = 0;
    while (*fields) {
        size_t line = strcspn(fields, "\n");
        const char *colon = memmem(fields, line, ": ", 2);
        assert_non_null(colon);
        size_t name = (size_t)(colon - fields);
        out[n++] = 0;
        n += put_string(out + n, fields, name);
        n += put_string(out + n, colon + 2, line - name - 2);
        fields += line + (fields[line] == '\n');
    }
    return slice_of(out, n);
}

struct slice grpc_message(uint8_t flags, struct slice bytes)
{
    struct slice head = http2_bytes(slice_of(&flags, 1), http2_u32((uint32_t)bytes.len));
    return http2_bytes(head, bytes);
}
