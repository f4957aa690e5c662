#include "dissect/proto/json_scan.h"

#include "base/text.h"

static bool fail(struct json_scan *scan)
{
    scan->bad = true;
    scan->rest.len = 0;
    return false;
}

static void move(struct json_scan *scan, size_t n)
{
    scan->rest = slice_sub(scan->rest, n, SIZE_MAX);
}

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The next byte that is no white space; 0 at the end. */
static uint8_t next_byte(struct json_scan *scan)
{
    size_t n = 0;
    while (n < scan->rest.len && is_space(scan->rest.data[n]))
        n++;
    move(scan, n);
    return scan->rest.len ? scan->rest.data[0] : 0;
}

struct json_scan json_scan_of(struct slice text)
{
    if (slice_starts_with(text, SLICE_LITERAL("\xef\xbb\xbf")))
        text = slice_sub(text, 3, SIZE_MAX);
    return (struct json_scan){.rest = text};
}

enum json_kind json_scan_peek(struct json_scan *scan)
{
    uint8_t c = next_byte(scan);
    if (c == '{')
        return JSON_OBJECT;
    if (c == '[')
        return JSON_ARRAY;
    if (c == '"')
        return JSON_STRING;
    return c == '-' || (c >= '0' && c <= '9') || c == 't' || c == 'f' || c == 'n' ? JSON_SCALAR
                                                                                  : JSON_NONE;
}

bool json_scan_enter(struct json_scan *scan)
{
    enum json_kind kind = json_scan_peek(scan);
    if ((kind != JSON_OBJECT && kind != JSON_ARRAY) || scan->depth == JSON_SCAN_DEPTH)
        return fail(scan);
    scan->depth++;
    scan->is_first = true;
    move(scan, 1);
    return true;
}

/* True when something follows in this container; its end is consumed. */
static bool next_in(struct json_scan *scan, uint8_t end)
{
    uint8_t c = next_byte(scan);
    bool was_first = scan->is_first;
    scan->is_first = false;
    if (c == end) {
        if (scan->depth)
            scan->depth--;
        move(scan, 1);
        return false;
    }
    if (was_first)
        return c != 0 || fail(scan);
    if (c != ',')
        return fail(scan);
    move(scan, 1);
    return next_byte(scan) != 0 || fail(scan);
}

/* The length of the string that starts here, its quotes included; 0: it has no end. */
static size_t string_len(struct slice text, bool *ret_escaped)
{
    *ret_escaped = false;
    for (size_t i = 1; i < text.len; i++) {
        if (text.data[i] == '"')
            return i + 1;
        if (text.data[i] == '\\') {
            *ret_escaped = true;
            i++;
        }
    }
    return 0;
}

/* The text between the quotes, as it stands there. */
static bool raw_string(struct json_scan *scan, struct slice *ret_text, bool *ret_escaped)
{
    if (next_byte(scan) != '"')
        return fail(scan);
    size_t len = string_len(scan->rest, ret_escaped);
    if (len == 0)
        return fail(scan);
    *ret_text = slice_sub(scan->rest, 1, len - 2);
    move(scan, len);
    return true;
}

bool json_scan_member(struct json_scan *scan, struct slice *ret_name)
{
    bool escaped;
    if (!next_in(scan, '}') || !raw_string(scan, ret_name, &escaped))
        return false;
    if (next_byte(scan) != ':')
        return fail(scan);
    move(scan, 1);
    return true;
}

bool json_scan_element(struct json_scan *scan)
{
    return next_in(scan, ']');
}

static int hex4(struct slice text, size_t at)
{
    char digits[5] = "";
    uint8_t bytes[2];
    if (at + 4 > text.len)
        return -1;
    memcpy(digits, text.data + at, 4);
    return text_unhex(digits, bytes, sizeof bytes) == 2 ? bytes[0] << 8 | bytes[1] : -1;
}

/* "\u" and four digits, with its second half where there is one. Moves *at behind it. */
static size_t put_unicode(struct slice text, size_t *at, uint8_t *out)
{
    int unit = hex4(text, *at);
    if (unit < 0)
        return text_put_code_point(0xfffd, out);
    *at += 4;
    uint32_t cp = (uint32_t)unit;
    if (cp >= 0xd800 && cp < 0xdc00 && *at + 6 <= text.len && text.data[*at] == '\\' &&
        text.data[*at + 1] == 'u') {
        int low = hex4(text, *at + 2);
        if (low >= 0xdc00 && low < 0xe000) {
            *at += 6;
            cp = 0x10000 + ((cp - 0xd800) << 10) + ((uint32_t)low - 0xdc00);
        }
    }
    return text_put_code_point(cp >= 0xd800 && cp < 0xe000 ? 0xfffd : cp, out);
}

static struct slice unescape(struct arena *arena, struct slice text)
{
    static const char letters[] = "bfnrt";
    static const char meanings[] = "\b\f\n\r\t";
    /* Broken escapes grow: two bytes that begin one stand for U+FFFD, which has three. */
    uint8_t *out = arena_alloc(arena, text.len + text.len / 2 + 3);
    if (!out)
        return SLICE_NONE;
    size_t len = 0;
    for (size_t at = 0; at < text.len;) {
        uint8_t c = text.data[at++];
        if (c != '\\' || at == text.len) {
            out[len++] = c;
            continue;
        }
        uint8_t letter = text.data[at++];
        const char *known = letter ? strchr(letters, letter) : NULL;
        if (letter == 'u')
            len += put_unicode(text, &at, out + len);
        else
            out[len++] = known ? (uint8_t)meanings[known - letters] : letter;
    }
    return slice_of(out, len);
}

bool json_scan_string(struct json_scan *scan, struct arena *arena, struct slice *ret_text)
{
    bool escaped;
    if (!raw_string(scan, ret_text, &escaped))
        return false;
    if (escaped)
        *ret_text = unescape(arena, *ret_text);
    return ret_text->data != NULL || fail(scan);
}

static bool skip_scalar(struct json_scan *scan)
{
    size_t n = 0;
    while (n < scan->rest.len && !is_space(scan->rest.data[n]) && scan->rest.data[n] &&
           !byte_is_in(scan->rest.data[n], ",]}"))
        n++;
    move(scan, n);
    return n > 0 || fail(scan);
}

bool json_scan_skip(struct json_scan *scan)
{
    unsigned open = 0;
    do {
        uint8_t c = next_byte(scan);
        struct slice text;
        bool escaped;
        if (c == '"') {
            if (!raw_string(scan, &text, &escaped))
                return false;
        } else if (c == '{' || c == '[') {
            if (scan->depth + ++open > JSON_SCAN_DEPTH)
                return fail(scan);
            move(scan, 1);
        } else if (c == '}' || c == ']') {
            if (open == 0)
                return fail(scan);
            open--;
            move(scan, 1);
        } else if (open && (c == ',' || c == ':')) {
            move(scan, 1);
        } else if (c == 0 || !skip_scalar(scan)) {
            return fail(scan);
        }
    } while (open);
    return true;
}
