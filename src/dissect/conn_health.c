/* The TCP health counters as they stood when a packet came. What a connection holds back until its
 * dissector is known is shown to that one later; the counters are then those of the packet that is
 * shown again, so that a call's share does not depend on when the protocol was recognised. */
#include "dissect/conn.h"
#include "flow/flow.h"

enum {
    HEALTH_NOTES_FIRST = 8,
    HEALTH_NOTES_CAP = 512 /* later packets have the counters of when they are shown */
};

struct conn_health_note {
    uint32_t ordinal; /* of the packet's mark */
    struct flow_health_counts counts;
};

static bool grow_notes(struct dissect_conn *conn)
{
    uint32_t cap = conn->health_note_cap ? conn->health_note_cap * 4 : HEALTH_NOTES_FIRST;
    if (cap > HEALTH_NOTES_CAP)
        return false;
    struct conn_health_note *notes = arena_alloc(&conn->arena, cap * sizeof *notes);
    if (!notes)
        return false;
    if (conn->health_note_count)
        memcpy(notes, conn->health_notes, conn->health_note_count * sizeof *notes);
    conn->health_notes = notes;
    conn->health_note_cap = cap;
    return true;
}

void conn_health_note(struct dissect_conn *conn)
{
    bool may_be_shown_again = conn->mode == CONN_DETECTING ||
                              (conn->mode == CONN_DISSECTING && (!conn->proven || conn->holding));
    if (!conn->health || !may_be_shown_again) {
        conn->health_note_count = 0;
        return;
    }
    if (conn->health_note_count == conn->health_note_cap && !grow_notes(conn))
        return;
    conn->health_notes[conn->health_note_count++] =
        (struct conn_health_note){conn->next_ordinal - 1, *conn_health(conn)};
}

void conn_health_show(struct dissect_conn *conn, uint32_t ordinal)
{
    uint32_t low = 0, high = conn->health_note_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (conn->health_notes[middle].ordinal < ordinal)
            low = middle + 1;
        else
            high = middle;
    }
    bool found = low < conn->health_note_count && conn->health_notes[low].ordinal == ordinal;
    conn->health_shown = found ? &conn->health_notes[low].counts : NULL;
}

const struct flow_health_counts *conn_health(const struct dissect_conn *conn)
{
    for (const struct dissect_conn *c = conn; c; c = c->outer)
        if (c->health_shown)
            return c->health_shown;
    return conn->health;
}
