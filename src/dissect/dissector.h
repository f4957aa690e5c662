/* What a protocol dissector sees of the world. proto/<name>.c may include only base/ and this
 * header.
 *
 * In: the ordered bytes of one connection (TCP) or its datagrams (UDP), a direction at a time. Out:
 * entries. Who owns what: the engine owns the connection, the streams and every entry until it is
 * emitted; a dissector's own state lives in the connection's arena (capped, freed with the
 * connection), so a dissector never frees anything. Thread: one connection is always served by one
 * thread; dissectors have no global mutable state.
 *
 * Want of memory: any call that gives memory may fail; do what is simplest. The engine notices
 * (base/memory.h), takes the connection away from the dissector, and every entry that was open or
 * is emitted from then on says incomplete. Who allocates past arena and buf (a library's context)
 * MUST say memory_failed() when that fails.
 *
 * Split invariance is the engine's promise as long as the dissector keeps this rule: what it does
 * may depend only on the bytes of the stream and on what it consumed, never on how many bytes
 * happen to be there. So: return DISSECT_MORE until a decision is certain, then consume; consume
 * bodies as they come.
 */
#ifndef TRAWL_DISSECT_DISSECTOR_H
#define TRAWL_DISSECT_DISSECTOR_H

#include "base/arena.h"
#include "base/cursor.h"
#include "dissect/entry.h"

enum dissect_dir {
    DIR_CLIENT, /* from the requester */
    DIR_SERVER  /* from the responder */
};

enum dissect_result {
    DISSECT_OK,       /* something was consumed; call again while bytes are left */
    DISSECT_MORE,     /* not enough bytes for a decision; nothing consumed since the last OK */
    DISSECT_NOT_MINE, /* wrong protocol: the engine tries others, entries already emitted stay */
    DISSECT_BAD /* mine, but broken: the rest of this direction is not read (a gap or resync may
                   revive it) */
};

enum probe_result {
    PROBE_NO,
    PROBE_MAYBE, /* needs more bytes of either side */
    PROBE_YES
};

enum dissect_transport {
    DISSECT_TCP = 1,
    DISSECT_UDP = 2,
    DISSECT_ICMP = 4,         /* datagrams: ICMP and ICMPv6 messages from their type on */
    DISSECT_SCTP = 8,         /* datagrams: whole user messages (RFC 9260) of one association */
    DISSECT_SCTP_PACKETS = 16 /* datagrams: the chunks of SCTP packets; for proto/sctp.c, which
                                 feeds DISSECT_SCTP layers */
};

/* Unconsumed, contiguous bytes of one direction. A datagram is a whole stream of its own: what is
 * not consumed is dropped. */
struct dissect_stream {
    enum dissect_dir dir;
    const uint8_t *data; /* borrowed until the callback returns or bytes are consumed */
    size_t len;
    uint64_t offset; /* of data[0] since the start of the direction */
    bool ended;      /* no more bytes will come (FIN, RST or end of the data) */
    bool cut;        /* ended, but not by a peer: the recording or our patience ended */
    bool is_datagram;
};

/* Bytes and times of one message as it is gathered. Zero-initialise, then fill with dissect_take.
 */
struct dissect_span {
    int64_t first_ns, last_ns; /* times of the packets that brought the first and the last byte; 0 =
                                  nothing yet */
    uint64_t first_offset;     /* stream offset of the first byte */
    uint32_t first_sequence;   /* TCP sequence number of the first byte (UDP: stands in for one) */
    uint64_t bytes;
    uint64_t gap_bytes;      /* missing inside */
    struct packet_ref *refs; /* in the message's arena, at most ENTRY_MAX_PACKETS */
    uint32_t ref_count, ref_cap;
    bool refs_truncated;
};

struct dissect_conn; /* opaque: the engine's connection */

struct dissect_tuple {
    uint8_t ip_version; /* 4 or 6 */
    uint8_t client_ip[16], server_ip[16];
    uint16_t client_port, server_port;
};

/* What the headers around a datagram say; all zero on TCP. */
struct dissect_packet {
    uint32_t length;   /* UDP: its length field; SCTP, ICMP: bytes of the packet behind IP */
    uint32_t checksum; /* UDP, SCTP: as on the wire */
    uint32_t tag;      /* SCTP: verification tag */
    bool is_cut;       /* the recorder kept only its beginning */
};

/* How a user message came (DISSECT_SCTP). */
struct dissect_message {
    uint32_t ppid; /* payload protocol identifier, host order */
    uint16_t stream;
};

struct probe_input {
    struct slice client,
        server; /* first bytes of each side as far as they are there (at most 4 KiB) */
    bool client_ended, server_ended;
    uint16_t client_port, server_port; /* a hint, never proof */
    enum dissect_transport transport;
    bool is_late_join; /* the beginning of the connection was not recorded */
};

enum {
    DISSECT_PENDING_CAP = 512 * 1024
};

enum dissect_end {
    END_CLOSED, /* FIN of both sides */
    END_RESET_BY_CLIENT,
    END_RESET_BY_SERVER,
    END_TIMEOUT, /* idle too long: datagrams know no other end */
    END_OF_DATA  /* the capture ends: what is open is `open` or window_end */
};

/* The status_reason (formats.md) of what that end cut off; NULL for END_OF_DATA. */
static inline const char *dissect_end_reason(enum dissect_end end)
{
    switch (end) {
    case END_CLOSED:
        return "closed";
    case END_RESET_BY_CLIENT:
        return "client_cancel";
    case END_RESET_BY_SERVER:
        return "server_reset";
    case END_TIMEOUT:
        return "timeout";
    case END_OF_DATA:
        break;
    }
    return NULL;
}

struct dissector {
    const char *name;    /* "dns": the value of `protocol` unless an entry says otherwise, and its
                            presence flag */
    const char *spec;    /* "RFC 1035, RFC 6891" */
    unsigned transports; /* DISSECT_TCP | DISSECT_UDP … */
    const uint16_t *port_hints; /* ends with 0; only breaks ties */
    const struct field_def
        *fields; /* own rows; the index in this array is the `field` of entry_set_* */
    size_t field_count;
    /* Further protocol names its entries may carry (e.g. http: "grpc"); each becomes a flag. Ends
     * with NULL; may be NULL. */
    const char *const *more_protocols;
    size_t state_bytes; /* zeroed and handed to every callback */

    /* MUST look at content; MUST answer the same for the same bytes. May be called again with more
     * bytes after MAYBE. */
    enum probe_result (*probe)(const struct probe_input *in);
    /* MAY be NULL. After a successful probe or a switch, before any data. */
    void (*open)(struct dissect_conn *conn, void *state);
    /* MUST consume with dissect_take (span NULL: bytes of no message) when it returns OK. Called
     * whenever a direction has new bytes or ended, and again for the other direction, if that one
     * holds unconsumed bytes, after this one consumed something: so a dissector may return MORE to
     * wait for the other side (an Upgrade waits for its 101). A direction that returned MORE may
     * pile up at most DISSECT_PENDING_CAP bytes; beyond that it counts as DISSECT_BAD. */
    enum dissect_result (*data)(struct dissect_conn *conn, void *state,
                                struct dissect_stream *stream);
    /* MAY be NULL (then: DISSECT_BAD for that direction until resync). `bytes` are missing at the
     * front of this direction; unconsumed bytes before the gap have been dropped and are counted in
     * `bytes` too. */
    void (*gap)(struct dissect_conn *conn, void *state, enum dissect_dir dir, uint64_t bytes);
    /* MAY be NULL. The last call: emit what is half done (status no_response, open, incomplete …).
     */
    void (*close)(struct dissect_conn *conn, void *state, enum dissect_end end);
};

/* ── connection ── */
const struct dissect_tuple *dissect_tuple(const struct dissect_conn *conn);
bool dissect_is_late_join(const struct dissect_conn *conn);
/* What it reads was decrypted. */
bool dissect_is_tls(const struct dissect_conn *conn);
/* Lives as long as the connection; at most 4 MiB. */
struct arena *dissect_arena(struct dissect_conn *conn);
/* Late joins: content shows who is the client; swaps the sides (allowed before the first entry is
 * begun; else ignored). The callback MUST return DISSECT_OK at once without consuming; it is called
 * again with the right directions. */
void dissect_swap_sides(struct dissect_conn *conn);
/* Late joins where it may take long until content shows who is the client. From open() on: what is
 * not consumed is kept to be shown again, and no entry is begun. False: the sides are certain, or
 * cannot be changed any more. */
bool dissect_hold(struct dissect_conn *conn);
/* Ends the hold, `swap` as dissect_swap_sides. The callback MUST return DISSECT_OK at once; what
 * neither direction consumed is then shown again, in the order in which it arrived. */
void dissect_release(struct dissect_conn *conn, bool swap);
/* From the next byte on, another dissector reads both directions (Upgrade, CONNECT, STARTTLS).
 * NULL (or a dissector that is switched off): detect anew by content. What was
 * consumed stays consumed, and the new dissector is no late join. */
void dissect_switch(struct dissect_conn *conn, const char *dissector_name);
/* The same, and the next dissector reads `params` with dissect_params (its open may already): the
 * negotiated permessage-deflate of a WebSocket, the request that was upgraded to h2c. Copied. */
void dissect_switch_with(struct dissect_conn *conn, const char *dissector_name,
                         struct slice params);
/* What the switch or the layer that opened this dissector said; empty when it was found by content.
 * Valid until the dissector is closed. */
struct slice dissect_params(const struct dissect_conn *conn);
/* The time of the packet that is being worked on. */
int64_t dissect_now_ns(const struct dissect_conn *conn);
/* Datagrams: of the one in hand. */
const struct dissect_packet *dissect_packet(const struct dissect_conn *conn);
/* DISSECT_SCTP: of the message in hand. */
const struct dissect_message *dissect_message(const struct dissect_conn *conn);
/* A TLS secret from the key logs and decryption secrets known so far: `label` as in the NSS key log
 * ("CLIENT_RANDOM", "SERVER_TRAFFIC_SECRET_0"). True with *ret_secret borrowed until the callback
 * returns. The answer may turn from no to yes as further secrets are read. */
bool dissect_secret(const struct dissect_conn *conn, const char *label, struct slice client_random,
                    struct slice *ret_secret);

/* ── streams ── */
/* Consumes n bytes (n ≤ stream->len) as part of a message; stream->data/len/offset move on. span
 * may be NULL. */
void dissect_take(struct dissect_conn *conn, struct dissect_stream *stream, struct arena *arena,
                  struct dissect_span *span, size_t n);

/* How many of the unconsumed bytes came before `ns`: what was said before a question does not
 * answer it. */
size_t dissect_bytes_before(struct dissect_conn *conn, const struct dissect_stream *stream,
                            int64_t ns);

/* ── layers ──
 * A dissector that unwraps (TLS decryption, MySQL compression, SOCKS, PROXY protocol) feeds what is
 * inside to a layer: a connection of its own with the same addresses, ids and times, whose
 * dissector is found by content or named. Each byte is charged to the packets that carried it. Its
 * entries come out as any others, in the order in which they are complete; with `tls` they say so.
 *
 * Split invariance: what is fed may depend only on bytes, not on how they were cut (the pieces of
 * it may). The engine owns layers: when the dissector is closed or replaced its layers were ended
 * and closed before its close() is called. An end of a direction of the outer connection ends that
 * direction of its layers once everything in it is consumed. At most 64 layers a connection, 4
 * deep. */
struct dissect_layer;

struct dissect_layer_spec {
    const char *dissector;            /* NULL: by content */
    struct slice params;              /* for dissect_params; copied */
    enum dissect_transport transport; /* 0: that of the outer connection */
    bool tls;                         /* what is inside was decrypted */
    bool late_join;                   /* its beginning is missing */
};

/* NULL at a limit or without memory. MAY be called from open() and data() on. */
struct dissect_layer *dissect_layer_open(struct dissect_conn *conn,
                                         const struct dissect_layer_spec *spec);
/* Consumes n bytes of the outer stream (a record with its header and trailer) that carried `inner`
 * (which may lie inside the stream's own bytes, or be empty). Borrowed for the call. */
void dissect_layer_take(struct dissect_layer *layer, struct dissect_stream *stream, size_t n,
                        struct slice inner);
/* The same for bytes that were consumed before, into `origin`. Datagram layers: one message. */
void dissect_layer_data(struct dissect_layer *layer, enum dissect_dir dir,
                        const struct dissect_span *origin, struct slice inner);
/* dissect_layer_data for DISSECT_SCTP layers. */
void dissect_layer_message(struct dissect_layer *layer, enum dissect_dir dir,
                           const struct dissect_span *origin, const struct dissect_message *message,
                           struct slice inner);
/* At least `bytes` (> 0) of the inner stream are missing. */
void dissect_layer_gap(struct dissect_layer *layer, enum dissect_dir dir, uint64_t bytes);
/* No more bytes will come in this direction. */
void dissect_layer_end(struct dissect_layer *layer, enum dissect_dir dir);
/* Ends both directions; the layer is gone. NULL is fine. */
void dissect_layer_close(struct dissect_layer *layer, enum dissect_end end);

/* ── entries ──
 * An entry is begun when its request (or a lone response) begins and owns an arena (capped at 4
 * MiB) for all it needs; setters copy nothing: text MUST live in that arena, in the connection's,
 * or be static. Emitting or dropping frees it. */
struct dissect_entry;

/* NULL when the limit of open entries of the connection (1,024) or memory is reached. */
struct dissect_entry *dissect_entry_begin(struct dissect_conn *conn);
struct arena *dissect_entry_arena(struct dissect_entry *entry);
struct dissect_span *dissect_entry_request(struct dissect_entry *entry);
struct dissect_span *dissect_entry_response(struct dissect_entry *entry);
/* Another protocol name than the dissector's (one of more_protocols). Static text. */
void dissect_entry_protocol(struct dissect_entry *entry, const char *protocol);

/* `field`: a common one (FIELD_…_ID), or OWN_FIELD(i) for row i of the dissector's table. Setting
 * again replaces. */
#define OWN_FIELD(i) ((unsigned)(i) | 0x8000u)
void dissect_set_bool(struct dissect_entry *entry, unsigned field, bool v);
/* FIELD_TIME and FIELD_DURATION too: nanoseconds. */
void dissect_set_int(struct dissect_entry *entry, unsigned field, int64_t v);
void dissect_set_text(struct dissect_entry *entry, unsigned field, struct slice text);
void dissect_set_str(struct dissect_entry *entry, unsigned field, const char *text);
void dissect_set_list(struct dissect_entry *entry, unsigned field, const struct slice *items,
                      size_t count);
void dissect_set_int_list(struct dissect_entry *entry, unsigned field, const int64_t *items,
                          size_t count);
void dissect_set_map(struct dissect_entry *entry, unsigned field, const struct entry_pair *pairs,
                     size_t count);
/* The requester of this entry is the connection's server side (DNS NOTIFY, peers that both ask):
 * src and dst change places; its request span then came from DIR_SERVER. */
void dissect_entry_reverse(struct dissect_entry *entry);
/* status and, when not NULL, status_reason (formats.md); window_start, window_end and capture_gap
 * also set `incomplete`. */
void dissect_set_status(struct dissect_entry *entry, const char *status, const char *reason);

/* Fills timestamp, elapsed_time, time_to_response_us, addresses, ids, sizes, gap_bytes and packets
 * from the two spans, then hands the entry over and frees it. */
void dissect_entry_emit(struct dissect_conn *conn, struct dissect_entry *entry);
void dissect_entry_drop(struct dissect_conn *conn, struct dissect_entry *entry);

/* ── bodies ── content decoding shared by protocols (gzip, deflate, br, zstd), caps of
 * dissection.md */
enum {
    DISSECT_HEADER_CAP = 256 * 1024,
    DISSECT_MAX_HEADERS = 1000,
    DISSECT_BODY_CAP = 1024 * 1024,
    DISSECT_DECODE_CAP = 16 * 1024 * 1024,
    DISSECT_DECODE_RATIO = 200
};
/* Decodes `encoded` (a content-encoding value, e.g. "gzip", "br", "gzip, br") into the arena,
 * keeping at most DISSECT_BODY_CAP. 0, -ENOTSUP for an unknown coding, -EBADMSG for damage
 * (*ret_body then holds what could be decoded), *ret_truncated when a cap was hit. */
int dissect_decode_body(struct arena *arena, struct slice encoding, struct slice encoded,
                        struct slice *ret_body, bool *ret_truncated);

/* A piece of a body as it comes, without framing, before anything is kept or cut: for whoever wants
 * one body whole (dissect/body_tap.h). Nearly always nobody does. */
void dissect_body_piece(struct dissect_conn *conn, struct dissect_entry *entry, bool of_request,
                        struct slice piece);

#endif
