/* Frames: the first two bytes are the link type, then packets, each behind two bytes of length and
 * one that says how much of the packet was captured. Each packet lies in a heap block of its own,
 * so that the first byte beyond it is seen; fragments go to reassembly. */
#include <stdlib.h>

#include "fuzz/alloc_faults.h"
#include "packet/defrag.h"
#include "packet/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static bool lies_within(struct slice s, const uint8_t *data, size_t size)
{
    return s.len == 0 || (s.data >= data && s.len <= size && s.data + s.len <= data + size);
}

static void check_frame(const struct frame *f, const uint8_t *data, size_t size)
{
    check(f->kind <= FRAME_BAD);
    check(lies_within(f->payload, data, size));
    check(lies_within(f->tcp_options, data, size));
    check(f->payload.len <= f->payload_bytes || f->kind == FRAME_BAD || f->kind == FRAME_OTHER);
    check(f->tcp_options.len <= 40);
    check(f->vlan < 4096);
    if (f->kind >= FRAME_IP && f->kind <= FRAME_SCTP)
        check(f->ip_version == 4 || f->ip_version == 6);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct defrag *defrag;
    alloc_faults_begin(data, size);
    if (size < 2 || defrag_new(&(struct defrag_options){.max_bytes = 1 << 20}, &defrag) < 0) {
        alloc_faults_pause();
        return 0;
    }
    uint16_t link_type = (uint16_t)(data[0] << 8 | data[1]);
    int64_t ts_ns = 0;
    for (size_t at = 2; at + 3 <= size;) {
        size_t length = (size_t)(data[at] << 8 | data[at + 1]);
        size_t more = data[at + 2];
        at += 3;
        if (length > size - at)
            length = size - at;
        uint8_t *copy = alloc_faults_malloc(length);
        memcpy(copy, data + at, length);
        at += length;
        struct packet packet = {.ts_ns = ts_ns += 1000000000,
                                .data = copy,
                                .captured_bytes = (uint32_t)length,
                                .original_bytes = (uint32_t)(length + more * 16),
                                .link_type = link_type};
        struct frame frame;
        struct slice ip;
        frame_decode(&packet, &frame);
        check_frame(&frame, copy, length);
        if (frame.kind == FRAME_FRAGMENT &&
            defrag_add(defrag, &packet, &frame, &ip) == DEFRAG_COMPLETE) {
            frame_decode_ip(ip, &frame);
            check_frame(&frame, ip.data, ip.len);
            check(frame.kind != FRAME_FRAGMENT || ip.len > 0);
        }
        check(defrag_bytes(defrag) <= 1 << 20);
        free(copy);
    }
    alloc_faults_pause();
    defrag_free(defrag);
    return 0;
}
