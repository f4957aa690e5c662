/* What TLS says before it is encrypted: ClientHello, ServerHello (RFC 8446, RFC 5246, RFC 6101),
 * the server's certificate up to TLS 1.2 (RFC 5280), and the fingerprints JA3, JA3S and JA4.
 * Everything kept lives in the arena given. Thread: any. */
#ifndef TRAWL_DISSECT_PROTO_TLS_HELLO_H
#define TRAWL_DISSECT_PROTO_TLS_HELLO_H

#include "dissect/dissector.h"

enum {
    TLS_NAME_SIZE = 32,
    TLS_MAX_LIST = 512 /* numbers kept of one list */
};

struct tls_numbers {
    uint16_t *items;
    size_t count;
};

struct tls_client_hello {
    bool is_dtls, is_v2, is_quic;
    uint8_t random[32];
    uint16_t version; /* the highest that is offered */
    uint16_t legacy_version;
    struct tls_numbers ciphers, extensions, groups, points, signatures, versions;
    struct slice sni;
    struct slice *alpn;
    size_t alpn_count;
    struct slice session_id;
    bool has_ticket, has_ech;
};

struct tls_server_hello {
    uint8_t random[32];
    uint16_t version; /* chosen */
    uint16_t legacy_version;
    uint16_t cipher;
    struct tls_numbers extensions;
    struct slice alpn;
    struct slice session_id;
    bool is_13;    /* TLS 1.3, a draft or an experiment with it: what follows is encrypted */
    bool is_retry; /* HelloRetryRequest */
    bool has_psk;
};

struct tls_certificate {
    struct slice issuer, subject; /* RFC 4514 */
    int64_t not_after_ns;         /* 0: not readable */
};

/* False when it is no such message. What is kept may be less than what is there (TLS_MAX_LIST). */
bool tls_parse_client_hello(struct arena *arena, struct slice body, bool is_dtls,
                            struct tls_client_hello *ret_hello);
/* SSL 2.0's form of it (RFC 5246 appendix E.2), behind the two bytes of length. */
bool tls_parse_v2_hello(struct arena *arena, struct slice body, struct tls_client_hello *ret_hello);
bool tls_parse_server_hello(struct arena *arena, struct slice body,
                            struct tls_server_hello *ret_hello);
/* The first certificate of a Certificate message (TLS 1.2 and before). */
bool tls_parse_certificates(struct arena *arena, struct slice body,
                            struct tls_certificate *ret_certificate);

/* SLICE_NONE without memory. */
struct slice tls_ja3(struct arena *arena, const struct tls_client_hello *hello);
struct slice tls_ja3s(struct arena *arena, const struct tls_server_hello *hello);
struct slice tls_ja4(struct arena *arena, const struct tls_client_hello *hello);

/* Names live in scratch (TLS_NAME_SIZE bytes) or are static. */
const char *tls_cipher_name(unsigned cipher, char *scratch);
const char *tls_group_name(unsigned group, char *scratch);
const char *tls_alert_name(unsigned alert, char *scratch);
const char *tls_version_name(unsigned version, char *scratch);
bool tls_is_grease(unsigned number);

#endif
