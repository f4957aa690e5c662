/* Packets put together header by header, and hexadecimal ones from specifications. */
#ifndef TRAWL_TESTS_SUPPORT_FRAMES_H
#define TRAWL_TESTS_SUPPORT_FRAMES_H

#include "base/buf.h"
#include "packet/frame.h"

struct bytes {
    uint8_t data[70000];
    size_t len;
};

void put_hex(struct bytes *b, const char *hex); /* spaces are ignored */
void put_text(struct bytes *b, const char *text);
void put_fill(struct bytes *b, uint8_t v, size_t n);
void poke16(struct bytes *b, size_t at, size_t v);

/* Each puts its header and returns where it begins; end_… writes the lengths once what is inside
 * stands. 10.0.0.1 → 10.0.0.2, fd00::1 → fd00::2. */
void put_ethernet(struct bytes *b, uint16_t type);
size_t begin_ipv4(struct bytes *b, uint8_t protocol);
void end_ipv4(struct bytes *b, size_t at);
size_t begin_ipv6(struct bytes *b, uint8_t next_header);
void end_ipv6(struct bytes *b, size_t at);
size_t begin_udp(struct bytes *b, uint16_t src, uint16_t dst);
void end_udp(struct bytes *b, size_t at);
void put_tcp(struct bytes *b, uint16_t src, uint16_t dst, const char *options_hex);

/* The whole was captured. */
struct frame decode(const struct bytes *b, uint16_t link_type);
/* Only the first `captured` bytes were. */
struct frame decode_cut(const struct bytes *b, uint16_t link_type, size_t captured);

#endif
