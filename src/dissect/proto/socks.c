/* SOCKS 4, 4A and 5 in front of a connection (RFC 1928, RFC 1929; "SOCKS: A protocol for TCP proxy
 * across firewalls" and its 4A extension). The negotiation is stepped over; when the proxy grants
 * a connection, what follows is found by content as if it stood at the beginning. No entries of its
 * own: names and passwords in it are read over. UDP associations and methods that wrap the stream
 * (GSS-API) are not followed. */
#include "dissect/dissector.h"

enum {
    V4 = 4,
    V5 = 5,
    AUTH_VERSION = 1,
    COMMAND_CONNECT = 1,
    COMMAND_BIND = 2,
    COMMAND_UDP = 3,
    METHOD_NONE = 0,
    METHOD_PASSWORD = 2,
    METHOD_REFUSED = 0xff,
    ADDRESS_IPV4 = 1,
    ADDRESS_NAME = 3,
    ADDRESS_IPV6 = 4,
    V4_FIXED_BYTES = 8,
    V4_GRANTED = 0x5a,
    V4_REPLY_LAST = 0x5d,
    TEXT_MAX_BYTES = 255
};

enum step {
    STEP_BEGIN,
    STEP_METHOD,       /* the server's choice */
    STEP_PASSWORD,     /* the client's */
    STEP_PASSWORD_OK,  /* the server's answer */
    STEP_REQUEST,      /* version 5 */
    STEP_REPLY,        /* of either version */
    STEP_SECOND_REPLY, /* BIND: somebody connected */
    STEP_NOT_FOLLOWED
};

struct socks {
    uint8_t step, version, command;
};

/* A message's length once it is there. */
enum length {
    LENGTH_WRONG, /* not such a message */
    LENGTH_SHORT, /* as far as it goes it is one */
    LENGTH_KNOWN
};

/* Over a text and its NUL, from *at on. */
static enum length over_text(struct slice s, size_t *at)
{
    struct slice rest = slice_sub(s, *at, *at + TEXT_MAX_BYTES + 1);
    const uint8_t *nul = rest.len ? memchr(rest.data, 0, rest.len) : NULL;
    if (!nul)
        return rest.len > TEXT_MAX_BYTES ? LENGTH_WRONG : LENGTH_SHORT;
    *at += (size_t)(nul - rest.data) + 1;
    return LENGTH_KNOWN;
}

static enum length request_v4(struct slice s, size_t *ret_bytes)
{
    if (s.len > 1 && s.data[1] != COMMAND_CONNECT && s.data[1] != COMMAND_BIND)
        return LENGTH_WRONG;
    if (s.len < V4_FIXED_BYTES)
        return LENGTH_SHORT;
    bool has_name = s.data[4] == 0 && s.data[5] == 0 && s.data[6] == 0 && s.data[7] != 0; /* 4A */
    *ret_bytes = V4_FIXED_BYTES;
    enum length length = over_text(s, ret_bytes);
    return length == LENGTH_KNOWN && has_name ? over_text(s, ret_bytes) : length;
}

static enum length greeting_v5(struct slice s, size_t *ret_bytes)
{
    if (s.len < 2)
        return LENGTH_SHORT;
    if (s.data[1] == 0)
        return LENGTH_WRONG;
    *ret_bytes = 2U + s.data[1];
    return s.len < *ret_bytes ? LENGTH_SHORT : LENGTH_KNOWN;
}

static enum length begin(struct slice s, size_t *ret_bytes)
{
    if (s.len == 0)
        return LENGTH_SHORT;
    if (s.data[0] == V5)
        return greeting_v5(s, ret_bytes);
    return s.data[0] == V4 ? request_v4(s, ret_bytes) : LENGTH_WRONG;
}

/* Requests and replies of version 5 have one shape; `last` is the largest second octet. */
static enum length message_v5(struct slice s, uint8_t last, size_t *ret_bytes)
{
    bool wrong = (s.len > 0 && s.data[0] != V5) || (s.len > 1 && s.data[1] > last) ||
                 (s.len > 2 && s.data[2] != 0);
    if (wrong)
        return LENGTH_WRONG;
    if (s.len < 5)
        return LENGTH_SHORT;
    switch (s.data[3]) {
    case ADDRESS_IPV4:
        *ret_bytes = 4 + 4 + 2;
        break;
    case ADDRESS_IPV6:
        *ret_bytes = 4 + 16 + 2;
        break;
    case ADDRESS_NAME:
        *ret_bytes = 4 + 1U + s.data[4] + 2;
        break;
    default:
        return LENGTH_WRONG;
    }
    return s.len < *ret_bytes ? LENGTH_SHORT : LENGTH_KNOWN;
}

static enum length reply_v4(struct slice s, size_t *ret_bytes)
{
    bool wrong = (s.len > 0 && s.data[0] != 0) ||
                 (s.len > 1 && (s.data[1] < V4_GRANTED || s.data[1] > V4_REPLY_LAST));
    *ret_bytes = V4_FIXED_BYTES;
    return wrong ? LENGTH_WRONG : s.len < V4_FIXED_BYTES ? LENGTH_SHORT : LENGTH_KNOWN;
}

static enum length password(struct slice s, size_t *ret_bytes)
{
    if (s.len > 0 && s.data[0] != AUTH_VERSION)
        return LENGTH_WRONG;
    size_t name_end = s.len > 1 ? 2U + s.data[1] : SIZE_MAX;
    if (s.len <= name_end)
        return LENGTH_SHORT;
    *ret_bytes = name_end + 1 + s.data[name_end];
    return s.len < *ret_bytes ? LENGTH_SHORT : LENGTH_KNOWN;
}

/* The server takes one of the methods that were offered, or none. */
static enum length method(struct slice s, struct slice offered, size_t *ret_bytes)
{
    if (s.len > 0 && s.data[0] != V5)
        return LENGTH_WRONG;
    if (s.len < 2)
        return LENGTH_SHORT;
    *ret_bytes = 2;
    bool known = s.data[1] == METHOD_REFUSED || memchr(offered.data, s.data[1], offered.len);
    return known ? LENGTH_KNOWN : LENGTH_WRONG;
}

/* ── detection ── */

static enum probe_result socks_probe(const struct probe_input *in)
{
    size_t bytes = 0, answer_bytes = 0;
    if (in->client.len == 0)
        return in->client_ended || in->server.len ? PROBE_NO : PROBE_MAYBE;
    enum length first = begin(in->client, &bytes);
    if (first == LENGTH_WRONG)
        return PROBE_NO;
    if (first == LENGTH_SHORT)
        return in->client_ended || in->server.len ? PROBE_NO : PROBE_MAYBE;
    /* So few bytes prove nothing: the server's have to fit. */
    enum length answer = in->client.data[0] == V4
                             ? reply_v4(in->server, &answer_bytes)
                             : method(in->server, slice_sub(in->client, 2, bytes), &answer_bytes);
    if (answer == LENGTH_KNOWN)
        return PROBE_YES;
    return answer == LENGTH_WRONG || in->server_ended ? PROBE_NO : PROBE_MAYBE;
}

/* ── the negotiation ── */

/* Offered methods need not be remembered: detection compared them. */
static enum length method_taken(struct slice s, size_t *ret_bytes)
{
    *ret_bytes = 2;
    if (s.len > 0 && s.data[0] != V5)
        return LENGTH_WRONG;
    return s.len < 2 ? LENGTH_SHORT : LENGTH_KNOWN;
}

static enum length next_message(const struct socks *socks, struct slice s, size_t *ret_bytes)
{
    switch ((enum step)socks->step) {
    case STEP_BEGIN:
        return begin(s, ret_bytes);
    case STEP_METHOD:
        return method_taken(s, ret_bytes);
    case STEP_PASSWORD:
        return password(s, ret_bytes);
    case STEP_PASSWORD_OK:
        *ret_bytes = 2;
        return s.len < 2 ? LENGTH_SHORT : LENGTH_KNOWN;
    case STEP_REQUEST:
        return message_v5(s, COMMAND_UDP, ret_bytes);
    case STEP_REPLY:
    case STEP_SECOND_REPLY:
        return socks->version == V4 ? reply_v4(s, ret_bytes) : message_v5(s, 0xff, ret_bytes);
    case STEP_NOT_FOLLOWED:
        break;
    }
    return LENGTH_WRONG;
}

/* What a whole message leads to; true: what follows is the tunnelled connection. */
static bool go_on(struct socks *socks, const uint8_t *message)
{
    switch ((enum step)socks->step) {
    case STEP_BEGIN:
        socks->version = message[0];
        socks->command = message[1]; /* version 4 */
        socks->step = socks->version == V4 ? STEP_REPLY : STEP_METHOD;
        return false;
    case STEP_METHOD:
        socks->step = message[1] == METHOD_NONE       ? STEP_REQUEST
                      : message[1] == METHOD_PASSWORD ? STEP_PASSWORD
                                                      : STEP_NOT_FOLLOWED;
        return false;
    case STEP_PASSWORD:
        socks->step = STEP_PASSWORD_OK;
        return false;
    case STEP_PASSWORD_OK:
        socks->step = message[1] == 0 ? STEP_REQUEST : STEP_NOT_FOLLOWED;
        return false;
    case STEP_REQUEST:
        socks->command = message[1];
        socks->step = STEP_REPLY;
        return false;
    case STEP_REPLY:
    case STEP_SECOND_REPLY: {
        bool granted = message[1] == (socks->version == V4 ? V4_GRANTED : 0);
        if (granted && socks->step == STEP_REPLY && socks->command == COMMAND_BIND) {
            socks->step = STEP_SECOND_REPLY;
            return false;
        }
        bool is_stream = socks->command == COMMAND_CONNECT || socks->command == COMMAND_BIND;
        socks->step = STEP_NOT_FOLLOWED;
        return granted && is_stream;
    }
    case STEP_NOT_FOLLOWED:
        break;
    }
    return false;
}

static enum dissect_dir speaker(const struct socks *socks)
{
    bool server = socks->step == STEP_METHOD || socks->step == STEP_PASSWORD_OK ||
                  socks->step == STEP_REPLY || socks->step == STEP_SECOND_REPLY;
    return server ? DIR_SERVER : DIR_CLIENT;
}

static enum dissect_result socks_data(struct dissect_conn *conn, void *state,
                                      struct dissect_stream *stream)
{
    struct socks *socks = state;
    size_t bytes = 0;
    if (socks->step == STEP_NOT_FOLLOWED)
        return DISSECT_BAD;
    if (stream->dir != speaker(socks))
        return DISSECT_MORE;
    struct slice s = slice_of(stream->data, stream->len);
    enum length length = next_message(socks, s, &bytes);
    if (length == LENGTH_SHORT && !stream->ended)
        return DISSECT_MORE;
    if (length != LENGTH_KNOWN)
        return DISSECT_BAD;
    bool tunnel = go_on(socks, s.data);
    dissect_take(conn, stream, NULL, NULL, bytes);
    if (tunnel)
        dissect_switch(conn, NULL);
    return DISSECT_OK;
}

const struct dissector dissector_socks = {.name = "socks",
                                          .spec = "RFC 1928, RFC 1929; SOCKS 4 and 4A",
                                          .transports = DISSECT_TCP,
                                          .state_bytes = sizeof(struct socks),
                                          .probe = socks_probe,
                                          .data = socks_data};
