/* Messages of LDAP (RFC 4511 section 4.2 on): the envelope, whether bytes are one, names. Borrows
 * the bytes. Thread: any. */
#ifndef TRAWL_DISSECT_PROTO_LDAP_MESSAGE_H
#define TRAWL_DISSECT_PROTO_LDAP_MESSAGE_H

#include "dissect/proto/ber.h"

/* protocolOp, by its identifier octet. */
enum ldap_op {
    LDAP_NO_OP = 0,
    LDAP_BIND = 0x60,
    LDAP_BIND_RESPONSE = 0x61,
    LDAP_UNBIND = 0x42,
    LDAP_SEARCH = 0x63,
    LDAP_SEARCH_ENTRY = 0x64,
    LDAP_SEARCH_DONE = 0x65,
    LDAP_SEARCH_REFERENCE = 0x73,
    LDAP_MODIFY = 0x66,
    LDAP_MODIFY_RESPONSE = 0x67,
    LDAP_ADD = 0x68,
    LDAP_ADD_RESPONSE = 0x69,
    LDAP_DELETE = 0x4a,
    LDAP_DELETE_RESPONSE = 0x6b,
    LDAP_MODIFY_DN = 0x6c,
    LDAP_MODIFY_DN_RESPONSE = 0x6d,
    LDAP_COMPARE = 0x6e,
    LDAP_COMPARE_RESPONSE = 0x6f,
    LDAP_ABANDON = 0x50,
    LDAP_EXTENDED = 0x77,
    LDAP_EXTENDED_RESPONSE = 0x78,
    LDAP_INTERMEDIATE = 0x79
};

enum {
    LDAP_SUCCESS = 0,
    LDAP_COMPARE_FALSE = 5,
    LDAP_COMPARE_TRUE = 6,
    LDAP_REFERRAL = 10,
    LDAP_SASL_IN_PROGRESS = 14
};

struct ldap_head {
    uint64_t bytes; /* of the whole message, its header included */
    uint32_t id;
    uint8_t op;
    size_t body_at; /* where the protocolOp's value begins */
    uint64_t body_bytes;
};

struct ldap_message {
    struct ldap_head head;
    struct slice body;     /* value of the protocolOp, as far as it is there */
    struct slice controls; /* value of [0] Controls */
    bool is_cut;
};

/* As ber_read. BER_OK: a known operation, which ends with the message or leaves room for controls.
 */
enum ber_result ldap_read_head(struct slice s, struct ldap_head *ret);
/* Of bytes that begin a message whose head can be read; false otherwise. */
bool ldap_parse(struct slice s, struct ldap_message *ret);

enum ldap_judgement {
    LDAP_IS,
    LDAP_MAYBE,
    LDAP_IS_NOT
};
/* Are these bytes the beginning of a message? By its head and the first elements of the operation;
 * looks at no more than LDAP_JUDGED bytes. `ended`: no more will come. */
enum ldap_judgement ldap_judge(struct slice s, bool ended);

enum {
    LDAP_JUDGED = 2048
};

bool ldap_is_request(uint8_t op);
/* May a message of this operation answer that request? */
bool ldap_answers(uint8_t response, uint8_t request);
/* It is the last answer. */
bool ldap_is_final(uint8_t response);

/* "search"; of a response, that of its request. */
const char *ldap_op_name(uint8_t op);
/* "noSuchObject"; NULL when it has none. */
const char *ldap_result_name(int64_t code);
/* The name of an extended operation, control, or notification; empty when it has none. */
struct slice ldap_oid_name(struct slice oid);

/* LDAPResult, the beginning of most responses. */
struct ldap_result {
    int64_t code; /* −1: not there */
    struct slice matched_dn, message, referral /* of LDAPURLs */, rest;
};
void ldap_read_result(struct slice body, struct ldap_result *ret);

/* Values of this attribute are, or give away, a password. */
bool ldap_is_secret(struct slice attribute);

#endif
