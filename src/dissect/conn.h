/* The engine's side of dissector.h: one connection (or UDP conversation) between the flow stage,
 * which brings ordered bytes, and the dissector that reads them. It holds what the dissector did
 * not consume, finds the dissector by content, and turns what it emits into entries.
 *
 * Sides are numbered as the flow stage numbers them (0, 1); which of them is the client may change
 * until the first entry is begun. Thread: owner; everything a connection touches belongs to its
 * host (one shard). */
#ifndef TRAWL_DISSECT_CONN_H
#define TRAWL_DISSECT_CONN_H

#include "dissect/conn_fields.h"
#include "dissect/dissector.h"
#include "dissect/key_store.h"

enum {
    CONN_ARENA_CAP = 4 * 1024 * 1024,
    CONN_ENTRY_CAP = 4 * 1024 * 1024,
    CONN_MAX_OPEN_ENTRIES = 1024,
    CONN_PROBE_BYTES = 4 * 1024, /* shown to probes, per side */
    CONN_DETECT_CAP = 16 * 1024, /* kept of one side while the other brings too little to decide */
    CONN_MAX_DETECTIONS = 64,    /* fresh starts of detection on one connection */
    CONN_MAX_VANTAGES = 8,
    CONN_MAX_ADDRESSES = 8,    /* the two ends' and those of three translations */
    CONN_PAYLOAD_BYTES = 1024, /* kept to show what nobody knows */
    CONN_MAX_LAYERS = 64,
    CONN_MAX_DEPTH = 4,
    CONN_ORIGIN_REFS_CAP = 64 * 1024 /* packet references of unconsumed bytes of a layer, a side */
};

struct body_tap;
struct flow_health_counts;
struct conn_health_note;

/* What all connections of one shard share. Zero-initialise, set emit, mask and capture_source. */
struct dissect_host {
    /* MUST NOT keep the entry beyond the call. */
    void (*emit)(void *ctx, const struct entry *entry);
    void *ctx;
    uint64_t mask;               /* dissectors that may be tried: bits by registry index */
    struct slice capture_source; /* static; empty: left out */
    size_t memory_bytes;         /* held by connections now */
    uint64_t entries;            /* emitted so far */
    uint64_t entries_lost;       /* for want of memory even to say that they are incomplete */
    uint64_t given_up;           /* connections (layers among them) for want of memory */
    struct dissect_entry *free_entries;
    size_t free_count;
    struct key_store *keys;         /* NULL: none */
    struct body_tap *tap;           /* NULL: none */
    uint32_t keys_visible;          /* only the first so many secrets exist yet */
    struct packet_ref *origin_refs; /* for dissect_layer_take; ENTRY_MAX_PACKETS of them */
};

void dissect_host_done(struct dissect_host *host);

struct conn_mark {
    uint64_t end; /* stream offset behind the packet's bytes */
    int64_t ts_ns;
    union {
        uint64_t block_offset;
        struct {                  /* layers */
            uint32_t sequence;    /* of the first byte of what carried these */
            uint32_t inner_bytes; /* how many they are */
        };
    };
    union {
        uint32_t file;
        struct {                     /* layers */
            uint32_t ref_count : 31; /* references in the side's ring */
            uint32_t grew : 1;       /* they are more than what carried them */
        };
    };
    uint32_t ordinal; /* order of arrival over both sides */
};

struct conn_side {
    /* Unconsumed bytes: `pending` from `start`, or, when that is empty, the packet in hand. */
    struct buf pending;
    size_t start;
    struct slice borrowed;
    uint64_t offset;    /* stream offset of the first unconsumed byte */
    uint64_t limit;     /* bytes behind this offset are not shown yet (replay after detection) */
    uint64_t retry_len; /* after MORE: not shown again below this length */
    uint32_t base_seq;  /* TCP sequence number of offset 0 */
    bool ended;         /* no more bytes will come */
    bool cut;           /* the recording or our patience ended it */
    bool end_seen;      /* the dissector was told */
    /* Before the dissector was found: what was lost or had to go, from the first of it to behind
     * the last, by ordinals. It is told in its place. */
    uint64_t lost_bytes;
    uint32_t lost_from, lost_to;
    bool broken;             /* BAD: discarded until a gap */
    struct conn_mark *marks; /* ring buffer */
    uint32_t mark_head, mark_count, mark_cap;
    struct conn_mark inline_marks[2];
    /* layers: ring buffer of the marks' packet references, in the same order */
    struct packet_ref *refs;
    uint32_t ref_head, ref_count, ref_cap;
};

enum conn_mode {
    CONN_DETECTING,
    CONN_DISSECTING,
    CONN_UNKNOWN, /* nobody's: bytes are only counted */
    CONN_CLOSED
};

struct conn_before { /* what there was of it before the window */
    bool opening, lead_in;
};

struct dissect_conn {
    struct dissect_host *host;
    struct dissect_tuple tuple;
    enum dissect_transport transport;
    uint8_t client_side; /* which side is the client: 0 or 1 */
    bool late_join;
    bool sides_fixed; /* an entry was begun */
    bool swap_wanted;
    bool holding; /* dissect_hold */
    bool release_wanted;
    bool switch_wanted;
    bool had_gap;
    bool lacks_memory;      /* given up: what is emitted from here on is incomplete */
    uint64_t failures_seen; /* memory_failures() that are not this connection's */
    bool proven;            /* the dissector in charge has consumed something */
    int switch_to;          /* registry index, or -1: detect anew */
    struct slice switch_params, params;
    uint64_t detect_from[2]; /* where the protocol in hand begins, by side */
    enum conn_mode mode;
    int dissector; /* registry index */
    void *state;
    uint64_t excluded;  /* said NOT_MINE */
    uint64_t ruled_out; /* probes that said NO, since detection began anew */
    uint64_t detected;  /* every dissector that was in charge */
    uint32_t probed[2]; /* bytes shown to the probes last */
    unsigned detections;
    uint8_t last_side; /* that brought bytes */
    uint32_t next_ordinal;
    int64_t now_ns;
    struct conn_side side[2];
    struct arena arena;
    struct dissect_entry *entries; /* open ones, newest first */
    uint32_t open_entries;
    size_t charged_bytes, uncharged_bytes;
    /* layers */
    struct dissect_conn *outer; /* NULL: not a layer */
    struct dissect_layer *layers;
    uint8_t layer_count, depth;
    bool tls;
    bool outside; /* not come into the window yet: entries are not of it */
    struct conn_before before;
    int64_t window_ns; /* something was before, and it came into the window then; else 0 */
    struct dissect_packet packet, first_packet; /* datagrams */
    struct dissect_message message;
    /* context of every entry */
    int64_t first_ns; /* of the connection's first packet: with id_hash the conn_id */
    uint64_t id_hash;
    uint32_t first_seq; /* of the first packet: where entries without bytes take their id from */
    uint8_t first_side;
    char client_ip[46], server_ip[46];
    char conn_id[ENTRY_ID_TEXT_SIZE], flow_id[ENTRY_ID_TEXT_SIZE];
    const struct flow_health_counts *health;       /* TCP; borrowed from the flow; NULL: none */
    const struct flow_health_counts *health_shown; /* of the packet that is shown again, or NULL */
    struct conn_health_note *health_notes;         /* by ordinal; in the arena */
    uint32_t health_note_count, health_note_cap;
    struct slice node;                        /* borrowed; empty: left out */
    struct slice vantages[CONN_MAX_VANTAGES]; /* borrowed */
    uint32_t vantage_count;
    /* Every address and port it was seen with: requester, responder, then translations. */
    struct slice ips[CONN_MAX_ADDRESSES];
    char more_ips[CONN_MAX_ADDRESSES - 2][46];
    int64_t ports[CONN_MAX_ADDRESSES];
    uint8_t ip_count, port_count;
    uint64_t first_number; /* of its first packet */
    /* The first bytes of the side that spoke first, once nobody knew them; owned. */
    uint8_t *payload;
    uint32_t payload_len;
    uint8_t payload_side;
};

struct conn_spec {
    enum dissect_transport transport;
    uint8_t ip_version;
    uint8_t ip[2][16]; /* by side */
    uint16_t port[2];
    uint8_t client_side;
    bool late_join;
    bool outside; /* what comes is of before the window: see dissect_conn_enter_window */
    uint32_t base_seq[2];
    int64_t first_ns;
    uint8_t first_side;
    uint64_t first_number;
    struct slice node;
};

/* NULL without memory. */
struct dissect_conn *dissect_conn_new(struct dissect_host *host, const struct conn_spec *spec);
/* Closes nothing: see dissect_conn_close. */
void dissect_conn_free(struct dissect_conn *conn);

/* Where bytes of a packet come from. */
struct conn_packet {
    struct packet_ref ref;
    uint8_t side;
    struct dissect_packet info;        /* datagrams */
    const struct dissect_span *origin; /* layers: instead of ref.file and ref.offset */
};

static inline bool conn_is_datagram(const struct dissect_conn *conn)
{
    return conn->transport != DISSECT_TCP;
}

/* The next bytes of a side's stream; borrowed for the call. */
void dissect_conn_bytes(struct dissect_conn *conn, const struct conn_packet *packet,
                        struct slice bytes);
void dissect_conn_datagram(struct dissect_conn *conn, const struct conn_packet *packet,
                           struct slice bytes);
void dissect_conn_gap(struct dissect_conn *conn, uint8_t side, uint64_t bytes);
void dissect_conn_end_side(struct dissect_conn *conn, uint8_t side);
void dissect_conn_close(struct dissect_conn *conn, enum dissect_end end);
/* What comes now is of the window. */
void dissect_conn_enter_window(struct dissect_conn *conn, int64_t at_ns, uint64_t number,
                               struct conn_before before);
/* Adds a place where its packets were seen. Text borrowed. */
void dissect_conn_vantage(struct dissect_conn *conn, struct slice name);

/* Adds an address and port that a translation showed of one of its ends. */
void dissect_conn_address(struct dissect_conn *conn, uint8_t ip_version, const uint8_t ip[16],
                          uint16_t port);

/* The stable 64-bit part of an id: protocol, addresses and ports in canonical order, direction and
 * sequence number of the first byte. */
uint64_t conn_id_hash(const struct dissect_conn *conn, const char *protocol, uint8_t side,
                      uint32_t sequence);

enum {
    CONN_RETRY_FREE_BYTES = 8 * 1024 /* below it a dissector is asked again at every packet */
};

/* An allocation failed and some of what the connection brings cannot be kept: its open entries
 * come out now and say incomplete; from here on its bytes are only counted. What a dissector makes
 * of half a state is never shown as whole. */
void dissect_conn_give_up(struct dissect_conn *conn);

/* ── between conn*.c and entry_builder.c ── */
/* Every call from outside is work of its own: what fails to be allocated during it is this
 * connection's, and not its outer one's. */
void conn_begin_work(struct dissect_conn *conn);
void conn_end_work(struct dissect_conn *conn);
/* An allocation failed during this work, or before: nothing more is to be asked of the dissector.
 */
bool conn_lacks_memory(const struct dissect_conn *conn);
/* Calls the dissector while it makes progress, this side first. */
void conn_pump(struct dissect_conn *conn, uint8_t side);
bool conn_call_side(struct dissect_conn *conn, uint8_t side, bool again);
/* Does what dissect_switch asked for. */
void conn_do_switch(struct dissect_conn *conn);
/* conn_layer.c: ends and closes all layers. */
void conn_close_layers(struct dissect_conn *conn, enum dissect_end end);
/* This side has ended and was read to its end: so have those of the layers. */
void conn_end_layers(struct dissect_conn *conn, uint8_t side);
/* conn_health.c */
/* After the latest packet was worked on: keeps its counters if it may be shown again. */
void conn_health_note(struct dissect_conn *conn);
/* Until conn->health_shown is cleared the counters are those of that packet. */
void conn_health_show(struct dissect_conn *conn, uint32_t ordinal);
/* The counters at the packet being worked on; NULL: not TCP. */
const struct flow_health_counts *conn_health(const struct dissect_conn *conn);
/* conn_bytes.c */
struct slice conn_view(const struct conn_side *side);
struct conn_mark *conn_mark_at(const struct conn_side *side, uint32_t i);
void conn_mark_add(struct dissect_conn *conn, const struct conn_packet *packet, size_t bytes);
/* The packet's bytes behind what is unconsumed; false without room. */
bool conn_join(struct dissect_conn *conn, uint8_t side, struct slice bytes);
/* Keeps for later what the packet in hand still holds; the caller's bytes go away. */
void conn_settle(struct dissect_conn *conn, uint8_t side);
/* Bytes that arrived on both sides, and what was lost among them, are shown again in order of
 * arrival. */
void conn_replay(struct dissect_conn *conn);
void conn_open(struct dissect_conn *conn, int dissector);
/* The dissector's last call; frees its state's meaning, not the arena. */
void conn_close_dissector(struct dissect_conn *conn, enum dissect_end end);
void conn_discard(struct dissect_conn *conn, uint8_t side);
/* Tries to find the dissector; `final`: no more bytes will come. True when one was opened (then
 * conn_replay), false when more bytes are needed or nobody knows it. */
bool conn_detect(struct dissect_conn *conn, bool final);
/* The same when the next bytes are missing: only who is sure now is taken. */
bool conn_detect_before_gap(struct dissect_conn *conn);
/* A fresh start of detection with the unconsumed bytes and what comes from now on. */
void conn_detect_anew(struct dissect_conn *conn);
const struct dissector *conn_dissector(const struct dissect_conn *conn);
enum dissect_dir conn_dir(const struct dissect_conn *conn, uint8_t side);
void conn_name_sides(struct dissect_conn *conn);
void conn_drop_entries(struct dissect_conn *conn);
size_t conn_entries_bytes(const struct dissect_conn *conn);

#endif
