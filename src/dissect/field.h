/* The field table: every variable an entry can have lives in it once. Filter types, store columns,
 * JSON keys, completion and docs/fields.md are made from it. Rows common to all protocols are in
 * common_fields.c; a protocol's own rows stand in its dissector (dissect/proto/<name>.c). Global
 * ids are given when the registry is first used: common rows first, then the dissectors' in
 * registry order. Constant after that. Thread: any. */
#ifndef TRAWL_DISSECT_FIELD_H
#define TRAWL_DISSECT_FIELD_H

#include "base/slice.h"

enum field_type {
    FIELD_BOOL,
    FIELD_INT,  /* int64_t */
    FIELD_TEXT, /* string; may hold bytes that are not UTF-8: JSON then shows {"base64":"…"} */
    FIELD_LIST, /* list(string) */
    FIELD_MAP,  /* map(string, string), order kept */
    FIELD_TIME, /* timestamp, int64_t ns */
    FIELD_DURATION, /* int64_t ns */
    FIELD_INT_LIST  /* list(int) */
};

enum field_flags {
    FIELD_COLUMN = 1 << 0,        /* one of the ≤ 32 common columns of the store */
    FIELD_HEADERS = 1 << 1,       /* payload: headers frame */
    FIELD_REQUEST_BODY = 1 << 2,  /* payload: request bodies frame */
    FIELD_RESPONSE_BODY = 1 << 3, /* payload: response bodies frame */
    FIELD_DERIVED =
        1
        << 4, /* computed from the entry, never stored and not in JSON (protocol flags, aliases) */
    FIELD_GUARD_ZERO =
        1 << 5 /* comparing it with its zero also matches other protocols: the compiler warns */
};

typedef uint16_t field_id;
#define FIELD_NONE ((field_id)0xffff)

struct field_def {
    const char
        *name; /* "dns_rcode", "src.pod.name": the display filter's variable, dots nest in JSON */
    enum field_type type;
    unsigned flags;
    int64_t absent;  /* FIELD_INT: value in filters when absent (0, or −1 for grpc_status and the
                        like) */
    const char *doc; /* one line, no full stop */
    const char *example; /* a filter clause that uses it */
};

/* Total number of rows; ids are 0 … count − 1. */
size_t field_count(void);
const struct field_def *field_at(field_id id);
/* The protocol that owns the row ("dns"), or "" for a common one. */
const char *field_protocol(field_id id);
/* By name or accepted alias (filter.md: src.ns, latency …); FIELD_NONE when there is none. */
field_id field_find(struct slice name);

#endif
