/* Streaming JSON writer into a buf (RFC 8259). Output is always valid UTF-8: invalid bytes in
 * strings become U+FFFD; commas and nesting are kept by the writer. Errors are those of the buf
 * (sticky). Borrows the buf. Thread: owner. */
#ifndef TRAWL_BASE_JSON_WRITER_H
#define TRAWL_BASE_JSON_WRITER_H

#include "base/buf.h"

enum {
    JSON_MAX_DEPTH = 64
};

struct json_writer {
    struct buf *out;
    uint64_t has_members; /* a bit a level */
    unsigned depth;
    bool after_key;
};

void json_init(struct json_writer *w, struct buf *out);
void json_begin_object(struct json_writer *w);
void json_end_object(struct json_writer *w);
void json_begin_array(struct json_writer *w);
void json_end_array(struct json_writer *w);
void json_key(struct json_writer *w, const char *key);
void json_key_slice(struct json_writer *w, struct slice key);
void json_text(struct json_writer *w, struct slice text);
void json_str(struct json_writer *w, const char *text); /* NULL writes null */
void json_int(struct json_writer *w, int64_t v);
void json_uint(struct json_writer *w, uint64_t v);
void json_double(struct json_writer *w,
                 double v); /* shortest that reads back; NaN and infinities as strings */
void json_bool(struct json_writer *w, bool v);
void json_none(struct json_writer *w);
/* Already valid JSON, copied as it is. */
void json_raw(struct json_writer *w, struct slice json);
void json_base64(struct json_writer *w, struct slice bytes); /* as a string */
void json_time(struct json_writer *w, int64_t ns);           /* RFC 3339 string */

/* key + value in one call */
void json_member_str(struct json_writer *w, const char *key, const char *text);
void json_member_string(struct json_writer *w, const char *key, struct slice text);
void json_member_int(struct json_writer *w, const char *key, int64_t v);
void json_member_uint(struct json_writer *w, const char *key, uint64_t v);
void json_member_bool(struct json_writer *w, const char *key, bool v);
void json_member_time(struct json_writer *w, const char *key, int64_t ns);

#endif
