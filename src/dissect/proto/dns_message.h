/* A DNS message (RFC 1035 section 4) as text: what dns.c makes entries of. All memory lives in the
 * arena given; nothing is kept of the wire bytes. Thread: any. */
#ifndef TRAWL_DISSECT_PROTO_DNS_MESSAGE_H
#define TRAWL_DISSECT_PROTO_DNS_MESSAGE_H

#include "dissect/dissector.h"

enum {
    DNS_HEADER_BYTES = 12,
    DNS_NAME_TEXT_MAX = 1100, /* 255 bytes, each at most "\ddd" */
    DNS_RECORD_TEXT_MAX = 8192,
    DNS_MAX_RECORDS = 2000 /* kept as text, over all sections */
};

enum dns_opcode {
    DNS_QUERY = 0,
    DNS_IQUERY = 1,
    DNS_STATUS = 2,
    DNS_NOTIFY = 4,
    DNS_UPDATE = 5,
    DNS_DSO = 6
};

enum dns_type {
    DNS_TYPE_A = 1,
    DNS_TYPE_NS = 2,
    DNS_TYPE_MD = 3,
    DNS_TYPE_MF = 4,
    DNS_TYPE_CNAME = 5,
    DNS_TYPE_SOA = 6,
    DNS_TYPE_MB = 7,
    DNS_TYPE_MG = 8,
    DNS_TYPE_MR = 9,
    DNS_TYPE_NULL = 10,
    DNS_TYPE_WKS = 11,
    DNS_TYPE_PTR = 12,
    DNS_TYPE_HINFO = 13,
    DNS_TYPE_MINFO = 14,
    DNS_TYPE_MX = 15,
    DNS_TYPE_TXT = 16,
    DNS_TYPE_RP = 17,
    DNS_TYPE_AFSDB = 18,
    DNS_TYPE_X25 = 19,
    DNS_TYPE_ISDN = 20,
    DNS_TYPE_RT = 21,
    DNS_TYPE_SIG = 24,
    DNS_TYPE_KEY = 25,
    DNS_TYPE_PX = 26,
    DNS_TYPE_AAAA = 28,
    DNS_TYPE_LOC = 29,
    DNS_TYPE_NB = 32,
    DNS_TYPE_SRV = 33,
    DNS_TYPE_NAPTR = 35,
    DNS_TYPE_KX = 36,
    DNS_TYPE_CERT = 37,
    DNS_TYPE_DNAME = 39,
    DNS_TYPE_OPT = 41,
    DNS_TYPE_APL = 42,
    DNS_TYPE_DS = 43,
    DNS_TYPE_SSHFP = 44,
    DNS_TYPE_RRSIG = 46,
    DNS_TYPE_NSEC = 47,
    DNS_TYPE_DNSKEY = 48,
    DNS_TYPE_DHCID = 49,
    DNS_TYPE_NSEC3 = 50,
    DNS_TYPE_NSEC3PARAM = 51,
    DNS_TYPE_TLSA = 52,
    DNS_TYPE_SMIMEA = 53,
    DNS_TYPE_CDS = 59,
    DNS_TYPE_CDNSKEY = 60,
    DNS_TYPE_OPENPGPKEY = 61,
    DNS_TYPE_CSYNC = 62,
    DNS_TYPE_ZONEMD = 63,
    DNS_TYPE_SVCB = 64,
    DNS_TYPE_HTTPS = 65,
    DNS_TYPE_SPF = 99,
    DNS_TYPE_EUI48 = 108,
    DNS_TYPE_EUI64 = 109,
    DNS_TYPE_TKEY = 249,
    DNS_TYPE_TSIG = 250,
    DNS_TYPE_IXFR = 251,
    DNS_TYPE_AXFR = 252,
    DNS_TYPE_ANY = 255,
    DNS_TYPE_URI = 256,
    DNS_TYPE_CAA = 257
};

/* Text of bounded length; what does not fit is left out and `cut` is set. */
struct dns_text {
    char *data;
    size_t len, cap;
    bool cut;
};

struct dns_question {
    struct slice name;
    uint16_t type, klass;
};

struct dns_record {
    struct slice name, rdata; /* text */
    uint16_t type, klass;
    uint32_t ttl;
    uint32_t soa_serial; /* of a SOA */
};

enum dns_section {
    DNS_ANSWER,
    DNS_AUTHORITY,
    DNS_ADDITIONAL,
    DNS_SECTIONS
};

struct dns_message {
    uint16_t id, flags;
    unsigned opcode, rcode; /* rcode with its EDNS extension */
    bool is_response, is_authoritative, is_truncated;
    uint16_t counts[4]; /* as the header says */
    struct dns_question *questions;
    size_t question_count;
    struct dns_record *records[DNS_SECTIONS];
    size_t record_count[DNS_SECTIONS];
    bool has_edns;
    struct slice client_subnet; /* EDNS client subnet, "192.0.2.0/24/0" */
    bool malformed;             /* something behind the header could not be read */
    bool cut;                   /* more than is kept as text */
};

/* Reads a whole message. False: not even a header. Else what could be read is there, and
 * `malformed` says whether that is all. */
bool dns_parse(struct arena *arena, struct slice bytes, struct dns_message *ret_message);
/* Header and questions only. */
bool dns_parse_question(struct arena *arena, struct slice bytes, struct dns_message *ret_message);

enum dns_shape {
    DNS_IS_NOT,
    DNS_IS_CUT,    /* ends inside a question */
    DNS_IS_BROKEN, /* the questions can be read, a record cannot */
    DNS_IS_LIKELY, /* all can be read, but bytes are left or nothing is said */
    DNS_IS_EXACT
};
/* One question of the usual kind, whatever stands behind it (padding of other protocols' queries).
 */
bool dns_is_plain_query(struct slice bytes);
/* The first bytes of a message of whole_len bytes: could its header be one? */
bool dns_may_begin(struct slice bytes, size_t whole_len);
/* Judges bytes by their form alone, without keeping anything. */
enum dns_shape dns_shape_of(struct slice bytes);
/* The whole message in the form of a zone file, a section after the other. */
struct slice dns_message_text(struct arena *arena, const struct dns_message *message);

/* "A", "TYPE1234"; the result lives in `scratch` (≥ 16 bytes) or is static. */
const char *dns_type_name(unsigned type, char *scratch);
const char *dns_class_name(unsigned klass, char *scratch);
const char *dns_rcode_name(unsigned rcode, char *scratch);
const char *dns_opcode_name(unsigned opcode, char *scratch);

/* Appends a possibly compressed name (RFC 1035 section 4.1.4) that starts at *pos of the message;
 * *pos moves behind it. False when it is broken: more than 64 pointers, more than 255 bytes, beyond
 * the end. */
bool dns_take_name(struct slice message, size_t *pos, struct dns_text *out);
/* Appends the data of a record (message[pos … pos + len)) in the presentation form of its RFC, and
 * in the form of RFC 3597 when it is unknown or broken; false when broken. */
bool dns_rdata_text(struct slice message, size_t pos, size_t len, unsigned type,
                    struct dns_text *out);

void dns_put(struct dns_text *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
void dns_put_hex(struct dns_text *out, struct slice bytes);
void dns_put_quoted(struct dns_text *out, struct slice bytes);

#endif
