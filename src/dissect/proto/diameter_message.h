/* Diameter messages (RFC 6733 sections 3 and 4) and their AVPs. Borrows the bytes. Thread: any. */
#ifndef TRAWL_DISSECT_PROTO_DIAMETER_MESSAGE_H
#define TRAWL_DISSECT_PROTO_DIAMETER_MESSAGE_H

#include "base/cursor.h"

enum {
    DIAMETER_HEADER_BYTES = 20,
    DIAMETER_JUDGED = 2048, /* diameter_judge looks at no more */
    DIAMETER_3GPP = 10415   /* vendor */
};

enum diameter_flags {
    DIAMETER_REQUEST = 0x80,
    DIAMETER_PROXIABLE = 0x40,
    DIAMETER_ERROR = 0x20,
    DIAMETER_RETRANSMITTED = 0x10
};

enum diameter_command {
    DIAMETER_CAPABILITIES_EXCHANGE = 257
};

enum diameter_code {
    DIAMETER_USER_NAME = 1,
    DIAMETER_SESSION_ID = 263,
    DIAMETER_ORIGIN_HOST = 264,
    DIAMETER_RESULT_CODE = 268,
    DIAMETER_VENDOR_ID = 266,
    DIAMETER_ERROR_MESSAGE = 281,
    DIAMETER_DESTINATION_REALM = 283,
    DIAMETER_DESTINATION_HOST = 293,
    DIAMETER_ORIGIN_REALM = 296,
    DIAMETER_EXPERIMENTAL_RESULT = 297,
    DIAMETER_EXPERIMENTAL_RESULT_CODE = 298,
    DIAMETER_CC_REQUEST_TYPE = 416
};

struct diameter_head {
    uint32_t bytes; /* of the message, the header included */
    uint32_t command, application, hop_by_hop, end_to_end;
    uint8_t flags;
};

struct diameter_avp {
    uint32_t code, vendor; /* vendor 0: the base protocol's */
    uint8_t flags;
    struct slice value; /* as far as it is there */
    bool is_cut;
};

/* False: these (at least 20) bytes begin no message. */
bool diameter_read_head(struct slice s, struct diameter_head *ret);
/* The next AVP of *rest, moved over with its padding. False at the end, and where none can be read:
 * *rest then holds what is left. */
bool diameter_next_avp(struct slice *rest, struct diameter_avp *ret);
/* The value of the first AVP of this code without a vendor, whole; data NULL without one. */
struct slice diameter_find(struct slice avps, uint32_t code);
/* Of an Unsigned32 or Enumerated; false when it has another size. */
bool diameter_u32(struct slice value, uint32_t *ret);

enum diameter_judgement {
    DIAMETER_IS,
    DIAMETER_MAYBE,
    DIAMETER_IS_NOT
};
/* Are these bytes the beginning of a message? By the header and a chain of AVPs with one that every
 * peer knows. `ended`: no more will come. */
enum diameter_judgement diameter_judge(struct slice s, bool ended);

/* ── names; NULL: none ── */
/* "Credit-Control" */
const char *diameter_command_name(uint32_t command);
const char *diameter_application_name(uint32_t application);
/* "DIAMETER_SUCCESS" */
const char *diameter_result_name(uint32_t code);
/* Of Experimental-Result-Code. */
const char *diameter_experimental_name(uint32_t vendor, uint32_t code);

enum diameter_type {
    DIAMETER_OCTETS,
    DIAMETER_TEXT, /* UTF8String, DiameterIdentity, DiameterURI, filters */
    DIAMETER_UNSIGNED32,
    DIAMETER_UNSIGNED64,
    DIAMETER_INTEGER32,
    DIAMETER_INTEGER64,
    DIAMETER_ENUMERATED,
    DIAMETER_ADDRESS,
    DIAMETER_TIME,
    DIAMETER_GROUPED,
    DIAMETER_IPV4,   /* of RADIUS: the address alone */
    DIAMETER_DIGITS, /* TBCD-STRING: an MSISDN */
    DIAMETER_SECRET  /* a password or a key: never shown */
};

struct diameter_avp_def {
    uint32_t code;
    enum diameter_type type;
    const char *name;
};

const struct diameter_avp_def *diameter_avp_find(uint32_t code, uint32_t vendor);
/* Name of a value of an Enumerated. */
const char *diameter_value_name(uint32_t code, uint32_t vendor, uint32_t value);

#endif
