#include "dissect/proto/stomp_frame.h"

#include "base/hash.h"

enum {
    HEADER_SLOTS = 2048 /* a power of two, twice DISSECT_MAX_HEADERS */
};

static const struct {
    const char *name;
    enum stomp_kind kind;
} commands[] = {
    {"CONNECT", STOMP_CONNECT},     {"STOMP", STOMP_CONNECT},      {"SEND", STOMP_CLIENT},
    {"SUBSCRIBE", STOMP_CLIENT},    {"UNSUBSCRIBE", STOMP_CLIENT}, {"ACK", STOMP_CLIENT},
    {"NACK", STOMP_CLIENT},         {"BEGIN", STOMP_CLIENT},       {"COMMIT", STOMP_CLIENT},
    {"ABORT", STOMP_CLIENT},        {"DISCONNECT", STOMP_CLIENT},  {"MESSAGE", STOMP_MESSAGE},
    {"CONNECTED", STOMP_CONNECTED}, {"RECEIPT", STOMP_RECEIPT},    {"ERROR", STOMP_ERROR},
};

static const char *const header_names[] = {"destination",    "id",
                                           "receipt",        "receipt-id",
                                           "transaction",    "message-id",
                                           "subscription",   "ack",
                                           "version",        "session",
                                           "server",         "heart-beat",
                                           "host",           "login",
                                           "accept-version", "content-type",
                                           "message",        "content-length",
                                           "selector",       "persistent",
                                           "passcode",       NULL};

static enum stomp_kind kind_of(struct slice command)
{
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (slice_eq_nocase(command, slice_str(commands[i].name)))
            return commands[i].kind;
    return STOMP_OTHER;
}

static bool kind_is_from(enum stomp_kind kind, enum dissect_dir dir)
{
    return kind != STOMP_OTHER && (kind <= STOMP_CLIENT) == (dir == DIR_CLIENT);
}

/* ── the end of a header block ── */

size_t stomp_header_length(struct slice s, size_t *scanned)
{
    while (*scanned < s.len) {
        size_t from = *scanned;
        const uint8_t *lf = memchr(s.data + from, '\n', s.len - from);
        size_t end = lf ? (size_t)(lf - s.data) : s.len;
        const uint8_t *nul = memchr(s.data + from, 0, end - from);
        if (nul)
            return (size_t)(nul - s.data);
        *scanned = lf ? end + 1 : s.len;
        if (lf && end > 0 &&
            (s.data[end - 1] == '\n' ||
             (end > 1 && s.data[end - 1] == '\r' && s.data[end - 2] == '\n')))
            return end + 1;
    }
    return 0;
}

/* ── recognising a frame ── */

/* Whether s begins with `name` and the end of a line; *ret_len gets the length of both. */
static enum probe_result begins_with_line(struct slice s, const char *name, size_t *ret_len)
{
    struct slice want = slice_str(name);
    size_t n = s.len < want.len ? s.len : want.len;
    if (n && memcmp(s.data, want.data, n) != 0)
        return PROBE_NO;
    if (s.len > n && n == want.len && s.data[n] == '\r')
        n++;
    if (n < want.len || n == s.len)
        return PROBE_MAYBE;
    *ret_len = n + 1;
    return s.data[n] == '\n' ? PROBE_YES : PROBE_NO;
}

/* A header line with one of the names (NULL: with any name), or the end of the block and its NUL.
 */
static enum probe_result begins_with_header(struct slice s, const char *const *names)
{
    size_t n = 0;
    if (s.len && s.data[0] == '\r')
        n++;
    if (n < s.len && s.data[n] == '\n')
        return n + 1 == s.len ? PROBE_MAYBE : s.data[n + 1] == 0 ? PROBE_YES : PROBE_NO;
    while (n < s.len && n < STOMP_COMMAND_MAX && s.data[n] > ' ' && s.data[n] < 0x7f &&
           s.data[n] != ':')
        n++;
    if (n == s.len)
        return PROBE_MAYBE;
    if (n == 0 || s.data[n] != ':')
        return PROBE_NO;
    for (; names && *names; names++)
        if (slice_eq_str(slice_sub(s, 0, n), *names))
            return PROBE_YES;
    return names ? PROBE_NO : PROBE_YES;
}

static enum probe_result begins(struct slice s, bool only_connect, enum dissect_dir dir)
{
    enum probe_result answer = PROBE_NO;
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        size_t line = 0;
        if (only_connect ? commands[i].kind != STOMP_CONNECT : !kind_is_from(commands[i].kind, dir))
            continue;
        enum probe_result found = begins_with_line(s, commands[i].name, &line);
        if (found == PROBE_YES)
            return begins_with_header(slice_sub(s, line, s.len),
                                      only_connect ? NULL : header_names);
        if (found == PROBE_MAYBE)
            answer = PROBE_MAYBE;
    }
    return answer;
}

enum probe_result stomp_frame_begins(struct slice s, enum dissect_dir dir)
{
    return begins(s, false, dir);
}

enum probe_result stomp_connect_begins(struct slice s)
{
    return begins(s, true, DIR_CLIENT);
}

/* ── reading ── */

/* The next line without its end; moves s behind it. */
static struct slice next_line(struct slice *s)
{
    const uint8_t *lf = s->len ? memchr(s->data, '\n', s->len) : NULL;
    size_t n = lf ? (size_t)(lf - s->data) : s->len;
    struct slice line = slice_sub(*s, 0, n);
    *s = slice_sub(*s, lf ? n + 1 : n, s->len);
    if (line.len && line.data[line.len - 1] == '\r')
        line.len--;
    return line;
}

/* "\n", "\c", "\\" and "\r" undone, in a new copy when there are any; what is no escape stays. */
static struct slice unescape(struct slice text, struct arena *arena)
{
    if (!text.len || !memchr(text.data, '\\', text.len))
        return text;
    uint8_t *out = arena_alloc(arena, text.len);
    if (!out)
        return text;
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        static const char from[] = "nc\\r", to[] = "\n:\\\r";
        const char *at = text.data[i] == '\\' && i + 1 < text.len && text.data[i + 1]
                             ? strchr(from, text.data[i + 1])
                             : NULL;
        out[n++] = at ? (uint8_t)to[at - from] : text.data[i];
        i += at != NULL;
    }
    return slice_of(out, n);
}

/* Whether the name is new; only the first of repeated headers counts ("Repeated Header Entries").
 */
static bool remember_name(uint16_t slots[HEADER_SLOTS], const struct stomp_frame *frame,
                          struct slice name)
{
    size_t at = hash_bytes(hash_fixed_key, name.data, name.len) % HEADER_SLOTS;
    for (; slots[at]; at = (at + 1) % HEADER_SLOTS)
        if (slice_eq(frame->headers[slots[at] - 1].key, name))
            return false;
    slots[at] = (uint16_t)(frame->header_count + 1);
    return true;
}

static size_t count_lines(struct slice s)
{
    size_t count = 0;
    while (s.len && count < DISSECT_MAX_HEADERS) {
        next_line(&s);
        count++;
    }
    return count;
}

static void read_headers(struct slice rest, bool escapes, bool trims, struct arena *arena,
                         struct stomp_frame *frame)
{
    uint16_t slots[HEADER_SLOTS] = {0};
    while (rest.len) {
        struct slice line = next_line(&rest);
        const uint8_t *colon = line.len ? memchr(line.data, ':', line.len) : NULL;
        if (!colon)
            continue;
        struct slice name = slice_of(line.data, (size_t)(colon - line.data));
        struct slice value = slice_sub(line, name.len + 1, line.len);
        if (trims) {
            name = slice_trim(name);
            value = slice_trim(value);
        }
        if (escapes) {
            name = unescape(name, arena);
            value = unescape(value, arena);
        }
        if (frame->header_count == DISSECT_MAX_HEADERS) {
            frame->truncated = true;
            return;
        }
        if (!remember_name(slots, frame, name))
            continue;
        if (slice_eq_nocase(slice_trim(name), SLICE_LITERAL("passcode")))
            value = SLICE_LITERAL("***");
        frame->headers[frame->header_count++] = (struct entry_pair){name, value};
    }
}

static int64_t body_size(const struct stomp_frame *frame)
{
    struct slice digits = slice_trim(stomp_header(frame, "content-length"));
    int64_t size = 0;
    if (digits.len == 0 || digits.len > 15)
        return STOMP_SIZE_UNKNOWN;
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.data[i] < '0' || digits.data[i] > '9')
            return STOMP_SIZE_UNKNOWN;
        size = size * 10 + (digits.data[i] - '0');
    }
    return size;
}

bool stomp_frame_read(struct slice block, bool is_1_0, struct arena *arena,
                      struct stomp_frame *ret_frame)
{
    struct slice rest = arena_dup(arena, block);
    struct slice command = next_line(&rest);
    *ret_frame = (struct stomp_frame){.kind = kind_of(command), .command = command};
    if (command.len == 0 || command.len > STOMP_COMMAND_MAX)
        return false;
    for (size_t i = 0; i < command.len; i++)
        if ((command.data[i] | 0x20) < 'a' || (command.data[i] | 0x20) > 'z')
            return false;
    ret_frame->headers = arena_calloc(arena, count_lines(rest), sizeof *ret_frame->headers);
    if (!ret_frame->headers)
        return false;
    /* CONNECT and CONNECTED are not escaped, for the sake of 1.0 ("Value Encoding"). */
    bool plain = ret_frame->kind == STOMP_CONNECT || ret_frame->kind == STOMP_CONNECTED;
    read_headers(rest, !is_1_0 && !plain, is_1_0, arena, ret_frame);
    /* A block that a NUL ended has no body, whatever it says. */
    bool is_whole = slice_ends_with(block, SLICE_LITERAL("\n\n")) ||
                    slice_ends_with(block, SLICE_LITERAL("\n\r\n"));
    ret_frame->body_size = is_whole ? body_size(ret_frame) : STOMP_SIZE_UNKNOWN;
    return true;
}

struct slice stomp_header(const struct stomp_frame *frame, const char *name)
{
    for (size_t i = 0; i < frame->header_count; i++)
        if (slice_eq_str(frame->headers[i].key, name))
            return frame->headers[i].value;
    return SLICE_NONE;
}
