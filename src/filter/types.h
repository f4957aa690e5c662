/* Static types of the filter language (gradual: dyn goes with everything). Types live in the
 * filter's arena or are constants. Thread: any (constant). */
#ifndef TRAWL_FILTER_TYPES_H
#define TRAWL_FILTER_TYPES_H

#include "base/slice.h"

enum type_kind {
    TYPE_DYN,
    TYPE_ERROR, /* already reported; goes with everything */
    TYPE_NULL,
    TYPE_BOOL,
    TYPE_INT,
    TYPE_UINT,
    TYPE_DOUBLE,
    TYPE_STRING,
    TYPE_BYTES,
    TYPE_TIMESTAMP,
    TYPE_DURATION,
    TYPE_IP,
    TYPE_CIDR,
    TYPE_TYPE,     /* type(params[0]) */
    TYPE_LIST,     /* list(params[0]) */
    TYPE_MAP,      /* map(params[0], params[1]) */
    TYPE_OPTIONAL, /* optional_type(params[0]) */
    TYPE_VARIABLE  /* not known yet: what an empty list holds */
};

struct filter_type {
    enum type_kind kind;
    uint32_t variable; /* TYPE_VARIABLE: its number */
    const struct filter_type *params[2];
};

#endif
