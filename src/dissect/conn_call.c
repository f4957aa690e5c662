/* Calling the dissector in charge: when, with what, and what its answer means. */
#include "dissect/conn.h"
#include "dissect/registry.h"

static void swap_sides(struct dissect_conn *conn)
{
    struct dissect_tuple *t = &conn->tuple, old = *t;
    memcpy(t->client_ip, old.server_ip, sizeof t->client_ip);
    memcpy(t->server_ip, old.client_ip, sizeof t->server_ip);
    t->client_port = old.server_port;
    t->server_port = old.client_port;
    conn->client_side ^= 1;
    conn_name_sides(conn);
}

static bool wants_call(const struct conn_side *side, size_t visible)
{
    if (side->broken)
        return false;
    if (side->ended && side->limit == UINT64_MAX && !side->end_seen)
        return true;
    return visible > 0 && (visible >= side->retry_len || side->ended);
}

void conn_do_switch(struct dissect_conn *conn)
{
    conn->switch_wanted = false;
    conn_close_dissector(conn, END_CLOSED);
    conn->excluded = 0;
    /* The new protocol begins here, whatever came before it. */
    conn->late_join = conn->had_gap = false;
    for (int i = 0; i < 2; i++) {
        conn->detect_from[i] = conn->side[i].offset;
        conn->side[i].lost_bytes = 0;
    }
    conn->params = conn->switch_params;
    if (conn->switch_to >= 0 && conn->detections++ < CONN_MAX_DETECTIONS)
        conn_open(conn, conn->switch_to);
    else
        conn_detect_anew(conn);
}

static void not_mine(struct dissect_conn *conn, uint8_t index)
{
    if (conn_is_datagram(conn) && conn->proven) {
        conn_discard(conn, index); /* a stray datagram says nothing of the others */
        return;
    }
    conn->excluded |= UINT64_C(1) << conn->dissector;
    conn_close_dissector(conn, END_CLOSED);
    conn_detect_anew(conn);
}

/* One call. True when it made progress. */
static bool call_once(struct dissect_conn *conn, uint8_t index)
{
    struct conn_side *side = &conn->side[index];
    struct slice view = conn_view(side);
    if (!wants_call(side, view.len))
        return false;
    if (view.len > DISSECT_PENDING_CAP)
        view.len = DISSECT_PENDING_CAP;
    bool ended = side->ended && side->limit == UINT64_MAX;
    struct dissect_stream stream = {.dir = conn_dir(conn, index),
                                    .data = view.data ? view.data : (const uint8_t *)"",
                                    .len = view.len,
                                    .offset = side->offset,
                                    .ended = ended || conn_is_datagram(conn),
                                    .cut = side->cut,
                                    .is_datagram = conn_is_datagram(conn)};
    side->end_seen |= ended;
    uint64_t before = side->offset;
    enum dissect_result result = conn_dissector(conn)->data(conn, conn->state, &stream);
    if (conn_lacks_memory(conn))
        return false;
    if (conn->swap_wanted) {
        conn->swap_wanted = false;
        swap_sides(conn);
        if (!conn->release_wanted)
            return true;
    }
    if (conn->release_wanted) {
        conn->release_wanted = false;
        conn_replay(conn);
        return false;
    }
    bool progress = side->offset != before;
    if (progress)
        side->retry_len = 0;
    if (result == DISSECT_NOT_MINE) {
        not_mine(conn, index);
        return false;
    }
    conn->proven |= progress;
    if (conn->switch_wanted) {
        conn_do_switch(conn);
        return conn->mode == CONN_DISSECTING;
    }
    bool stuck = result == DISSECT_MORE && view.len == DISSECT_PENDING_CAP && !progress;
    if (result == DISSECT_BAD || stuck || (result == DISSECT_OK && !progress && view.len)) {
        side->broken = true;
        conn_discard(conn, index);
        return progress;
    }
    if (result == DISSECT_MORE) {
        size_t left = conn_view(side).len;
        side->retry_len = left < CONN_RETRY_FREE_BYTES ? left + 1 : left + left / 8;
    }
    return progress && result == DISSECT_OK;
}

/* MORE was answered with what is there; the other side's progress may change the answer. */
bool conn_call_side(struct dissect_conn *conn, uint8_t index, bool again)
{
    if (again)
        conn->side[index].retry_len = 0;
    uint64_t before = conn->side[index].offset;
    while (conn->mode == CONN_DISSECTING && !conn_lacks_memory(conn) && call_once(conn, index))
        ;
    return conn->side[index].offset != before;
}

void conn_pump(struct dissect_conn *conn, uint8_t index)
{
    bool progress = conn_call_side(conn, index, false);
    while (conn->mode == CONN_DISSECTING && progress) {
        index ^= 1;
        progress = conn_view(&conn->side[index]).len > 0 && conn_call_side(conn, index, true);
    }
}

/* The oldest mark of a side that arrived at or after `ordinal`, or NULL. */
static const struct conn_mark *mark_from(const struct conn_side *side, uint32_t ordinal)
{
    uint32_t low = 0, high = side->mark_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (conn_mark_at(side, middle)->ordinal < ordinal)
            low = middle + 1;
        else
            high = middle;
    }
    return low < side->mark_count ? conn_mark_at(side, low) : NULL;
}

static void tell_loss(struct dissect_conn *conn, uint8_t index, uint64_t bytes)
{
    if (conn_dissector(conn)->gap)
        conn_dissector(conn)->gap(conn, conn->state, conn_dir(conn, index), bytes);
    if (conn->switch_wanted && !conn_lacks_memory(conn))
        conn_do_switch(conn);
}

/* What was lost before anybody knew whose bytes they are, as far as it stands before the bytes with
 * this ordinal. Between its first and its last byte something is missing wherever the other side
 * said something. */
static void tell_losses(struct dissect_conn *conn, uint32_t ordinal)
{
    for (uint8_t i = 0; i < 2 && conn->mode == CONN_DISSECTING; i++) {
        struct conn_side *side = &conn->side[i];
        if (!side->lost_bytes || side->lost_from > ordinal)
            continue;
        uint64_t bytes = side->lost_to > ordinal ? 1 : side->lost_bytes;
        if (side->lost_to <= ordinal || side->lost_bytes > 1)
            side->lost_bytes -= bytes;
        tell_loss(conn, i, bytes);
    }
}

void conn_replay(struct dissect_conn *conn)
{
    struct conn_side *sides = conn->side;
    int64_t now_ns = conn->now_ns;
    uint32_t next = 0;
    for (int i = 0; i < 2; i++) {
        sides[i].limit = sides[i].offset;
        sides[i].retry_len = 0;
    }
    while (conn->mode == CONN_DISSECTING) {
        const struct conn_mark *mark[2] = {mark_from(&sides[0], next), mark_from(&sides[1], next)};
        if (!mark[0] && !mark[1])
            break;
        uint8_t i = !mark[0] || (mark[1] && mark[1]->ordinal < mark[0]->ordinal);
        next = mark[i]->ordinal + 1;
        tell_losses(conn, mark[i]->ordinal);
        sides[i].limit = mark[i]->end;
        conn->now_ns = mark[i]->ts_ns;
        conn_health_show(conn, mark[i]->ordinal);
        conn_pump(conn, i);
    }
    conn->health_shown = NULL;
    conn->now_ns = now_ns;
    tell_losses(conn, UINT32_MAX);
    sides[0].limit = sides[1].limit = UINT64_MAX;
    for (uint8_t i = 0; i < 2 && conn->mode == CONN_DISSECTING; i++)
        conn_pump(conn, i);
}
