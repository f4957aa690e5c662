#include "dissect/proto/http2_upgrade.h"

#include "base/buf.h"
#include "base/text.h"

/* Fixed part; the texts follow, then the packets. */
struct packed_request {
    size_t method_len, target_len, body_len, header_count, ref_count;
    uint64_t head_size, body_size;
    struct dissect_span span;
};

bool http2_is_upgrade(const struct http_message *request, const struct http_message *response)
{
    return response->status_code == 101 && request->begun &&
           http_list_has(http_header(response, "upgrade"), "h2c");
}

static void put(struct buf *out, struct slice text)
{
    (void)buf_append(out, &text.len, sizeof text.len);
    (void)buf_append_slice(out, text);
}

static struct slice get(struct cursor *c, struct arena *arena)
{
    size_t len = 0;
    const uint8_t *p = cursor_take(c, sizeof len);
    if (p)
        memcpy(&len, p, sizeof len);
    return arena_dup(arena, cursor_slice(c, len));
}

struct slice http2_upgrade_pack(struct arena *arena, const struct http_message *request,
                                const struct dissect_span *span)
{
    struct packed_request head = {.header_count = request->header_count,
                                  .ref_count = span->ref_count,
                                  .head_size = request->head_size,
                                  .body_size = request->body_size,
                                  .span = *span};
    struct buf out;
    buf_init(&out, (size_t)DISSECT_BODY_CAP + (size_t)DISSECT_HEADER_CAP * 4);
    (void)buf_append(&out, &head, sizeof head);
    put(&out, request->method);
    put(&out, request->target);
    put(&out, gather_slice(&request->body));
    for (size_t i = 0; i < request->header_count; i++) {
        put(&out, request->headers[i].key);
        put(&out, request->headers[i].value);
    }
    (void)buf_append(&out, span->refs, span->ref_count * sizeof *span->refs);
    struct slice packed = buf_failed(&out) ? SLICE_NONE : arena_dup(arena, buf_slice(&out));
    buf_done(&out);
    return packed;
}

bool http2_upgrade_unpack(struct slice packed, struct arena *arena,
                          struct http_message *ret_request, struct dissect_span *ret_span)
{
    struct packed_request head;
    struct cursor c = cursor_of(packed.data, packed.len);
    const uint8_t *p = cursor_take(&c, sizeof head);
    if (!p)
        return false;
    memcpy(&head, p, sizeof head);
    struct http_message request = {.version = SLICE_LITERAL("2"),
                                   .scheme = SLICE_LITERAL("http"),
                                   .head_size = head.head_size,
                                   .body_size = head.body_size,
                                   .begun = true,
                                   .head_done = true,
                                   .done = true};
    request.method = get(&c, arena);
    request.target = get(&c, arena);
    struct slice body = get(&c, arena);
    request.body.data = (uint8_t *)(uintptr_t)body.data;
    request.body.len = request.body.cap = body.len;
    request.headers = arena_calloc(arena, head.header_count + 1, sizeof *request.headers);
    for (size_t i = 0; request.headers && i < head.header_count; i++) {
        request.headers[i].key = get(&c, arena);
        request.headers[i].value = get(&c, arena);
        request.header_count++;
    }
    struct packet_ref *refs = arena_alloc(arena, head.ref_count * sizeof *refs);
    p = cursor_take(&c, head.ref_count * sizeof *refs);
    if (!request.headers || !refs || !p)
        return false;
    memcpy(refs, p, head.ref_count * sizeof *refs);
    head.span.refs = refs;
    head.span.ref_cap = head.span.ref_count;
    *ret_request = request;
    *ret_span = head.span;
    return true;
}

int64_t http2_upgrade_window(const struct http_message *request)
{
    struct slice text = http_header(request, "http2-settings");
    uint8_t standard[256];
    struct buf settings;
    int64_t window = -1;
    if (text.len == 0 || text.len > sizeof standard)
        return -1;
    for (size_t i = 0; i < text.len; i++) { /* base64url (RFC 4648 section 5) */
        uint8_t c = text.data[i];
        standard[i] = c == '-' ? '+' : c == '_' ? '/' : c;
    }
    buf_init(&settings, sizeof standard);
    if (text_base64_decode(slice_of(standard, text.len), &settings) == 0) {
        struct cursor c = cursor_of(settings.data, settings.len);
        while (cursor_left(&c) >= 6) {
            uint16_t id = cursor_be16(&c);
            uint32_t value = cursor_be32(&c);
            if (id == 4 && value <= INT32_MAX) /* SETTINGS_INITIAL_WINDOW_SIZE */
                window = value;
        }
    }
    buf_done(&settings);
    return window;
}
