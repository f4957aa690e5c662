/* Tunnels in HTTP/2 streams: CONNECT (RFC 9113 section 8.5) and WebSocket by extended CONNECT (RFC
 * 8441). The CONNECT is a call of its own and leaves when it is answered; what the stream carries
 * from then on is a connection of its own, a layer, whose dissector is ws, or found by content. */
#include "dissect/proto/http2_state.h"
#include "dissect/proto/http_websocket.h"

/* Frames are missing, so nobody knows how many bytes of a tunnel are: more than any message has
 * left. */
#define UNKNOWN_LOSS (UINT64_C(1) << 40)

struct http2_tunnel *http2_tunnel_find(const struct http2_state *state, uint32_t id)
{
    struct http2_tunnel *t = state->tunnels; /* there are no more than layers */
    while (t && t->id != id)
        t = t->next;
    return t;
}

static bool is_tunnel(const struct http2_stream *s)
{
    const struct http_message *request = &s->message[DIR_CLIENT];
    const struct http_message *response = &s->message[DIR_SERVER];
    bool is_known = s->connect_protocol.len == 0 || slice_eq_str(s->connect_protocol, "websocket");
    return is_known && slice_eq_str(request->method, "CONNECT") &&
           response->status_code / 100 == 2 && request->body_size == 0 && !request->done &&
           !request->has_gap && !s->has_reset;
}

static struct http2_tunnel *take_free(struct dissect_conn *conn, struct http2_state *state)
{
    struct http2_tunnel *t = state->free_tunnels;
    if (!t)
        return arena_zalloc(dissect_arena(conn), sizeof *t);
    state->free_tunnels = t->next;
    memset(t, 0, sizeof *t);
    return t;
}

bool http2_tunnel_begin(struct dissect_conn *conn, struct http2_state *state,
                        struct http2_stream *s)
{
    if (!is_tunnel(s))
        return false;
    struct dissect_layer_spec spec = {0};
    bool is_websocket = s->connect_protocol.len > 0;
    if (is_websocket) {
        spec.dissector = "ws";
        spec.params = http_websocket_params(dissect_entry_arena(s->entry), &s->message[DIR_CLIENT],
                                            &s->message[DIR_SERVER]);
    }
    struct http2_tunnel *t = take_free(conn, state);
    if (!t)
        return false;
    t->layer = dissect_layer_open(conn, &spec);
    t->id = s->id;
    t->is_websocket = is_websocket;
    bool is_open = t->layer != NULL;
    struct http2_tunnel **list = is_open ? &state->tunnels : &state->free_tunnels;
    t->next = *list;
    *list = t;
    if (is_open)
        http2_emit(conn, state, s, false, END_CLOSED);
    return is_open;
}

static void forget(struct http2_state *state, struct http2_tunnel *gone)
{
    struct http2_tunnel **link = &state->tunnels;
    while (*link != gone)
        link = &(*link)->next;
    *link = gone->next;
    gone->next = state->free_tunnels;
    state->free_tunnels = gone;
    for (int dir = 0; dir < 2; dir++)
        if (state->side[dir].tunnel == gone)
            state->side[dir].tunnel = NULL;
}

void http2_tunnel_end(struct http2_state *state, enum dissect_dir dir, struct http2_tunnel *t)
{
    t->ended[dir] = true;
    if (!t->ended[DIR_CLIENT] || !t->ended[DIR_SERVER]) {
        dissect_layer_end(t->layer, dir);
        return;
    }
    dissect_layer_close(t->layer, END_CLOSED);
    forget(state, t);
}

void http2_tunnel_reset(struct http2_state *state, enum dissect_dir dir, struct http2_tunnel *t)
{
    dissect_layer_close(t->layer, dir == DIR_CLIENT ? END_RESET_BY_CLIENT : END_RESET_BY_SERVER);
    forget(state, t);
}

void http2_tunnel_lose(struct http2_state *state, enum dissect_dir dir)
{
    for (struct http2_tunnel *t = state->tunnels, *next; t; t = next) {
        next = t->next;
        if (t->ended[dir])
            continue;
        dissect_layer_gap(t->layer, dir, UNKNOWN_LOSS);
        if (!t->is_websocket) { /* a length that is not known tells others nothing */
            dissect_layer_close(t->layer, END_OF_DATA);
            forget(state, t);
        }
    }
}
