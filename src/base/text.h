/* Text helpers that more than one folder needs. Thread: any. */
#ifndef TRAWL_BASE_TEXT_H
#define TRAWL_BASE_TEXT_H

#include "base/buf.h"
#include "base/error.h"

/* Strict UTF-8 (RFC 3629: no surrogates, no overlong forms). */
bool text_is_utf8(struct slice s);
/* Decodes one code point at *pos and moves over it; invalid bytes give U+FFFD and move one byte.
 * *pos < s.len. */
uint32_t text_next_code_point(struct slice s, size_t *pos);
/* At most 4 bytes. Returns their number. */
size_t text_put_code_point(uint32_t cp, uint8_t out[4]);

/* Captured bytes made harmless for logs and terminals: control, non-ASCII-invalid, bidi and
 * zero-width characters become \xNN or \u{NNNN}; a long text is cut and ends in "…". Always
 * NUL-terminated. Returns out. */
char *text_escape(struct slice s, char *out, size_t out_size);

/* The value of one character of base64, −1 for any other (padding too). */
int text_base64_digit(uint8_t c);
/* RFC 4648: standard alphabet with padding. Decode accepts missing padding; -EINVAL otherwise. */
int text_base64_encode(struct slice s, struct buf *out);
int text_base64_decode(struct slice s, struct buf *out);
/* Base32hex without padding in upper case (RFC 4648 section 7): sorts like the bytes. Returns
 * characters written. */
size_t text_base32hex(const uint8_t *data, size_t len, char *out, size_t out_size);
void text_hex(const uint8_t *data, size_t len, char *out);       /* 2·len + NUL */
int text_unhex(const char *text, uint8_t *out, size_t out_size); /* bytes, or -EINVAL */

/* "64MiB", "1GiB", "500k", "1073741824" → bytes. k/M/G/T are 1000s, Ki/Mi/Gi/Ti 1024s, a trailing B
 * is allowed. -EINVAL. */
int text_parse_size(const char *text, uint64_t *ret_bytes);
/* "1.20 GiB", three significant digits. Returns out (≥ 24 bytes). */
char *text_format_size(uint64_t bytes, char out[24]);
/* Whole text is a decimal integer in [min, max]; -EINVAL otherwise. */
int text_parse_int(const char *text, int64_t min, int64_t max, int64_t *ret_v);

/* The closest of `names` (ends with NULL) by edit distance, or NULL when none is close enough to
 * suggest. */
const char *text_suggest(struct slice name, const char *const *names);
/* Edit distance, cut off at `limit` (returns limit when it is at least that). */
unsigned text_distance(struct slice a, struct slice b, unsigned limit);

#endif
