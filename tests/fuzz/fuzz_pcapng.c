/* Capture files: plain, compressed, from an offset, up to an offset. What is read must stay within
 * its bounds, every call must move on, and a plain pcapng reading must end. The packets go on to
 * the frame decoder and to reassembly, and what is whole is written and read again. */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz/alloc_faults.h"
#include "packet/capture_reader.h"
#include "packet/defrag.h"
#include "packet/frame.h"
#include "packet/pcapng_writer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t sum_bytes(const uint8_t *p, size_t n)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += p[i];
    return sum;
}

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void take_packet(const struct packet *packet, struct defrag *defrag, struct buf *out)
{
    check(packet->captured_bytes <= PACKET_CAPTURED_BYTES_MAX);
    volatile uint64_t sum = sum_bytes(packet->data, packet->captured_bytes);
    (void)sum;
    struct frame frame;
    struct slice ip;
    frame_decode(packet, &frame);
    if (frame.kind == FRAME_FRAGMENT && defrag_add(defrag, packet, &frame, &ip) == DEFRAG_COMPLETE)
        frame_decode_ip(ip, &frame);
    size_t before = out->len;
    if (pcapng_put_packet(out, packet, NULL) == 0)
        check(out->len - before == pcapng_packet_size(packet->captured_bytes));
    buf_reset(out);
}

static void read_file(int fd, const struct capture_reader_options *options)
{
    struct capture_reader *reader;
    struct defrag *defrag = NULL;
    struct buf out;
    struct error error;
    struct packet packet;
    if (capture_reader_open(fd, options, &reader, &error) < 0) {
        check(error.text[0]);
        return;
    }
    if (defrag_new(&(struct defrag_options){.max_bytes = 1 << 20}, &defrag) < 0) {
        capture_reader_free(reader);
        return;
    }
    buf_init(&out, 1 << 20);
    uint64_t damages = 0;
    int event;
    while ((event = capture_reader_next(reader, &packet, &error)) > CAPTURE_END) {
        if (event == CAPTURE_PACKET) {
            check(capture_reader_interface(reader, packet.interface) != NULL);
            take_packet(&packet, defrag, &out);
        } else if (event == CAPTURE_SECRETS) {
            struct slice text = capture_reader_secrets(reader);
            volatile uint64_t sum = sum_bytes(text.data, text.len);
            (void)sum;
        } else if (event == CAPTURE_DAMAGE) {
            check(error.text[0] && ++damages < 10000000);
        }
    }
    check(event == CAPTURE_END || error.text[0]);
    buf_done(&out);
    defrag_free(defrag);
    capture_reader_free(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    uint8_t last = size ? data[size - 1] : 0; /* decides how it is read: once is fast */
    uint64_t middle = last * (uint64_t)size / 256 & ~UINT64_C(3);
    struct capture_reader_options options = {0};
    if (last % 3 == 1)
        options = (struct capture_reader_options){.end_offset = middle, .packets_only = true};
    else if (last % 3 == 2)
        options.start_offset = middle;
    alloc_faults_begin(data, size);
    read_file(fd, &options);
    alloc_faults_pause();
    close(fd);
    return 0;
}
