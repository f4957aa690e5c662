/* RADIUS packets (RFC 2865 section 3) and their attributes as text: names and types of RFC 2865,
 * 2866, 2867, 2868, 2869, 3162, 4372, 4675, 4818, 4849 and 5176. Borrows the bytes. Thread: any. */
#ifndef TRAWL_DISSECT_PROTO_RADIUS_MESSAGE_H
#define TRAWL_DISSECT_PROTO_RADIUS_MESSAGE_H

#include "base/arena.h"

enum {
    RADIUS_HEADER_BYTES = 20,
    RADIUS_MAX_BYTES = 4096,
    RADIUS_AUTHENTICATOR_BYTES = 16
};

enum radius_code {
    RADIUS_ACCESS_REQUEST = 1,
    RADIUS_ACCESS_ACCEPT = 2,
    RADIUS_ACCESS_REJECT = 3,
    RADIUS_ACCOUNTING_REQUEST = 4,
    RADIUS_ACCOUNTING_RESPONSE = 5,
    RADIUS_ACCESS_CHALLENGE = 11,
    RADIUS_STATUS_SERVER = 12,
    RADIUS_DISCONNECT_REQUEST = 40,
    RADIUS_DISCONNECT_ACK = 41,
    RADIUS_DISCONNECT_NAK = 42,
    RADIUS_COA_REQUEST = 43,
    RADIUS_COA_ACK = 44,
    RADIUS_COA_NAK = 45
};

struct radius_message {
    uint8_t code, id;
    uint16_t length;            /* as the header says */
    struct slice authenticator; /* 16 bytes */
    struct slice attributes;    /* as far as they are there */
    bool is_cut;                /* the datagram ends before `length` does */
    bool is_malformed;          /* an attribute does not fit */
};

/* Reads the header and walks the attributes. False: no header, an unknown code or a length that
 * cannot be. Bytes behind `length` are padding (RFC 2865 section 3). */
bool radius_parse(struct slice bytes, struct radius_message *ret_message);
/* By form alone: a known code, the length of the datagram, a chain of attributes that ends with it,
 * and each attribute of a fixed size has it. Attributes are needed: without one a header shows too
 * little. */
bool radius_is_exact(const struct radius_message *message, size_t datagram_bytes);

/* "Access-Request"; NULL for a code that is not known. */
const char *radius_code_name(uint8_t code);
bool radius_is_request(uint8_t code);
/* Whether a response of this code may answer a request of that code. */
bool radius_answers(uint8_t response_code, uint8_t request_code);

/* The value of the first attribute of this type; data NULL without one. */
struct slice radius_find(const struct radius_message *message, uint8_t type);
/* The name of an enumerated value, "Session-Context-Not-Found" for Error-Cause 503; NULL when it
 * has none. `value` is the attribute's. */
const char *radius_value_name(uint8_t type, struct slice value);

enum {
    RADIUS_USER_NAME = 1,
    RADIUS_ACCT_STATUS_TYPE = 40,
    RADIUS_ERROR_CAUSE = 101
};

/* A line per attribute, "Name: value". What is a password, or can be turned into one, is
 * "(hidden)". NULL data without memory. */
struct slice radius_attributes_text(struct arena *arena, const struct radius_message *message);

#endif
