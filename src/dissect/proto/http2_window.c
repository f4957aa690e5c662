/* Flow control (RFC 9113 section 5.2): how long a sender could not send for want of a window. */
#include "dissect/proto/http2_state.h"

void http2_window_init(struct http2_state *state, bool known)
{
    for (int dir = 0; dir < 2; dir++)
        state->window[dir] =
            (struct http2_window){.window = HTTP2_DEFAULT_WINDOW, .initial = HTTP2_DEFAULT_WINDOW};
    state->windows_known = known;
}

void http2_window_begin(const struct http2_state *state, struct http2_stream *s)
{
    for (int dir = 0; dir < 2; dir++) {
        s->flow[dir].window = state->window[dir].initial;
        s->flow[dir].connection_mark = state->window[dir].stalled_ns;
    }
}

/* Time at zero up to now, of the connection. */
static int64_t connection_stalled(const struct http2_window *w, int64_t now_ns)
{
    return w->stalled_ns + (w->zero_since_ns ? now_ns - w->zero_since_ns : 0);
}

/* Since the stream's last DATA: both windows may have been shut at once, so the longer time counts.
 */
static int64_t waited(const struct http2_window *w, const struct http2_flow *flow, int64_t now_ns)
{
    int64_t own = flow->waited_ns + (flow->zero_since_ns ? now_ns - flow->zero_since_ns : 0);
    int64_t shared = connection_stalled(w, now_ns) - flow->connection_mark;
    return own > shared ? own : shared;
}

void http2_window_data(struct http2_state *state, enum dissect_dir dir, struct http2_stream *s,
                       uint32_t len, int64_t now_ns)
{
    struct http2_window *w = &state->window[dir];
    w->window -= len;
    if (s) {
        struct http2_flow *flow = &s->flow[dir];
        flow->stalled_ns += waited(w, flow, now_ns);
        flow->waited_ns = 0;
        flow->connection_mark = connection_stalled(w, now_ns);
        flow->window -= len;
        flow->zero_since_ns = flow->window <= 0 ? now_ns : 0;
    }
    if (w->window <= 0 && !w->zero_since_ns)
        w->zero_since_ns = now_ns;
}

static void reopen(struct http2_flow *flow, int64_t now_ns)
{
    if (flow->window <= 0 || !flow->zero_since_ns)
        return;
    flow->waited_ns += now_ns - flow->zero_since_ns;
    flow->zero_since_ns = 0;
}

void http2_window_update(struct http2_state *state, enum dissect_dir from, struct http2_stream *s,
                         uint32_t increment, int64_t now_ns)
{
    enum dissect_dir sender = from == DIR_CLIENT ? DIR_SERVER : DIR_CLIENT;
    struct http2_window *w = &state->window[sender];
    if (s) {
        s->flow[sender].window += increment;
        reopen(&s->flow[sender], now_ns);
        return;
    }
    w->window += increment;
    if (w->window > 0 && w->zero_since_ns) {
        w->stalled_ns += now_ns - w->zero_since_ns;
        w->zero_since_ns = 0;
    }
}

void http2_window_initial(struct http2_state *state, enum dissect_dir from, uint32_t size,
                          int64_t now_ns)
{
    enum dissect_dir sender = from == DIR_CLIENT ? DIR_SERVER : DIR_CLIENT;
    struct http2_window *w = &state->window[sender];
    int64_t delta = (int64_t)size - w->initial;
    if (delta == 0)
        return;
    w->initial = size;
    for (struct http2_stream *s = state->oldest; s; s = s->newer) {
        struct http2_flow *flow = &s->flow[sender];
        flow->window += delta;
        reopen(flow, now_ns);
        if (flow->window <= 0 && !flow->zero_since_ns && s->message[sender].begun)
            flow->zero_since_ns = now_ns;
    }
}

int64_t http2_window_stalled(const struct http2_state *state, const struct http2_stream *s,
                             int64_t now_ns)
{
    int64_t total = 0;
    if (!state->windows_known)
        return 0;
    for (int dir = 0; dir < 2; dir++) {
        total += s->flow[dir].stalled_ns;
        /* One that is still waiting; one that has sent all waits for nothing. */
        if (s->message[dir].begun && !s->message[dir].done && s->message[dir].body_size)
            total += waited(&state->window[dir], &s->flow[dir], now_ns);
    }
    return total;
}
