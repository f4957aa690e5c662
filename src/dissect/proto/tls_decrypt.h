/* Decryption of one TLS connection whose secrets are known (--keys, decryption secrets blocks):
 * what is inside goes to a layer, where it is dissected as if it were plain.
 *
 * Which key a record needs is not derived from the handshake's messages but tried: only the right
 * one authenticates. So a key log that lacks the handshake's secrets, a KeyUpdate or a loss in the
 * recording cost nothing but what was lost. Tries are bounded: after MAX_FAILURES records (or
 * guesses where one begins) in a row the direction is given up.
 *
 * Early data (0-RTT) is read once the server's EncryptedExtensions say that it was accepted; what
 * was refused is sent again and would count twice. Ends with a renegotiation (TLS 1.2), whose
 * randoms would have to be followed.
 *
 * State lives in the connection's arena; tls_decrypt_free releases what OpenSSL holds. Thread: that
 * of the connection. */
#ifndef TRAWL_DISSECT_PROTO_TLS_DECRYPT_H
#define TRAWL_DISSECT_PROTO_TLS_DECRYPT_H

#include "dissect/proto/tls_handshake.h"

struct tls_decrypt;

enum tls_decrypt_wait {
    TLS_READY,
    TLS_WAIT_FOR_SERVER /* early data: not known yet whether the server takes it */
};

/* Both hellos were seen. NULL while no secret is known for them, the suite is none that can be
 * opened, or there is no memory. */
struct tls_decrypt *tls_decrypt_new(struct dissect_conn *conn,
                                    const struct tls_handshake *handshake);
void tls_decrypt_free(struct tls_decrypt *decrypt);

/* May a client have sent early data that could be opened? Then its records wait for the server. */
bool tls_decrypt_has_early(const struct dissect_conn *conn, const struct tls_handshake *handshake);

/* May the record at the front of this direction be read now? */
enum tls_decrypt_wait tls_decrypt_may_read(const struct tls_decrypt *decrypt, enum dissect_dir dir);

/* One protected record, whole, at the front of the stream. */
struct tls_record {
    const uint8_t *header; /* five bytes */
    size_t lead;           /* bytes before the fragment that are not consumed yet: 5 or 0 */
    size_t fragment_bytes;
    struct arena *arena; /* bytes that are no data inside go into this span; may be NULL */
    struct dissect_span *span;
};

/* Consumes the record and feeds what is inside to the layer. */
void tls_decrypt_record(struct dissect_conn *conn, struct tls_decrypt *decrypt,
                        struct dissect_stream *stream, const struct tls_record *record);

/* After a loss: the same if it opens, else nothing. Only what is authentic is a record. */
bool tls_decrypt_guess(struct dissect_conn *conn, struct tls_decrypt *decrypt,
                       struct dissect_stream *stream, const struct tls_record *record);

/* Bytes of protected records are missing. */
void tls_decrypt_gap(struct tls_decrypt *decrypt, enum dissect_dir dir, uint64_t bytes);

#endif
