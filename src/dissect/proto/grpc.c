#include "dissect/proto/grpc.h"

#include <errno.h>

#include "base/text.h"

enum {
    FLAG_COMPRESSED = 0x01,
    FLAG_WEB_TRAILERS = 0x80, /* PROTOCOL-WEB.md */
    MAX_WEB_TRAILERS = 64,
    BASE64_PIECE = 3 * 256
};

bool grpc_is_content_type(struct slice type)
{
    struct slice name = SLICE_LITERAL("application/grpc");
    if (!slice_eq_nocase(slice_sub(type, 0, name.len), name))
        return false;
    return type.len == name.len || byte_is_in(type.data[name.len], "+;- ");
}

bool grpc_is_web_content_type(struct slice type)
{
    struct slice name = SLICE_LITERAL("application/grpc-web");
    if (!slice_eq_nocase(slice_sub(type, 0, name.len), name))
        return false;
    return type.len == name.len || byte_is_in(type.data[name.len], "+;- ");
}

bool grpc_fills_frame(struct slice begin, uint32_t frame_len)
{
    const uint8_t *p = begin.data;
    if (begin.len < GRPC_PREFIX_BYTES || p[0] > FLAG_COMPRESSED)
        return false;
    uint64_t len = (uint64_t)p[1] << 24 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 8 | p[4];
    return len + GRPC_PREFIX_BYTES == frame_len;
}

static bool has_suffix(struct slice type, const char *suffix)
{
    const uint8_t *semicolon = type.len ? memchr(type.data, ';', type.len) : NULL;
    if (semicolon)
        type.len = (size_t)(semicolon - type.data);
    type = slice_trim(type);
    size_t n = strlen(suffix);
    return type.len >= n && strncasecmp((const char *)type.data + type.len - n, suffix, n) == 0;
}

static bool has_word(struct slice type, const char *word)
{
    size_t n = strlen(word);
    for (size_t at = 0; at + n <= type.len; at++)
        if (strncasecmp((const char *)type.data + at, word, n) == 0)
            return true;
    return false;
}

struct grpc_reader *grpc_reader_new(struct arena *arena, struct slice content_type,
                                    struct slice encoding)
{
    struct grpc_reader *reader = arena_zalloc(arena, sizeof *reader);
    if (!reader)
        return NULL;
    reader->encoding = encoding;
    reader->is_protobuf = has_suffix(content_type, "+proto") || has_suffix(content_type, "/grpc") ||
                          has_suffix(content_type, "-web") || has_suffix(content_type, "-text");
    reader->is_base64 = has_word(content_type, "-web-text");
    reader->view = (struct view){.arena = arena, .max_bytes = DISSECT_BODY_CAP};
    return reader;
}

/* ── messages ── */

static void note_size(struct grpc_reader *reader, struct arena *arena, uint32_t len)
{
    reader->messages++;
    if (reader->size_count == GRPC_SIZES_KEPT)
        return;
    if (reader->size_count == reader->size_cap) {
        size_t cap = reader->size_cap ? reader->size_cap * 4 : 4;
        int64_t *sizes = arena_calloc(arena, cap, sizeof *sizes);
        if (!sizes)
            return;
        if (reader->size_count)
            memcpy(sizes, reader->sizes, reader->size_count * sizeof *sizes);
        reader->sizes = sizes;
        reader->size_cap = cap;
    }
    reader->sizes[reader->size_count++] = len;
}

/* A message as an element of the body's array. */
static void show(struct grpc_reader *reader, struct slice bytes, bool is_readable)
{
    struct view *view = &reader->view;
    if (!view_put(view, view->text.len ? "," : "["))
        return;
    if (is_readable && reader->is_protobuf && protobuf_is_message(bytes)) {
        protobuf_view(view, bytes);
    } else if (is_readable && text_is_utf8(bytes)) {
        view_string(view, bytes);
    } else {
        (void)view_put(view, "{\"base64\":");
        view_base64(view, bytes);
        view_close(view, "}");
    }
}

static void message_done(struct grpc_reader *reader, struct arena *arena, struct slice bytes)
{
    uint8_t flags = reader->prefix[0];
    bool whole = !reader->has_gap && bytes.len == reader->len;
    reader->in_message = false;
    reader->prefix_len = 0;
    if (flags & FLAG_WEB_TRAILERS) {
        reader->web_trailers = arena_dup(arena, bytes);
        return;
    }
    note_size(reader, arena, reader->len);
    if (reader->view.full)
        return; /* no room */
    struct slice shown = bytes;
    bool readable = whole && !(flags & FLAG_COMPRESSED);
    if (whole && flags & FLAG_COMPRESSED) {
        bool truncated = false;
        struct slice encoding = reader->encoding;
        if (!encoding.len && bytes.len > 2 && bytes.data[0] == 0x1f && bytes.data[1] == 0x8b)
            encoding = SLICE_LITERAL("gzip"); /* its name was not recorded */
        int r = dissect_decode_body(arena, encoding, bytes, &shown, &truncated);
        readable = r == 0 && !truncated;
        if (r < 0)
            shown = bytes;
        reader->cut |= truncated;
    }
    reader->cut |= !whole;
    show(reader, shown, readable);
}

/* A cut message is shown as far as it came. */
static void collect(struct grpc_reader *reader, struct arena *arena, struct slice *bytes)
{
    size_t n = reader->left < bytes->len ? reader->left : bytes->len;
    struct slice part = slice_of(bytes->data, n);
    *bytes = slice_sub(*bytes, n, SIZE_MAX);
    reader->left -= (uint32_t)n;
    bool direct = reader->message.len == 0 && reader->left == 0 && !reader->has_gap;
    if (!direct && !reader->has_gap && !reader->view.full)
        gather_add(&reader->message, arena, part, DISSECT_BODY_CAP);
    if (reader->left)
        return;
    message_done(reader, arena, direct ? part : gather_slice(&reader->message));
    reader->message.len = 0;
    reader->message.cut = false;
    reader->has_gap = false;
}

static void begin_message(struct grpc_reader *reader)
{
    const uint8_t *p = reader->prefix;
    if (p[0] & ~(FLAG_COMPRESSED | FLAG_WEB_TRAILERS)) { /* no gRPC message begins so */
        reader->lost = reader->cut = true;
        return;
    }
    reader->len = (uint32_t)p[1] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 8 | p[4];
    reader->left = reader->len;
    reader->in_message = true;
}

void grpc_reader_frame(struct grpc_reader *reader, uint32_t len)
{
    if (!reader->lost)
        return;
    reader->at_frame = true;
    reader->frame_len = len;
    reader->prefix_len = 0;
    reader->in_message = false;
}

/* The prefix at the start of a frame, after a loss. */
static void resume(struct grpc_reader *reader)
{
    reader->at_frame = false;
    reader->lost =
        !grpc_fills_frame(slice_of(reader->prefix, GRPC_PREFIX_BYTES), reader->frame_len);
    reader->message.len = 0;
    reader->message.cut = reader->has_gap = false;
}

static void read_messages(struct grpc_reader *reader, struct arena *arena, struct slice bytes)
{
    while (bytes.len && (!reader->lost || reader->at_frame)) {
        if (!reader->in_message) {
            size_t n = GRPC_PREFIX_BYTES - reader->prefix_len;
            n = n < bytes.len ? n : bytes.len;
            memcpy(reader->prefix + reader->prefix_len, bytes.data, n);
            reader->prefix_len += (uint8_t)n;
            bytes = slice_sub(bytes, n, SIZE_MAX);
            if (reader->prefix_len < GRPC_PREFIX_BYTES)
                return;
            if (reader->lost)
                resume(reader);
            if (!reader->lost)
                begin_message(reader);
        }
        if (reader->in_message && !reader->lost)
            collect(reader, arena, &bytes);
    }
}

/* −1: none of base64's; −2: padding; −3: white space. */
static int base64_value(uint8_t c)
{
    if (c == '=')
        return -2;
    return c == '\r' || c == '\n' ? -3 : text_base64_digit(c);
}

/* The bytes of four characters; 0: they are no base64. */
static size_t decode_quantum(const uint8_t quantum[4], uint8_t out[3])
{
    uint32_t bits = 0;
    size_t padding = 0;
    for (int i = 0; i < 4; i++) {
        int v = base64_value(quantum[i]);
        if (v < 0 && (v != -2 || i < 2))
            return 0;
        if (v >= 0 && padding)
            return 0;
        padding += v < 0;
        bits = bits << 6 | (uint32_t)(v < 0 ? 0 : v);
    }
    out[0] = (uint8_t)(bits >> 16);
    out[1] = (uint8_t)(bits >> 8);
    out[2] = (uint8_t)bits;
    return 3 - padding;
}

/* Each part that the peer encoded may end in padding of its own (PROTOCOL-WEB.md). */
static void read_base64(struct grpc_reader *reader, struct arena *arena, struct slice text)
{
    uint8_t out[BASE64_PIECE + 3];
    size_t len = 0;
    for (size_t i = 0; i < text.len && !reader->lost; i++) {
        if (base64_value(text.data[i]) == -3)
            continue;
        reader->quantum[reader->quantum_len++] = text.data[i];
        if (reader->quantum_len < 4)
            continue;
        reader->quantum_len = 0;
        size_t n = decode_quantum(reader->quantum, out + len);
        len += n;
        if (len >= BASE64_PIECE || n == 0) {
            read_messages(reader, arena, slice_of(out, len));
            len = 0;
        }
        if (n == 0)
            grpc_reader_lose(reader);
    }
    read_messages(reader, arena, slice_of(out, len));
}

void grpc_reader_data(struct grpc_reader *reader, struct arena *arena, struct slice bytes)
{
    if (reader->is_base64)
        read_base64(reader, arena, bytes);
    else
        read_messages(reader, arena, bytes);
}

void grpc_reader_gap(struct grpc_reader *reader, uint64_t bytes)
{
    reader->cut = true;
    if (reader->is_base64) { /* which of four characters comes next is not known */
        reader->lost = true;
        return;
    }
    /* What is left of the message says where the next one begins. */
    if (reader->in_message && bytes < reader->left) {
        reader->left -= (uint32_t)bytes;
        reader->has_gap = true;
    } else {
        reader->lost = true;
    }
}

void grpc_reader_lose(struct grpc_reader *reader)
{
    reader->lost = reader->cut = true;
    reader->at_frame = false;
}

/* ── the end ── */

static void add_web_trailers(struct grpc_reader *reader, struct arena *arena,
                             struct http_message *message)
{
    struct entry_pair pairs[MAX_WEB_TRAILERS];
    struct slice rest = reader->web_trailers;
    size_t n = 0;
    while (rest.len && n < MAX_WEB_TRAILERS) {
        const uint8_t *lf = memchr(rest.data, '\n', rest.len);
        struct slice line = slice_of(rest.data, lf ? (size_t)(lf - rest.data) : rest.len);
        rest = slice_sub(rest, line.len + 1, SIZE_MAX);
        if (line.len && line.data[line.len - 1] == '\r')
            line.len--;
        const uint8_t *colon = line.len ? memchr(line.data, ':', line.len) : NULL;
        if (!colon || colon == line.data)
            continue;
        size_t name_len = (size_t)(colon - line.data);
        pairs[n].key = slice_of(line.data, name_len);
        pairs[n++].value = slice_trim(slice_sub(line, name_len + 1, SIZE_MAX));
    }
    http_add_trailers(message, arena, pairs, n);
}

void grpc_reader_finish(struct grpc_reader *reader, struct arena *arena,
                        struct http_message *message)
{
    if (reader->view.text.len)
        view_close(&reader->view, "]");
    message->body = reader->view.text;
    message->body_is_text = true;
    bool is_cut_short = reader->in_message || reader->quantum_len ||
                        (reader->prefix_len && reader->prefix_len < GRPC_PREFIX_BYTES);
    message->truncated |= reader->view.full || reader->cut || is_cut_short;
    if (reader->web_trailers.len)
        add_web_trailers(reader, arena, message);
}

/* ── headers and trailers ── */

int grpc_status(const struct http_message *response)
{
    struct slice text = http_header(response, "grpc-status");
    int status = 0;
    if (text.len == 0 || text.len > 8)
        return GRPC_STATUS_NONE;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return GRPC_STATUS_NONE;
        status = status * 10 + (text.data[i] - '0');
    }
    return status;
}

const char *grpc_status_name(int status)
{
    static const char *const names[GRPC_STATUS_COUNT] = {"OK",
                                                         "CANCELLED",
                                                         "UNKNOWN",
                                                         "INVALID_ARGUMENT",
                                                         "DEADLINE_EXCEEDED",
                                                         "NOT_FOUND",
                                                         "ALREADY_EXISTS",
                                                         "PERMISSION_DENIED",
                                                         "RESOURCE_EXHAUSTED",
                                                         "FAILED_PRECONDITION",
                                                         "ABORTED",
                                                         "OUT_OF_RANGE",
                                                         "UNIMPLEMENTED",
                                                         "INTERNAL",
                                                         "UNAVAILABLE",
                                                         "DATA_LOSS",
                                                         "UNAUTHENTICATED"};
    return status >= 0 && status < GRPC_STATUS_COUNT ? names[status] : "";
}

bool grpc_split_path(struct slice path, struct slice *ret_service, struct slice *ret_method)
{
    size_t slash = path.len;
    while (slash && path.data[slash - 1] != '/')
        slash--;
    if (path.len < 4 || path.data[0] != '/' || slash < 3 || slash == path.len)
        return false;
    *ret_service = slice_sub(path, 1, slash - 2);
    *ret_method = slice_sub(path, slash, SIZE_MAX);
    return true;
}

int64_t grpc_timeout_us(struct slice text)
{
    int64_t v = 0;
    if (text.len < 2 || text.len > 9)
        return 0;
    for (size_t i = 0; i + 1 < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return 0;
        v = v * 10 + (text.data[i] - '0');
    }
    switch (text.data[text.len - 1]) {
    case 'H':
        return v * 3600 * 1000000;
    case 'M':
        return v * 60 * 1000000;
    case 'S':
        return v * 1000000;
    case 'm':
        return v * 1000;
    case 'u':
        return v;
    case 'n':
        return v / 1000;
    default:
        return 0;
    }
}
