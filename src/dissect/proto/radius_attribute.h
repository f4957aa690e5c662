/* The attributes of RADIUS: names, types, names of enumerated values (RFC 2865 to 2869, 3162, 4372,
 * 4675, 4818, 4849, 5090, 5176). Thread: any. */
#ifndef TRAWL_DISSECT_PROTO_RADIUS_ATTRIBUTE_H
#define TRAWL_DISSECT_PROTO_RADIUS_ATTRIBUTE_H

#include "base/slice.h"

enum radius_type {
    RADIUS_OCTETS,
    RADIUS_TEXT,
    RADIUS_INT,
    RADIUS_IPV4,
    RADIUS_IPV6,
    RADIUS_IPV6_PREFIX, /* RFC 3162 section 2.3 */
    RADIUS_TAGGED_INT,  /* RFC 2868 section 3.1 */
    RADIUS_TAGGED_TEXT, /* RFC 2868 section 3.3 */
    RADIUS_EAP,
    RADIUS_VENDOR,
    RADIUS_SECRET /* a password, or what one can be guessed from: never shown */
};

struct radius_attribute {
    const char *name;
    enum radius_type type;
};

/* NULL: not in the table. */
const struct radius_attribute *radius_attribute(uint8_t type);
/* NULL: the value has no name. */
const char *radius_enum_name(uint8_t type, uint32_t value);

#endif
