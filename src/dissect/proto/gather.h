/* Bytes that arrive in pieces and end up contiguous in an arena. Grows by four, so that at most a
 * third is wasted. Thread: that of the arena. */
#ifndef TRAWL_DISSECT_PROTO_GATHER_H
#define TRAWL_DISSECT_PROTO_GATHER_H

#include "base/arena.h"

struct gather {
    uint8_t *data;
    size_t len, cap;
    bool cut; /* more came than was kept */
};

/* Adds bytes up to max_bytes in all; what is beyond, or finds no memory, is left out (`cut`). */
static inline void gather_add(struct gather *g, struct arena *arena, struct slice more,
                              size_t max_bytes)
{
    size_t room = g->len < max_bytes ? max_bytes - g->len : 0;
    if (more.len > room) {
        more.len = room;
        g->cut = true;
    }
    if (more.len == 0)
        return;
    size_t need = g->len + more.len;
    if (need > g->cap) {
        size_t cap = g->cap * 4 > need ? g->cap * 4 : need;
        if (cap > max_bytes)
            cap = max_bytes;
        uint8_t *data = (uint8_t *)arena_alloc(arena, cap);
        if (!data) {
            g->cut = true;
            return;
        }
        if (g->len)
            memcpy(data, g->data, g->len);
        g->data = data;
        g->cap = cap;
    }
    memcpy(g->data + g->len, more.data, more.len);
    g->len = need;
}

static inline struct slice gather_slice(const struct gather *g)
{
    return slice_of(g->data, g->len);
}

/* Control characters that no text has, among the first bytes. */
static inline bool gather_is_binary(struct slice s)
{
    for (size_t i = 0; i < s.len && i < 32; i++)
        if (s.data[i] < 0x08 || (s.data[i] > 0x0d && s.data[i] < 0x20))
            return true;
    return false;
}

#endif
