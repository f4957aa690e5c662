#include "base/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* Length of the well-formed sequence at p (RFC 3629, table 3-7 of Unicode), 0 when it is not one.
 */
static size_t sequence_length(const uint8_t *p, size_t left)
{
    uint8_t c = p[0];
    if (c < 0x80)
        return 1;
    if (c < 0xc2 || c > 0xf4)
        return 0;
    size_t n = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    if (left < n)
        return 0;
    uint8_t low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    uint8_t high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

bool text_is_utf8(struct slice s)
{
    size_t pos = 0;
    while (pos < s.len) {
        uint64_t eight = UINT64_MAX;
        if (s.len - pos >= 8)
            memcpy(&eight, s.data + pos, 8);
        if ((eight & UINT64_C(0x8080808080808080)) == 0) {
            pos += 8;
            continue;
        }
        size_t n = sequence_length(s.data + pos, s.len - pos);
        if (n == 0)
            return false;
        pos += n;
    }
    return true;
}

uint32_t text_next_code_point(struct slice s, size_t *pos)
{
    const uint8_t *p = s.data + *pos;
    size_t n = sequence_length(p, s.len - *pos);
    if (n == 0) {
        (*pos)++;
        return 0xfffd;
    }
    *pos += n;
    if (n == 1)
        return p[0];
    uint32_t cp = p[0] & (0xffu >> (n + 1));
    for (size_t i = 1; i < n; i++)
        cp = cp << 6 | (p[i] & 0x3fu);
    return cp;
}

size_t text_put_code_point(uint32_t cp, uint8_t out[4])
{
    if (cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000))
        cp = 0xfffd;
    if (cp < 0x80) {
        out[0] = (uint8_t)cp;
        return 1;
    }
    if (cp < 0x800) {
        out[0] = (uint8_t)(0xc0 | cp >> 6);
        out[1] = (uint8_t)(0x80 | (cp & 0x3f));
        return 2;
    }
    if (cp < 0x10000) {
        out[0] = (uint8_t)(0xe0 | cp >> 12);
        out[1] = (uint8_t)(0x80 | (cp >> 6 & 0x3f));
        out[2] = (uint8_t)(0x80 | (cp & 0x3f));
        return 3;
    }
    out[0] = (uint8_t)(0xf0 | cp >> 18);
    out[1] = (uint8_t)(0x80 | (cp >> 12 & 0x3f));
    out[2] = (uint8_t)(0x80 | (cp >> 6 & 0x3f));
    out[3] = (uint8_t)(0x80 | (cp & 0x3f));
    return 4;
}

/* Characters that change what a terminal or an eye makes of the text around them. */
static bool is_treacherous(uint32_t cp)
{
    return cp < 0x20 || (cp >= 0x7f && cp < 0xa0) || cp == 0xad || cp == 0x61c ||
           (cp >= 0x200b && cp <= 0x200f) || (cp >= 0x2028 && cp <= 0x202e) ||
           (cp >= 0x2060 && cp <= 0x206f) || cp == 0xfeff || (cp >= 0xfff9 && cp <= 0xfffb) ||
           (cp >= 0xe0000 && cp <= 0xe007f);
}

char *text_escape(struct slice s, char *out, size_t out_size)
{
    static const char more[] = "…";
    size_t at = 0;
    if (out_size == 0)
        return out;
    for (size_t pos = 0; pos < s.len;) {
        char piece[16];
        size_t before = pos;
        uint32_t cp = text_next_code_point(s, &pos);
        size_t n;
        if (cp == 0xfffd && pos == before + 1)
            n = (size_t)snprintf(piece, sizeof piece, "\\x%02x", s.data[before]);
        else if (is_treacherous(cp))
            n = (size_t)snprintf(piece, sizeof piece, cp < 0x100 ? "\\x%02x" : "\\u{%x}", cp);
        else
            n = text_put_code_point(cp, (uint8_t *)piece);
        if (at + n + sizeof more > out_size) {
            if (at + sizeof more <= out_size) {
                memcpy(out + at, more, sizeof more - 1);
                at += sizeof more - 1;
            }
            break;
        }
        memcpy(out + at, piece, n);
        at += n;
    }
    out[at] = '\0';
    return out;
}

int text_base64_encode(struct slice s, struct buf *out)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    if (s.len > SIZE_MAX / 2)
        return -ENOBUFS;
    uint8_t *p = buf_reserve(out, (s.len + 2) / 3 * 4);
    if (!p)
        return buf_failed(out);
    for (size_t i = 0; i < s.len; i += 3) {
        size_t n = s.len - i < 3 ? s.len - i : 3;
        uint32_t v = (uint32_t)s.data[i] << 16 | (n > 1 ? (uint32_t)s.data[i + 1] << 8 : 0) |
                     (n > 2 ? s.data[i + 2] : 0);
        *p++ = (uint8_t)alphabet[v >> 18];
        *p++ = (uint8_t)alphabet[v >> 12 & 63];
        *p++ = n > 1 ? (uint8_t)alphabet[v >> 6 & 63] : '=';
        *p++ = n > 2 ? (uint8_t)alphabet[v & 63] : '=';
    }
    out->len += (s.len + 2) / 3 * 4;
    return 0;
}

int text_base64_digit(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int text_base64_decode(struct slice s, struct buf *out)
{
    size_t padding = 0;
    while (s.len && padding < 2 && s.data[s.len - 1] == '=') {
        s.len--;
        padding++;
    }
    if (s.len % 4 == 1 || (padding && (s.len + padding) % 4 != 0))
        return -EINVAL;
    uint32_t v = 0;
    for (size_t i = 0; i < s.len; i++) {
        int digit = text_base64_digit(s.data[i]);
        if (digit < 0)
            return -EINVAL;
        v = v << 6 | (uint32_t)digit;
        if (i % 4 == 3) {
            uint8_t bytes[3] = {(uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};
            buf_append(out, bytes, 3);
            v = 0;
        }
    }
    if (s.len % 4 == 2)
        buf_append_u8(out, (uint8_t)(v >> 4));
    if (s.len % 4 == 3) {
        uint8_t bytes[2] = {(uint8_t)(v >> 10), (uint8_t)(v >> 2)};
        buf_append(out, bytes, 2);
    }
    return buf_failed(out);
}

size_t text_base32hex(const uint8_t *data, size_t len, char *out, size_t out_size)
{
    static const char alphabet[] = "0123456789ABCDEFGHIJKLMNOPQRSTUV";
    size_t at = 0;
    uint32_t v = 0;
    unsigned bits = 0;
    for (size_t i = 0; i < len; i++) {
        v = (v << 8 | data[i]) & 0xffffu;
        bits += 8;
        for (; bits >= 5 && at + 1 < out_size; bits -= 5)
            out[at++] = alphabet[v >> (bits - 5) & 31];
    }
    if (bits && at + 1 < out_size)
        out[at++] = alphabet[v << (5 - bits) & 31];
    if (out_size)
        out[at] = '\0';
    return at;
}

void text_hex(const uint8_t *data, size_t len, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digits[data[i] >> 4];
        out[2 * i + 1] = digits[data[i] & 15];
    }
    out[2 * len] = '\0';
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int text_unhex(const char *text, uint8_t *out, size_t out_size)
{
    size_t n = 0;
    for (; *text; text += 2, n++) {
        int high = hex_digit(text[0]);
        int low = high < 0 ? -1 : hex_digit(text[1]);
        if (low < 0 || n == out_size)
            return -EINVAL;
        out[n] = (uint8_t)(high << 4 | low);
    }
    return (int)n;
}

int text_parse_size(const char *text, uint64_t *ret_bytes)
{
    if (*text < '0' || *text > '9')
        return -EINVAL;
    errno = 0;
    char *end;
    double v = strtod(text, &end);
    if (errno || v < 0 || strpbrk(text, "xXpPeEnN"))
        return -EINVAL;
    while (*end == ' ')
        end++;
    static const char letters[] = "kMGTP";
    double unit = 1;
    if (*end && *end != 'B') {
        const char *letter = *end == 'K' ? letters : strchr(letters, *end);
        if (!letter)
            return -EINVAL;
        end++;
        double base = *end == 'i' ? 1024 : 1000;
        end += *end == 'i';
        for (const char *l = letters; l <= letter; l++)
            unit *= base;
    }
    end += *end == 'B';
    if (*end || v * unit >= 9.2e18)
        return -EINVAL;
    *ret_bytes = (uint64_t)(v * unit);
    return 0;
}

char *text_format_size(uint64_t bytes, char out[24])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double v = (double)bytes;
    size_t unit = 0;
    while (v >= 999.5 && unit + 1 < sizeof units / sizeof *units) {
        v /= 1024;
        unit++;
    }
    int decimals = unit == 0 || v >= 99.95 ? 0 : v >= 9.995 ? 1 : 2;
    snprintf(out, 24, "%.*f %s", decimals, v, units[unit]);
    return out;
}

int text_parse_int(const char *text, int64_t min, int64_t max, int64_t *ret_v)
{
    const char *digits = *text == '-' ? text + 1 : text;
    if (*digits < '0' || *digits > '9')
        return -EINVAL;
    errno = 0;
    char *end;
    long long v = strtoll(text, &end, 10);
    if (errno || *end || v < min || v > max)
        return -EINVAL;
    *ret_v = v;
    return 0;
}

enum {
    DISTANCE_MAX_LEN = 64
};

unsigned text_distance(struct slice a, struct slice b, unsigned limit)
{
    if (a.len > DISTANCE_MAX_LEN || b.len > DISTANCE_MAX_LEN)
        return limit;
    unsigned row[DISTANCE_MAX_LEN + 1];
    for (size_t j = 0; j <= b.len; j++)
        row[j] = (unsigned)j;
    for (size_t i = 0; i < a.len; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i + 1;
        for (size_t j = 0; j < b.len; j++) {
            unsigned change = diagonal + (a.data[i] != b.data[j]);
            diagonal = row[j + 1];
            unsigned best = row[j] < row[j + 1] ? row[j] + 1 : row[j + 1] + 1;
            row[j + 1] = change < best ? change : best;
        }
    }
    return row[b.len] < limit ? row[b.len] : limit;
}

const char *text_suggest(struct slice name, const char *const *names)
{
    unsigned limit = (unsigned)name.len / 3 + 1;
    unsigned best = limit + 1;
    const char *suggestion = NULL;
    for (size_t i = 0; names[i]; i++) {
        unsigned d = text_distance(name, slice_str(names[i]), best);
        if (d < best && d <= limit) {
            best = d;
            suggestion = names[i];
        }
    }
    return suggestion;
}
