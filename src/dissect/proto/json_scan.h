/* JSON (RFC 8259) read in place, forwards, a value at a time: for dissectors that look for a few
 * members of a body. Nothing is built; what is not asked for is passed over. A text that was cut
 * off is read as far as it goes. It is no validator.
 *
 * Every function that fails leaves the scan `bad`, and a bad scan gives nothing more, so loops end.
 * Borrows the text. Work is linear, nesting at most JSON_SCAN_DEPTH. Thread: owner. */
#ifndef TRAWL_DISSECT_PROTO_JSON_SCAN_H
#define TRAWL_DISSECT_PROTO_JSON_SCAN_H

#include "base/arena.h"

enum {
    JSON_SCAN_DEPTH = 64
};

enum json_kind {
    JSON_NONE, /* no value stands here */
    JSON_OBJECT,
    JSON_ARRAY,
    JSON_STRING,
    JSON_SCALAR /* a number, true, false or null */
};

struct json_scan {
    struct slice rest;
    unsigned depth;
    bool bad;
    bool is_first; /* in the container that was entered last, nothing was read yet */
};

struct json_scan json_scan_of(struct slice text);
/* What the next value is; consumes white space only. */
enum json_kind json_scan_peek(struct json_scan *scan);
/* Enters the object or array that comes next. */
bool json_scan_enter(struct json_scan *scan);
/* In an object: the next member's name, or false behind its end (which is consumed). The value
 * MUST be read or skipped before the next call. Names are not unescaped. */
bool json_scan_member(struct json_scan *scan, struct slice *ret_name);
/* In an array: true when another element follows, which MUST be read or skipped. */
bool json_scan_element(struct json_scan *scan);
/* A string, without its escapes; in the arena when there were any. */
bool json_scan_string(struct json_scan *scan, struct arena *arena, struct slice *ret_text);
/* Passes over one value of any kind. */
bool json_scan_skip(struct json_scan *scan);

#endif
