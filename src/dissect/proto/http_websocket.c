#include "dissect/proto/http_websocket.h"

struct slice http_websocket_params(struct arena *arena, const struct http_message *request,
                                   const struct http_message *response)
{
    struct slice target = request->target;
    const uint8_t *query = target.len ? memchr(target.data, '?', target.len) : NULL;
    struct slice lines[4] = {
        request->authority.len ? request->authority : http_header(request, "host"),
        query ? slice_of(target.data, (size_t)(query - target.data)) : target,
        http_header(response, "sec-websocket-protocol"),
        http_header(response, "sec-websocket-extensions"),
    };
    size_t len = 0;
    for (int i = 0; i < 4; i++)
        len += lines[i].len + 1;
    uint8_t *out = arena_alloc(arena, len);
    uint8_t *p = out;
    for (int i = 0; out && i < 4; i++) {
        if (lines[i].len)
            memcpy(p, lines[i].data, lines[i].len);
        p += lines[i].len;
        *p++ = '\n';
    }
    return slice_of(out, out ? len : 0);
}
