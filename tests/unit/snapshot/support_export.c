#include "unit/snapshot/support_export.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/io.h"
#include "packet/packet.h"
#include "packet/pcapng_writer.h"
#include "unit/unit_test.h"

int export_setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    char dir[512];
    make_folder(dir);
    memcpy(f->dir, dir, sizeof dir);
    snprintf(f->out, sizeof f->out, "%s/out", dir);
    for (int i = 0; i < 4; i++)
        snprintf(f->paths[i], sizeof f->paths[i], "%s/in%d.pcapng", dir, i);
    *state = f;
    return 0;
}

int export_teardown(void **state)
{
    struct fixture *f = *state;
    remove_folder(f->dir);
    free(f);
    return 0;
}

void frame_bytes(uint8_t data[PAYLOAD], uint32_t number)
{
    memset(data, 0, PAYLOAD);
    static const uint8_t head[] = {2,    0, 0,  0,  0, 1, 2,    0, 0,    0,  0, 2,  8,  0,
                                   0x45, 0, 0,  46, 0, 0, 0,    0, 64,   17, 0, 0,  10, 0,
                                   0,    1, 10, 0,  0, 2, 0x10, 0, 0x20, 0,  0, 26, 0,  0};
    memcpy(data, head, sizeof head);
    data[35] = (uint8_t)(number % 4);
    memcpy(data + 44, &number, sizeof number);
}

void save(const char *path, const struct buf *bytes)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(io_write("test", fd, bytes->data, bytes->len), 0);
    close(fd);
}

void write_capture(const char *path, const char *interface, const int64_t *stamps, size_t count,
                   uint32_t base)
{
    struct buf bytes;
    buf_init(&bytes, 512 << 20);
    pcapng_put_section(&bytes, NULL, "test", NULL);
    struct packet_interface i = {.link_type = 1, .snaplen_bytes = 262144, .name = interface};
    pcapng_put_interface(&bytes, &i);
    for (size_t n = 0; n < count; n++) {
        uint8_t data[PAYLOAD];
        frame_bytes(data, base + (uint32_t)n);
        struct packet p = {.ts_ns = stamps[n],
                           .data = data,
                           .captured_bytes = PAYLOAD,
                           .original_bytes = PAYLOAD,
                           .link_type = 1};
        pcapng_put_packet(&bytes, &p, NULL);
    }
    assert_int_equal(buf_failed(&bytes), 0);
    save(path, &bytes);
    buf_done(&bytes);
}

static int to_fd(void *ctx, const uint8_t *data, size_t n)
{
    return io_write("test", *(int *)ctx, data, n);
}

int export_to(struct fixture *f, struct export_options *o, struct export_result *result,
              struct error *e)
{
    int fd = open(f->out, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    *e = (struct error){.text = ""};
    if (o->from_ns == 0 && o->to_ns == 0) {
        o->from_ns = INT64_MIN;
        o->to_ns = INT64_MAX;
    }
    o->write = to_fd;
    o->ctx = &fd;
    int r = export_run(o, result, e);
    close(fd);
    return r;
}

static void see(void *ctx, const struct packet *p)
{
    struct seen *s = ctx;
    assert_true(s->count < 100000);
    memcpy(&s->numbers[s->count], p->data + 44, 4);
    s->stamps[s->count] = p->ts_ns;
    s->interfaces[s->count++] = p->interface;
}

struct seen *read_out(const struct fixture *f)
{
    struct seen *s = calloc(1, sizeof *s);
    read_packets(f->out, see, s);
    return s;
}
