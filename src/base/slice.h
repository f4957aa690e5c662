/* A run of bytes that somebody else owns (borrowed). May hold any byte; never NUL-terminated by
 * contract. Thread: any. */
#ifndef TRAWL_BASE_SLICE_H
#define TRAWL_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

struct slice {
    const uint8_t *data;
    size_t len;
};

#define SLICE_LITERAL(text) \
    ((struct slice){.data = (const uint8_t *)(text), .len = sizeof(text) - 1})
#define SLICE_NONE ((struct slice){0})
/* For printf's "%.*s". */
#define SLICE_ARGS(s) (int)(s).len, (const char *)(s).data

static inline struct slice slice_of(const void *data, size_t len)
{
    return (struct slice){.data = data, .len = len};
}

static inline struct slice slice_str(const char *text)
{
    return slice_of(text, text ? strlen(text) : 0);
}

/* strchr() finds the NUL at the end of every set; this does not. */
static inline bool byte_is_in(uint8_t c, const char *set)
{
    return c && strchr(set, c);
}

static inline bool slice_eq(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool slice_eq_str(struct slice a, const char *text)
{
    return slice_eq(a, slice_str(text));
}

/* ASCII only. */
static inline bool slice_eq_nocase(struct slice a, struct slice b)
{
    return a.len == b.len &&
           (a.len == 0 || strncasecmp((const char *)a.data, (const char *)b.data, a.len) == 0);
}

static inline bool slice_starts_with(struct slice a, struct slice prefix)
{
    return a.len >= prefix.len && (prefix.len == 0 || memcmp(a.data, prefix.data, prefix.len) == 0);
}

static inline bool slice_ends_with(struct slice a, struct slice suffix)
{
    return a.len >= suffix.len &&
           (suffix.len == 0 || memcmp(a.data + a.len - suffix.len, suffix.data, suffix.len) == 0);
}

/* Bytewise, shorter first on a tie. */
static inline int slice_cmp(struct slice a, struct slice b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int c = n ? memcmp(a.data, b.data, n) : 0;
    return c ? c : (a.len > b.len) - (a.len < b.len);
}

/* The part from `from`, at most `len` bytes; out of range gives an empty slice. */
static inline struct slice slice_sub(struct slice a, size_t from, size_t len)
{
    if (from >= a.len)
        return slice_of(a.data ? a.data + a.len : NULL, 0);
    return slice_of(a.data + from, len < a.len - from ? len : a.len - from);
}

/* Spaces and tabs cut from both ends. */
static inline struct slice slice_trim(struct slice a)
{
    while (a.len && (a.data[0] == ' ' || a.data[0] == '\t'))
        a = slice_of(a.data + 1, a.len - 1);
    while (a.len && (a.data[a.len - 1] == ' ' || a.data[a.len - 1] == '\t'))
        a.len--;
    return a;
}

#endif
