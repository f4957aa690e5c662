/* The PROXY protocol's header in front of a connection (HAProxy "The PROXY protocol", versions 1
 * and 2): a balancer names the client it speaks for. It is stepped over; what follows is found by
 * content as if it stood at the connection's beginning. No entries of its own. */
#include "dissect/dissector.h"

enum {
    V1_MAX_BYTES = 107, /* with its line end */
    V2_HEADER_BYTES = 16,
    V2_MAX_BYTES = V2_HEADER_BYTES + 4096 /* addresses and TLVs; certificates' names at most */
};

static const uint8_t v1_start[] = "PROXY ";
static const uint8_t v2_start[] = "\r\n\r\n\0\r\nQUIT\n";

enum header {
    HEADER_NONE,
    HEADER_SHORT, /* as far as it goes it is one */
    HEADER_WHOLE
};

static bool is_field(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] < 0x20 || p[i] > 0x7e)
            return false;
    return true;
}

static bool starts_with(struct slice s, const char *text)
{
    size_t n = strlen(text);
    return memcmp(s.data, text, s.len < n ? s.len : n) == 0;
}

static enum header read_v1(struct slice s, size_t *ret_bytes)
{
    struct slice rest = slice_sub(s, sizeof v1_start - 1, SIZE_MAX);
    if (!starts_with(rest, "TCP4 ") && !starts_with(rest, "TCP6 ") && !starts_with(rest, "UNKNOWN"))
        return HEADER_NONE;
    size_t shown = s.len < V1_MAX_BYTES ? s.len : V1_MAX_BYTES;
    const uint8_t *end = memchr(s.data, '\r', shown);
    size_t text = end ? (size_t)(end - s.data) : shown;
    if (!is_field(s.data, text) || (!end && shown == V1_MAX_BYTES))
        return HEADER_NONE;
    if (!end || text + 2 > s.len)
        return HEADER_SHORT;
    if (end[1] != '\n')
        return HEADER_NONE;
    *ret_bytes = text + 2;
    return HEADER_WHOLE;
}

static enum header read_v2(struct slice s, size_t *ret_bytes)
{
    if (s.len < V2_HEADER_BYTES)
        return HEADER_SHORT;
    uint8_t version = s.data[12] >> 4, command = s.data[12] & 15;
    uint8_t family = s.data[13] >> 4, protocol = s.data[13] & 15;
    if (version != 2 || command > 1 || family > 3 || protocol > 2)
        return HEADER_NONE;
    size_t bytes = V2_HEADER_BYTES + (size_t)(s.data[14] << 8 | s.data[15]);
    if (bytes > V2_MAX_BYTES)
        return HEADER_NONE;
    *ret_bytes = bytes;
    return s.len < bytes ? HEADER_SHORT : HEADER_WHOLE;
}

static enum header read_header(struct slice s, size_t *ret_bytes)
{
    size_t n1 = sizeof v1_start - 1, n2 = sizeof v2_start - 1;
    *ret_bytes = 0;
    if (s.len == 0)
        return HEADER_SHORT;
    if (memcmp(s.data, v1_start, s.len < n1 ? s.len : n1) == 0)
        return s.len < n1 ? HEADER_SHORT : read_v1(s, ret_bytes);
    if (memcmp(s.data, v2_start, s.len < n2 ? s.len : n2) == 0)
        return read_v2(s, ret_bytes);
    return HEADER_NONE;
}

static enum probe_result proxy_probe(const struct probe_input *in)
{
    size_t bytes;
    /* The header stands in front of everything, the server's greeting comes after it. */
    if (in->client.len == 0)
        return in->client_ended || in->server.len ? PROBE_NO : PROBE_MAYBE;
    switch (read_header(in->client, &bytes)) {
    case HEADER_WHOLE:
        return PROBE_YES;
    case HEADER_SHORT:
        /* A second version's fixed part is proof, however long its addresses are. */
        if (bytes)
            return PROBE_YES;
        return in->client_ended ? PROBE_NO : PROBE_MAYBE;
    case HEADER_NONE:
        break;
    }
    return PROBE_NO;
}

static enum dissect_result proxy_data(struct dissect_conn *conn, void *state,
                                      struct dissect_stream *stream)
{
    (void)state;
    size_t bytes;
    if (stream->dir == DIR_SERVER)
        return DISSECT_MORE;
    enum header header = read_header(slice_of(stream->data, stream->len), &bytes);
    if (header == HEADER_SHORT && !stream->ended)
        return DISSECT_MORE;
    if (header != HEADER_WHOLE)
        return DISSECT_NOT_MINE;
    dissect_take(conn, stream, NULL, NULL, bytes);
    dissect_switch(conn, NULL);
    return DISSECT_OK;
}

const struct dissector dissector_proxy = {.name = "proxy",
                                          .spec = "The PROXY protocol, versions 1 and 2",
                                          .transports = DISSECT_TCP,
                                          .probe = proxy_probe,
                                          .data = proxy_data};
