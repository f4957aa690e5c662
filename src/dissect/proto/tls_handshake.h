/* One TLS handshake between tls.c, which reads records, and tls_entry.c, which fills the entry.
 * Thread: that of the connection. */
#ifndef TRAWL_DISSECT_PROTO_TLS_HANDSHAKE_H
#define TRAWL_DISSECT_PROTO_TLS_HANDSHAKE_H

#include "dissect/proto/tls_hello.h"

struct tls_handshake {
    struct dissect_entry *entry;
    struct tls_client_hello client;
    struct tls_server_hello server;
    struct tls_certificate certificate;
    bool has_client, has_server, has_certificate, has_key_exchange;
    bool was_retried, is_dtls, is_quic;
    bool is_abbreviated; /* the server went encrypted without a certificate */
    int alert;           /* −1: none */
    bool alert_is_fatal;
};

enum {
    TLS_FIELD_COUNT = 16
};

extern const struct field_def tls_fields[TLS_FIELD_COUNT];

void tls_emit(struct dissect_conn *conn, struct tls_handshake *handshake, const char *status,
              const char *reason);

#endif
