#include "unit/packet/support_frames.h"

#include <stdlib.h>

#include "unit/unit_test.h"

static int nibble(char c)
{
    return c <= '9' ? c - '0' : c - 'a' + 10;
}

void put_hex(struct bytes *b, const char *hex)
{
    for (const char *c = hex; *c;) {
        if (*c == ' ') {
            c++;
            continue;
        }
        b->data[b->len++] = (uint8_t)(nibble(c[0]) << 4 | nibble(c[1]));
        c += 2;
    }
}

void put_text(struct bytes *b, const char *text)
{
    memcpy(b->data + b->len, text, strlen(text));
    b->len += strlen(text);
}

void put_fill(struct bytes *b, uint8_t v, size_t n)
{
    memset(b->data + b->len, v, n);
    b->len += n;
}

void poke16(struct bytes *b, size_t at, size_t v)
{
    b->data[at] = (uint8_t)(v >> 8);
    b->data[at + 1] = (uint8_t)v;
}

static void put16(struct bytes *b, size_t v)
{
    poke16(b, b->len, v);
    b->len += 2;
}

void put_ethernet(struct bytes *b, uint16_t type)
{
    put_hex(b, "020000000002 020000000001");
    put16(b, type);
}

size_t begin_ipv4(struct bytes *b, uint8_t protocol)
{
    size_t at = b->len;
    put_hex(b, "4500 0000 1234 0000 40 00 0000 0a000001 0a000002");
    b->data[at + 9] = protocol;
    return at;
}

void end_ipv4(struct bytes *b, size_t at)
{
    poke16(b, at + 2, b->len - at);
}

size_t begin_ipv6(struct bytes *b, uint8_t next_header)
{
    size_t at = b->len;
    put_hex(b, "60000000 0000 00 40 fd000000000000000000000000000001 "
               "fd000000000000000000000000000002");
    b->data[at + 6] = next_header;
    return at;
}

void end_ipv6(struct bytes *b, size_t at)
{
    poke16(b, at + 4, b->len - at - 40);
}

size_t begin_udp(struct bytes *b, uint16_t src, uint16_t dst)
{
    size_t at = b->len;
    put16(b, src);
    put16(b, dst);
    put_hex(b, "0000 0000");
    return at;
}

void end_udp(struct bytes *b, size_t at)
{
    poke16(b, at + 4, b->len - at);
}

void put_tcp(struct bytes *b, uint16_t src, uint16_t dst, const char *options_hex)
{
    size_t at = b->len;
    put16(b, src);
    put16(b, dst);
    put_hex(b, "01020304 05060708 5018 7210 0000 0000");
    put_hex(b, options_hex);
    b->data[at + 12] = (uint8_t)((b->len - at) / 4 << 4);
}

struct frame decode_cut(const struct bytes *b, uint16_t link_type, size_t captured)
{
    /* A block of its own, so that the sanitizer sees the first byte read beyond it. */
    uint8_t *copy = malloc(captured ? captured : 1);
    assert_non_null(copy);
    memcpy(copy, b->data, captured);
    struct packet packet = {.data = copy,
                            .captured_bytes = (uint32_t)captured,
                            .original_bytes = (uint32_t)b->len,
                            .link_type = link_type};
    struct frame f;
    frame_decode(&packet, &f);
    /* The borrowed slices are handed on into the caller's bytes. */
    if (f.payload.data)
        f.payload.data = b->data + (f.payload.data - copy);
    if (f.tcp_options.data)
        f.tcp_options.data = b->data + (f.tcp_options.data - copy);
    free(copy);
    return f;
}

struct frame decode(const struct bytes *b, uint16_t link_type)
{
    return decode_cut(b, link_type, b->len);
}
