#include "unit/packet/support_blocks.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "unit/unit_test.h"

void blocks_init(struct blocks *b, bool big_endian)
{
    *b = (struct blocks){.big_endian = big_endian};
    buf_init(&b->out, 64 << 20);
}

void blocks_done(struct blocks *b)
{
    buf_done(&b->out);
}

void blocks_u16(struct blocks *b, uint16_t v)
{
    v = b->big_endian ? __builtin_bswap16(v) : v;
    assert_int_equal(buf_append(&b->out, &v, 2), 0);
}

void blocks_u32(struct blocks *b, uint32_t v)
{
    v = b->big_endian ? __builtin_bswap32(v) : v;
    assert_int_equal(buf_append(&b->out, &v, 4), 0);
}

void blocks_u64(struct blocks *b, uint64_t v)
{
    v = b->big_endian ? __builtin_bswap64(v) : v;
    assert_int_equal(buf_append(&b->out, &v, 8), 0);
}

void blocks_padded(struct blocks *b, const void *data, size_t n)
{
    assert_int_equal(buf_append(&b->out, data, n), 0);
    assert_int_equal(buf_append_fill(&b->out, 0, -n & 3), 0);
}

void blocks_option(struct blocks *b, uint16_t code, const void *value, size_t n)
{
    blocks_u16(b, code);
    blocks_u16(b, (uint16_t)n);
    blocks_padded(b, value, n);
}

void blocks_poke_u32(struct blocks *b, size_t offset, uint32_t v)
{
    v = b->big_endian ? __builtin_bswap32(v) : v;
    memcpy(b->out.data + offset, &v, 4);
}

void blocks_begin(struct blocks *b, uint32_t type)
{
    b->block_start = b->out.len;
    blocks_u32(b, type);
    blocks_u32(b, 0);
}

void blocks_end(struct blocks *b)
{
    uint32_t bytes = (uint32_t)(b->out.len - b->block_start) + 4;
    blocks_u32(b, bytes);
    blocks_poke_u32(b, b->block_start + 4, bytes);
}

void blocks_section(struct blocks *b)
{
    blocks_begin(b, 0x0a0d0d0a);
    blocks_u32(b, 0x1a2b3c4d);
    blocks_u16(b, 1);
    blocks_u16(b, 0);
    blocks_u64(b, UINT64_MAX);
    blocks_end(b);
}

void blocks_interface(struct blocks *b, uint16_t link_type, int resolution, const char *name)
{
    blocks_begin(b, 1);
    blocks_u16(b, link_type);
    blocks_u16(b, 0);
    blocks_u32(b, 0);
    if (name)
        blocks_option(b, 2, name, strlen(name));
    if (resolution >= 0)
        blocks_option(b, 9, &(uint8_t){(uint8_t)resolution}, 1);
    blocks_u32(b, 0);
    blocks_end(b);
}

void blocks_packet(struct blocks *b, uint32_t interface, uint64_t ticks, const char *data,
                   uint32_t direction)
{
    blocks_begin(b, 6);
    blocks_u32(b, interface);
    blocks_u32(b, (uint32_t)(ticks >> 32));
    blocks_u32(b, (uint32_t)ticks);
    blocks_u32(b, (uint32_t)strlen(data));
    blocks_u32(b, (uint32_t)strlen(data) + 100);
    blocks_padded(b, data, strlen(data));
    if (direction) {
        blocks_option(b, 1, "a comment", 9);
        blocks_u16(b, 2);
        blocks_u16(b, 4);
        blocks_u32(b, direction);
        blocks_u32(b, 0);
    }
    blocks_end(b);
}

void blocks_pcap_header(struct blocks *b, uint32_t magic, uint32_t snaplen, uint32_t link_type)
{
    blocks_u32(b, magic);
    blocks_u16(b, 2);
    blocks_u16(b, 4);
    blocks_u64(b, 0);
    blocks_u32(b, snaplen);
    blocks_u32(b, link_type);
}

void blocks_pcap_record(struct blocks *b, uint32_t seconds, uint32_t fraction, const char *data)
{
    uint32_t n = (uint32_t)strlen(data);
    blocks_u32(b, seconds);
    blocks_u32(b, fraction);
    blocks_u32(b, n);
    blocks_u32(b, n);
    assert_int_equal(buf_append(&b->out, data, n), 0);
}

int file_of(const void *data, size_t n)
{
    int fd = memfd_create("capture", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, n), (ssize_t)n);
    return fd;
}

int pipe_of(const void *data, size_t n)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], data, n), (ssize_t)n);
    close(fds[1]);
    return fds[0];
}

static void count(struct reading *ret, int event, const struct packet *packet)
{
    ret->damages += event == CAPTURE_DAMAGE;
    ret->interfaces += event == CAPTURE_INTERFACE;
    ret->statistics += event == CAPTURE_STATISTICS;
    ret->secrets += event == CAPTURE_SECRETS;
    ret->names += event == CAPTURE_NAMES;
    if (event == CAPTURE_DAMAGE)
        ret->last_damage = ret->error;
    if (event != CAPTURE_PACKET)
        return;
    ret->packets++;
    ret->last = *packet;
    size_t used = strlen(ret->text);
    if (packet->captured_bytes + 2 < sizeof ret->text - used)
        snprintf(ret->text + used, sizeof ret->text - used, "%.*s ", (int)packet->captured_bytes,
                 (const char *)packet->data);
}

struct reading read_all(int fd, const struct capture_reader_options *options)
{
    struct reading ret = {0};
    struct capture_reader *reader = NULL;
    ret.code = capture_reader_open(fd, options, &reader, &ret.error);
    if (ret.code < 0)
        return ret;
    struct packet packet;
    size_t limit = 10000000;
    do {
        ret.code = capture_reader_next(reader, &packet, &ret.error);
        count(&ret, ret.code, &packet);
        assert_true(limit-- > 0);
    } while (ret.code > CAPTURE_END);
    capture_reader_free(reader);
    return ret;
}
