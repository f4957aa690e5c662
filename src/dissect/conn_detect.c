/* Which dissector reads a connection: content decides, ports only break ties.
 *
 * Probes see the first 4 KiB of both sides, so it does not matter who speaks first. Independent of
 * how the bytes were cut: a probe's YES and NO are final, so the winner is the best (port hint
 * first, then registry order) among those that say YES once nobody better can still change from
 * MAYBE. A decision falls at the latest when both sides have shown their 4 KiB or ended, when one
 * side alone has brought 16 KiB, or in front of a gap. Who said NO is not asked again. */
#include <stdlib.h>

#include "base/memory.h"
#include "dissect/conn.h"
#include "dissect/registry.h"

enum {
    PROBE_EVERY_BELOW = 256 /* bytes of a side: below, every packet is worth a probe */
};

static struct slice head(const struct conn_side *side)
{
    struct slice view = conn_view(side);
    if (view.len > CONN_PROBE_BYTES)
        view.len = CONN_PROBE_BYTES;
    return view;
}

static bool has_hint(const struct dissector *d, const struct dissect_tuple *t)
{
    for (const uint16_t *port = d->port_hints; port && *port; port++)
        if (*port == t->server_port || *port == t->client_port)
            return true;
    return false;
}

/* Nothing more can be shown to a probe. */
static bool is_exhausted(const struct dissect_conn *conn)
{
    const struct conn_side *a = &conn->side[0], *b = &conn->side[1];
    size_t a_len = conn_view(a).len, b_len = conn_view(b).len;
    bool a_done = a->ended || a_len >= CONN_PROBE_BYTES;
    bool b_done = b->ended || b_len >= CONN_PROBE_BYTES;
    return (a_done && b_done) || a_len >= CONN_DETECT_CAP || b_len >= CONN_DETECT_CAP;
}

/* The first bytes of all, where nothing of them was consumed. */
static void keep_payload(struct dissect_conn *conn)
{
    for (uint8_t i = 0; i < 2 && !conn->payload && !conn->outer; i++) {
        const struct conn_side *side = &conn->side[i];
        struct slice bytes = conn_view(side);
        if (bytes.len == 0 || side->offset != 0 || side->mark_count == 0 ||
            conn_mark_at(side, 0)->ordinal != 0)
            continue;
        conn->payload = malloc(CONN_PAYLOAD_BYTES);
        if (!conn->payload) {
            memory_failed();
            return;
        }
        conn->payload_side = i;
        conn->payload_len =
            bytes.len < CONN_PAYLOAD_BYTES ? (uint32_t)bytes.len : (uint32_t)CONN_PAYLOAD_BYTES;
        memcpy(conn->payload, bytes.data, conn->payload_len);
    }
}

static void give_up(struct dissect_conn *conn)
{
    keep_payload(conn);
    conn->mode = CONN_UNKNOWN;
    conn->excluded = conn->ruled_out = 0;
    conn_discard(conn, 0);
    conn_discard(conn, 1);
}

/* The winner's registry index; -1: nobody; -2: more bytes are needed. */
static int choose(struct dissect_conn *conn, bool final)
{
    const struct conn_side *client = &conn->side[conn->client_side];
    const struct conn_side *server = &conn->side[conn->client_side ^ 1];
    struct probe_input in = {.client = head(client),
                             .server = head(server),
                             .client_ended = client->ended || final,
                             .server_ended = server->ended || final,
                             .client_port = conn->tuple.client_port,
                             .server_port = conn->tuple.server_port,
                             .transport = conn->transport,
                             .is_late_join = conn->late_join || conn->had_gap ||
                                             conn->side[0].offset != conn->detect_from[0] ||
                                             conn->side[1].offset != conn->detect_from[1]};
    bool is_datagram = conn_is_datagram(conn);
    int best = -1;
    bool undecided = false;
    for (int pass = 0; pass < 2 && best < 0; pass++) {
        for (size_t i = 0; i < registry_count() && best < 0; i++) {
            const struct dissector *d = registry_at(i);
            uint64_t bit = UINT64_C(1) << i;
            bool hint = has_hint(d, &conn->tuple);
            if (hint != (pass == 0) || !(d->transports & conn->transport) ||
                !(conn->host->mask & bit) || ((conn->excluded | conn->ruled_out) & bit))
                continue;
            enum probe_result answer = d->probe(&in);
            if (answer == PROBE_YES || (answer == PROBE_MAYBE && is_datagram && hint))
                best = (int)i;
            else if (answer == PROBE_MAYBE)
                undecided = true;
            else
                conn->ruled_out |= bit;
        }
    }
    if (undecided && !final)
        return -2;
    return best;
}

/* The same bytes give the same answers, and a little more of many bytes seldom changes them. */
static bool is_worth_probing(const struct dissect_conn *conn, const uint32_t *shown)
{
    for (int i = 0; i < 2; i++) {
        uint32_t before = conn->probed[i];
        uint32_t step = before < PROBE_EVERY_BELOW ? 1 : before / 4;
        bool is_last = shown[i] == CONN_PROBE_BYTES && before < shown[i];
        if (is_last || shown[i] >= before + step)
            return true;
    }
    return false;
}

bool conn_detect_before_gap(struct dissect_conn *conn)
{
    if (conn_view(&conn->side[0]).len == 0 && conn_view(&conn->side[1]).len == 0)
        return false;
    int found = choose(conn, true);
    conn->ruled_out = 0; /* the bytes they judged go away */
    if (found >= 0)
        conn_open(conn, found);
    return conn->mode == CONN_DISSECTING;
}

bool conn_detect(struct dissect_conn *conn, bool final)
{
    if (conn_view(&conn->side[0]).len == 0 && conn_view(&conn->side[1]).len == 0)
        return false;
    bool last_chance = final || is_exhausted(conn);
    uint32_t shown[2] = {(uint32_t)head(&conn->side[0]).len, (uint32_t)head(&conn->side[1]).len};
    if (!last_chance && !is_worth_probing(conn, shown))
        return false;
    conn->probed[0] = shown[0];
    conn->probed[1] = shown[1];
    int found = choose(conn, last_chance);
    if (found == -2)
        return false;
    if (found < 0) {
        conn->detections++;
        give_up(conn);
        return false;
    }
    conn_open(conn, found);
    return conn->mode == CONN_DISSECTING;
}

void conn_detect_anew(struct dissect_conn *conn)
{
    conn->mode = CONN_DETECTING;
    conn->ruled_out = 0;
    conn->probed[0] = conn->probed[1] = 0;
    if (++conn->detections > CONN_MAX_DETECTIONS)
        give_up(conn);
}

void conn_open(struct dissect_conn *conn, int dissector)
{
    const struct dissector *d = registry_at((size_t)dissector);
    conn->dissector = dissector;
    conn->detected |= UINT64_C(1) << dissector;
    conn->state = arena_zalloc(&conn->arena, d->state_bytes);
    if (!conn->state) {
        give_up(conn);
        return;
    }
    conn->mode = CONN_DISSECTING;
    conn->proven = conn->holding = false;
    for (int i = 0; i < 2; i++) {
        conn->side[i].broken = false;
        conn->side[i].end_seen = false;
        conn->side[i].retry_len = 0;
    }
    if (d->open)
        d->open(conn, conn->state);
}

void conn_close_dissector(struct dissect_conn *conn, enum dissect_end end)
{
    conn_close_layers(conn, end);
    if (conn_dissector(conn)->close)
        conn_dissector(conn)->close(conn, conn->state, end);
    conn_drop_entries(conn);
    conn->state = NULL;
    conn->params = SLICE_NONE;
}
