/* What tls.c (streams), tls_datagram.c (DTLS), tls_quic.c and tls_detect.c share of one connection.
 * Lives in the connection's state. Thread: that of the connection. */
#ifndef TRAWL_DISSECT_PROTO_TLS_STATE_H
#define TRAWL_DISSECT_PROTO_TLS_STATE_H

#include "dissect/proto/gather.h"
#include "dissect/proto/tls_decrypt.h"

enum {
    TLS_RECORD_HEADER = 5,
    DTLS_RECORD_HEADER = 13,
    DTLS_MESSAGE_HEADER = 12,
    TLS_MAX_RECORD = 16384 + 2048,
    TLS_MAX_MESSAGE = 256 * 1024, /* kept of one handshake message */
    TLS_MAX_V2_HELLO = 512
};

enum tls_content_type {
    TLS_CHANGE_CIPHER_SPEC = 20,
    TLS_ALERT = 21,
    TLS_HANDSHAKE = 22,
    TLS_APPLICATION_DATA = 23,
    TLS_HEARTBEAT = 24,
    DTLS_CID = 25
};

enum tls_message_type {
    TLS_CLIENT_HELLO = 1,
    TLS_SERVER_HELLO = 2,
    TLS_HELLO_VERIFY = 3,
    TLS_HELLO_RETRY_DRAFT = 6, /* drafts of TLS 1.3 */
    TLS_CERTIFICATE = 11,
    TLS_SERVER_KEY_EXCHANGE = 12
};

struct tls_side {
    bool in_record;
    uint8_t type;
    size_t left; /* bytes of the record */
    bool encrypted, seen;
    bool is_early; /* the record in hand is early data: none of the handshake's bytes */
    /* the handshake message in hand */
    uint8_t header[4];
    size_t header_len;
    size_t message_left;
    bool in_message;
    struct gather message;
    uint8_t alert[2];
    size_t alert_len;
    uint16_t next_sequence; /* DTLS */
    /* decryption */
    size_t awaited;    /* bytes of the record that is not whole yet; 0: none */
    bool looks_around; /* for the next record, after a loss */
};

struct tls_state {
    struct tls_side side[2];
    struct tls_handshake handshake;
    bool done;
    bool lost;                   /* bytes of the handshake are missing */
    struct tls_quic *quic;       /* NULL: not QUIC */
    struct tls_decrypt *decrypt; /* NULL: no secrets, or not yet */
};

/* ── tls.c ── */

/* Begins the handshake's entry; false without room. */
bool tls_begin(struct dissect_conn *conn, struct tls_state *state);
/* A whole handshake message (only its type when !tls_is_kept). */
void tls_on_message(struct tls_state *state, enum dissect_dir dir, unsigned type,
                    struct slice body);
bool tls_is_kept(unsigned type);
/* A record's header was read: its type is in the side, `len` bytes follow. */
void tls_on_record_begin(struct dissect_conn *conn, struct tls_state *state, enum dissect_dir dir,
                         size_t len);
void tls_on_encrypted(struct dissect_conn *conn, struct tls_state *state, enum dissect_dir dir);
void tls_on_alert(struct dissect_conn *conn, struct tls_state *state, unsigned level,
                  unsigned description);
/* The entry leaves when both hellos are there, at an error, or when the sides are `beyond` their
 * Initial packets. */
void tls_check_quic(struct dissect_conn *conn, struct tls_state *state, bool beyond);
/* Consumes bytes, into the handshake's entry while there is one. */
void tls_take(struct dissect_conn *conn, const struct tls_state *state,
              struct dissect_stream *stream, size_t n);

/* ── tls_datagram.c ── */
enum dissect_result tls_read_datagram(struct dissect_conn *conn, struct tls_state *state,
                                      struct dissect_stream *stream);

/* ── tls_quic.c ── */
/* Does a QUIC packet with a long header begin here? */
bool tls_is_quic(struct slice datagram);
enum dissect_result tls_read_quic(struct dissect_conn *conn, struct tls_state *state,
                                  struct dissect_stream *stream);

/* ── tls_detect.c ── */
bool tls_is_record_header(const uint8_t *p, size_t len);
bool tls_is_v2_hello(const uint8_t *p, size_t len);
bool tls_is_dtls_header(const uint8_t *p, size_t len);
enum probe_result tls_probe(const struct probe_input *in);

#endif
