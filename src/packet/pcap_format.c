/* Classic pcap files (draft-ietf-opsawg-pcap), and the "modified" variant with longer record
 * headers that old Linux distributions wrote. */
#include <errno.h>
#include <inttypes.h>

#include "base/clock.h"
#include "packet/capture_reader_internal.h"

enum {
    FILE_HEADER_BYTES = 24,
    RECORD_HEADER_BYTES = 16,
    MODIFIED_RECORD_HEADER_BYTES = 24,
    CHAINED_RECORDS = 3 /* that many plausible records in a row are believed */
};

#define MAGIC_MICROSECONDS 0xa1b2c3d4U
#define MAGIC_NANOSECONDS  0xa1b23c4dU
#define MAGIC_MODIFIED     0xa1b2cd34U
#define RESYNC_SECONDS     (INT64_C(30) * 86400)

/* Kinds of pcap that we know by name and do not read. */
static const struct {
    uint32_t magic;
    const char *name;
} refused[] = {
    {0x1c0001ac, "an Ixia hardware capture (nanoseconds)"},
    {0x1c0001ab, "an Ixia software capture"},
    {0xa1e2cb12, "a Navtel capture"},
    {0xa1b234cd, "a Nokia or modified nanosecond capture"},
};

static uint32_t magic_of(const uint8_t p[4], bool big_endian)
{
    uint32_t v;
    memcpy(&v, p, 4);
    return big_endian ? __builtin_bswap32(v) : v;
}

static bool is_read(uint32_t magic)
{
    return magic == MAGIC_MICROSECONDS || magic == MAGIC_NANOSECONDS || magic == MAGIC_MODIFIED;
}

static const char *refused_name(uint32_t magic)
{
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        if (refused[i].magic == magic)
            return refused[i].name;
    return NULL;
}

bool pcap_format_is(const uint8_t p[4])
{
    uint32_t little = magic_of(p, false);
    uint32_t big = magic_of(p, true);
    return is_read(little) || is_read(big) || refused_name(little) || refused_name(big);
}

struct record {
    uint32_t seconds, fraction, captured, original;
};

static struct record read_record(const struct capture_reader *r, const uint8_t *p)
{
    struct record rec = {reader_u32(r, p), reader_u32(r, p + 4), reader_u32(r, p + 8),
                         reader_u32(r, p + 12)};
    if (r->lengths_swapped || (r->lengths_maybe_swapped && rec.captured > rec.original)) {
        uint32_t captured = rec.original;
        rec.original = rec.captured;
        rec.captured = captured;
    }
    return rec;
}

static bool is_sane(const struct capture_reader *r, const struct record *rec)
{
    return rec->captured <= r->record_bytes_max && rec->original >= rec->captured &&
           rec->original <= INPUT_WINDOW_NEED_MAX &&
           rec->fraction < (r->nanoseconds ? 1000000000U : 1000000U);
}

static bool is_near(int64_t seconds, int64_t others_seconds)
{
    int64_t away = seconds - others_seconds;
    return away > -RESYNC_SECONDS && away < RESYNC_SECONDS;
}

/* Stricter than what is accepted in sequence: captures may well jump in time. */
static bool is_plausible(const struct capture_reader *r, const struct record *rec)
{
    return is_sane(r, rec) && rec->captured > 0 && rec->seconds > 0 &&
           (r->last_ts_ns == 0 || is_near(rec->seconds, r->last_ts_ns / NS_PER_S));
}

/* Whether a run of plausible records, or the last of the file, begins `at` bytes on. */
static bool records_begin(struct capture_reader *r, size_t at)
{
    for (int i = 0; i < CHAINED_RECORDS; i++) {
        size_t have = input_window_need(&r->window, at + r->record_header_bytes);
        if (have == at)
            return i > 0;
        if (have < at + r->record_header_bytes)
            return false;
        struct record rec = read_record(r, input_window_at(&r->window) + at);
        if (!is_plausible(r, &rec))
            return false;
        at += r->record_header_bytes + rec.captured;
    }
    return true;
}

/* Some writers put strange fractions and lengths: they do so again, at about the same time. */
static bool goes_on(struct capture_reader *r, const struct record *rec, size_t whole)
{
    size_t have = input_window_need(&r->window, whole + r->record_header_bytes);
    if (have < whole + r->record_header_bytes)
        return have <= whole;
    struct record next = read_record(r, input_window_at(&r->window) + whole);
    return next.captured <= r->record_bytes_max && is_near(next.seconds, rec->seconds);
}

/* Steps over at least one byte, up to the next run of records or the end. */
static int resynchronise(struct capture_reader *r, const char *reason, struct error *reterr)
{
    uint64_t from = r->window.offset;
    do {
        input_window_step(&r->window, 1);
        if (input_window_need(&r->window, r->record_header_bytes) < r->record_header_bytes) {
            input_window_step(&r->window, input_window_need(&r->window, 1));
            break;
        }
    } while (!records_begin(r, 0));
    if (r->window.io_error)
        return reader_input_ended(r, reterr);
    error_set_at(reterr, -EBADMSG, from,
                 "The packet record at byte %" PRIu64 " is damaged (%s): %" PRIu64
                 " bytes were stepped over.",
                 from, reason, r->window.offset - from);
    return CAPTURE_DAMAGE;
}

static int cut_short(struct capture_reader *r, size_t have, struct error *reterr)
{
    int event = reader_input_ended(r, reterr);
    if (event != CAPTURE_AGAIN)
        return event;
    uint64_t at = r->window.offset;
    input_window_step(&r->window, have);
    error_set_at(reterr, -EBADMSG, at,
                 "The file ends in the middle of the packet record at byte %" PRIu64
                 ": its last %zu bytes were left out.",
                 at, have);
    return CAPTURE_DAMAGE;
}

static int64_t record_time(const struct capture_reader *r, const struct record *rec)
{
    return rec->seconds * NS_PER_S + (int64_t)rec->fraction * (r->nanoseconds ? 1 : NS_PER_US);
}

static int pcap_next(struct capture_reader *r, struct packet *ret_packet, struct error *reterr)
{
    size_t header_bytes = r->record_header_bytes;
    size_t have = input_window_need(&r->window, header_bytes);
    if (have == 0) {
        int event = reader_input_ended(r, reterr);
        return event == CAPTURE_AGAIN ? CAPTURE_END : event;
    }
    if (have < header_bytes)
        return cut_short(r, have, reterr);
    struct record rec = read_record(r, input_window_at(&r->window));
    if (rec.captured > r->record_bytes_max)
        return resynchronise(r, "its length is impossible", reterr);
    size_t whole = header_bytes + rec.captured;
    have = input_window_need(&r->window, whole);
    if (have < whole) {
        if (r->window.io_error || r->window.error.code || is_plausible(r, &rec))
            return cut_short(r, have, reterr);
        return resynchronise(r, "it reaches beyond the end of the file", reterr);
    }
    if (!is_sane(r, &rec) && !goes_on(r, &rec, whole))
        return resynchronise(r, "its fields are impossible", reterr);
    uint32_t captured =
        rec.captured < PACKET_CAPTURED_BYTES_MAX ? rec.captured : PACKET_CAPTURED_BYTES_MAX;
    *ret_packet = (struct packet){
        .ts_ns = record_time(r, &rec),
        .data = input_window_at(&r->window) + header_bytes,
        .captured_bytes = captured,
        .original_bytes = rec.original > rec.captured ? rec.original : rec.captured,
        .link_type = r->interfaces[0]->shown.link_type,
        .offset = r->window.offset,
    };
    r->last_ts_ns = ret_packet->ts_ns;
    input_window_step(&r->window, whole);
    return CAPTURE_PACKET;
}

static int read_file_header(struct capture_reader *r, struct error *reterr)
{
    const uint8_t *p = input_window_at(&r->window);
    uint32_t magic = magic_of(p, r->big_endian);
    uint16_t major = reader_u16(r, p + 4);
    uint16_t minor = reader_u16(r, p + 6);
    if (major < 2)
        return error_set_at(reterr, -EBADMSG, 4,
                            "This pcap file says it is version %u.%u; versions from 2.0 on are "
                            "read.",
                            major, minor);
    uint32_t snaplen = reader_u32(r, p + 16);
    r->nanoseconds = magic == MAGIC_NANOSECONDS;
    /* There is no version after 2.4: a larger number was written by mistake. */
    r->lengths_swapped = major == 2 && minor < 3;
    r->lengths_maybe_swapped = major == 2 && minor == 3;
    r->record_header_bytes =
        magic == MAGIC_MODIFIED ? MODIFIED_RECORD_HEADER_BYTES : RECORD_HEADER_BYTES;
    r->record_bytes_max =
        snaplen > PACKET_CAPTURED_BYTES_MAX && snaplen <= INPUT_WINDOW_NEED_MAX / 2
            ? snaplen
            : PACKET_CAPTURED_BYTES_MAX;
    struct reader_interface *i;
    if (reader_add_interface(r, &i) < 0)
        return error_set(reterr, -ENOMEM, "There is not enough memory to read the file.");
    i->shown.link_type = (uint16_t)reader_u32(r, p + 20); /* the upper half speaks of the FCS */
    i->shown.snaplen_bytes = snaplen;
    input_window_step(&r->window, FILE_HEADER_BYTES);
    return 0;
}

int pcap_format_open(struct capture_reader *r, struct error *reterr)
{
    const uint8_t *p = input_window_at(&r->window);
    r->big_endian = !is_read(magic_of(p, false)) && !refused_name(magic_of(p, false));
    const char *name = refused_name(magic_of(p, r->big_endian));
    if (name)
        return error_set_at(reterr, -EBADMSG, 0,
                            "This is %s, a kind of pcap that is not read; save it as pcapng first "
                            "(editcap -F pcapng).",
                            name);
    if (r->options.start_offset)
        return error_set(reterr, -EINVAL, "Only pcapng files can be read from an offset on.");
    if (input_window_need(&r->window, FILE_HEADER_BYTES) < FILE_HEADER_BYTES)
        return error_set_at(reterr, -EBADMSG, 0, "The pcap file ends within its file header.");
    r->next = pcap_next;
    return read_file_header(r, reterr);
}
