/* Values of the filter language: what literals hold and what evaluation gives. 24 bytes, passed
 * around by pointer; what they point to is borrowed (from the filter, the entry or the scratch's
 * arena). An error is a value too, so that && and || can absorb it. Thread: any (constant). */
#ifndef TRAWL_FILTER_VALUE_H
#define TRAWL_FILTER_VALUE_H

#include "base/slice.h"
#include "dissect/entry.h"

enum value_kind {
    VALUE_ERROR,
    VALUE_NULL,
    VALUE_BOOL,
    VALUE_INT,
    VALUE_UINT,
    VALUE_DOUBLE,
    VALUE_STRING, /* UTF-8 by intent; captured text may hold any byte */
    VALUE_BYTES,
    VALUE_LIST,
    VALUE_MAP,
    VALUE_TIMESTAMP, /* years 1 … 9999 */
    VALUE_DURATION,  /* int64_t ns */
    VALUE_TYPE,
    VALUE_OPTIONAL,
    VALUE_IP,
    VALUE_CIDR
};

struct value;
struct value_pair;

enum value_storage {
    STORED_VALUES, /* struct value / struct value_pair */
    STORED_TEXT,   /* struct slice / struct entry_pair: straight from an entry */
    STORED_INTS    /* int64_t (lists only) */
};

struct value_list {
    uint32_t count;
    enum value_storage storage;
    union {
        const struct value *values;
        const struct slice *texts;
        const int64_t *ints;
    };
};

struct value_map {
    uint32_t count;
    enum value_storage storage;
    union {
        const struct value_pair *pairs;
        const struct entry_pair *texts;
    };
};

/* An address (RFC 791, RFC 4291); v4 uses the first four bytes. `prefix` only in a VALUE_CIDR. */
struct value_ip {
    uint8_t bytes[16];
};

struct value {
    uint8_t kind;    /* enum value_kind */
    uint8_t error;   /* VALUE_ERROR: enum value_error; VALUE_IP, VALUE_CIDR: 4 or 6 */
    uint8_t prefix;  /* VALUE_CIDR */
    uint32_t offset; /* VALUE_ERROR: byte in the filter's text; VALUE_TIMESTAMP: nanoseconds */
    union {
        bool boolean;
        int64_t integer; /* INT; DURATION: ns; TIMESTAMP: seconds since the epoch */
        uint64_t uinteger;
        double real;
        struct slice text; /* STRING, BYTES; TYPE: the type's name; ERROR: what it is about, or
                              empty */
        const struct value_list *list;
        const struct value_map *map;
        const struct value *optional; /* NULL: none */
        struct value_ip ip;
    };
};

struct value_pair {
    struct value key, value;
};

enum value_error {
    ERROR_NONE,
    ERROR_NO_OVERLOAD,
    ERROR_NO_KEY,
    ERROR_NO_FIELD, /* select on something without members */
    ERROR_INDEX,
    ERROR_DIVIDE,
    ERROR_MODULUS,
    ERROR_OVERFLOW,
    ERROR_RANGE,
    ERROR_CONVERSION, /* the text cannot be read as … */
    ERROR_UTF8,
    ERROR_REGEX,
    ERROR_ZONE,
    ERROR_DUPLICATE_KEY,
    ERROR_BAD_KEY, /* a map key that is not bool, int, uint or string */
    ERROR_NO_VARIABLE,
    ERROR_NO_FUNCTION,
    ERROR_NONE_DEREFERENCED, /* optional.none().value() */
    ERROR_ARGUMENT,          /* text: which, and why */
    ERROR_JSON,
    ERROR_BUDGET,
    ERROR_MEMORY
};

#endif
