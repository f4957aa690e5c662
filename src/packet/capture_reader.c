#include "packet/capture_reader.h"

#include <errno.h>
#include <stdlib.h>

#include "packet/capture_reader_internal.h"

enum {
    INTERFACE_ARENA_BYTES = 32 << 20
};

static int open_format(struct capture_reader *r, struct error *reterr)
{
    size_t have = input_window_need(&r->window, 12);
    if (have < 12 && r->window.io_error)
        return error_set(reterr, r->window.io_error, "The file cannot be read: %s.",
                         strerror(-r->window.io_error));
    if (have < 12 && r->window.error.code)
        return error_set(reterr, -EBADMSG, "This is no capture file that can be read: %s.",
                         r->window.error.text);
    if (have == 0)
        return error_set_at(reterr, -EBADMSG, 0, "The file is empty.");
    const uint8_t *p = input_window_at(&r->window);
    if (have >= 12 && pcapng_format_is(p))
        return pcapng_format_open(r, reterr);
    if (have >= 4 && pcap_format_is(p))
        return pcap_format_open(r, reterr);
    return error_set_at(reterr, -EBADMSG, 0,
                        "This is not a capture file: it begins with neither the pcapng nor the "
                        "pcap magic number (gzip, zstd and lz4 are looked into).");
}

int capture_reader_open(int fd, const struct capture_reader_options *options,
                        struct capture_reader **ret_reader, struct error *reterr)
{
    struct capture_reader *r = calloc(1, sizeof *r);
    if (!r)
        return error_set(reterr, -ENOMEM, "There is not enough memory to read the file.");
    if (options)
        r->options = *options;
    arena_init(&r->arena, INTERFACE_ARENA_BYTES);
    int code = input_window_open(&r->window, fd, r->options.end_offset, reterr);
    if (code < 0) {
        free(r);
        return code;
    }
    code = open_format(r, reterr);
    if (code < 0) {
        capture_reader_free(r);
        return code;
    }
    *ret_reader = r;
    return 0;
}

void capture_reader_free(struct capture_reader *r)
{
    if (!r)
        return;
    input_window_close(&r->window);
    free(r->interfaces);
    arena_done(&r->arena);
    free(r);
}

int capture_reader_extend(struct capture_reader *r, uint64_t end_offset)
{
    return input_window_extend(&r->window, end_offset);
}

static bool is_wanted(const struct capture_reader *r, int event)
{
    if (event == CAPTURE_AGAIN)
        return false;
    return !r->options.packets_only || event < 0 || event == CAPTURE_PACKET ||
           event == CAPTURE_DAMAGE || event == CAPTURE_END;
}

int capture_reader_next(struct capture_reader *r, struct packet *ret_packet, struct error *reterr)
{
    int event;
    do {
        if (r->announced < r->interface_count) {
            if (!r->options.packets_only) {
                *ret_packet = (struct packet){.interface = r->announced++};
                return CAPTURE_INTERFACE;
            }
            r->announced = r->interface_count;
        }
        event = r->next(r, ret_packet, reterr);
    } while (!is_wanted(r, event));
    return event;
}

int reader_input_ended(struct capture_reader *r, struct error *reterr)
{
    if (r->window.io_error)
        return error_set_at(reterr, r->window.io_error, r->window.offset,
                            "The file cannot be read on from byte %llu: %s.",
                            (unsigned long long)r->window.offset, strerror(-r->window.io_error));
    if (r->window.error.code && !r->input_error_told) {
        r->input_error_told = true;
        uint64_t at = r->window.offset;
        input_window_step(&r->window, r->window.end - r->window.start);
        error_set_at(reterr, -EBADMSG, at,
                     "From byte %llu of the uncompressed file on nothing can be read: %s.",
                     (unsigned long long)at, r->window.error.text);
        return CAPTURE_DAMAGE;
    }
    return CAPTURE_AGAIN;
}

int reader_add_interface(struct capture_reader *r, struct reader_interface **ret_interface)
{
    if (r->interface_count >= CAPTURE_INTERFACES_MAX)
        return -E2BIG;
    if (r->interface_count == r->interface_cap) {
        uint32_t cap = r->interface_cap ? r->interface_cap * 2 : 8;
        struct reader_interface **grown = reallocarray(r->interfaces, cap, sizeof(void *));
        if (!grown)
            return -ENOMEM;
        r->interfaces = grown;
        r->interface_cap = cap;
    }
    struct reader_interface *i = arena_zalloc(&r->arena, sizeof *i);
    if (!i)
        return -ENOMEM;
    i->ts_multiplier = 1000;
    i->ts_divisor = 1;
    r->interfaces[r->interface_count++] = i;
    *ret_interface = i;
    return 0;
}

size_t capture_reader_interface_count(const struct capture_reader *r)
{
    return r->interface_count;
}

const struct packet_interface *capture_reader_interface(const struct capture_reader *r,
                                                        uint32_t index)
{
    return index < r->interface_count ? &r->interfaces[index]->shown : NULL;
}

const struct capture_statistics *capture_reader_statistics(const struct capture_reader *r)
{
    return &r->statistics;
}

struct slice capture_reader_note(const struct capture_reader *r)
{
    return r->note;
}

struct slice capture_reader_secrets(const struct capture_reader *r)
{
    return r->secrets;
}

uint64_t capture_reader_position(const struct capture_reader *r)
{
    return input_window_position(&r->window);
}
