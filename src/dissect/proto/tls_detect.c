/* Detection of TLS and DTLS by content, on any port, also in the middle of a connection. */
#include "dissect/proto/tls_state.h"

bool tls_is_record_header(const uint8_t *p, size_t len)
{
    if (len >= 1 && (p[0] < TLS_CHANGE_CIPHER_SPEC || p[0] > TLS_HEARTBEAT))
        return false;
    if (len >= 2 && p[1] != 3)
        return false;
    if (len >= 3 && p[2] > 4 && p[2] != 0x7f)
        return false;
    return len < 5 || ((size_t)p[3] << 8 | p[4]) <= TLS_MAX_RECORD;
}

bool tls_is_v2_hello(const uint8_t *p, size_t len)
{
    if (len < 5 || !(p[0] & 0x80) || p[2] != TLS_CLIENT_HELLO)
        return false;
    size_t total = (size_t)(p[0] & 0x7f) << 8 | p[1];
    bool version = (p[3] == 3 && p[4] <= 4) || (p[3] == 0 && p[4] == 2);
    return version && total >= 9 + 16 && total <= TLS_MAX_V2_HELLO;
}

bool tls_is_dtls_header(const uint8_t *p, size_t len)
{
    return len >= DTLS_RECORD_HEADER && p[0] >= TLS_CHANGE_CIPHER_SPEC && p[0] <= DTLS_CID &&
           ((p[1] == 0xfe && p[2] >= 0xfc) || (p[1] == 1 && p[2] == 0));
}

static enum probe_result probe_hello(struct slice s, uint8_t type, bool ended)
{
    if (s.len && (s.data[0] & 0x80) && type == TLS_CLIENT_HELLO) {
        if (s.len < 11)
            return ended ? PROBE_NO : PROBE_MAYBE;
        size_t total = (size_t)(s.data[0] & 0x7f) << 8 | s.data[1];
        size_t parts = ((size_t)s.data[5] << 8 | s.data[6]) + ((size_t)s.data[7] << 8 | s.data[8]) +
                       ((size_t)s.data[9] << 8 | s.data[10]);
        return tls_is_v2_hello(s.data, s.len) && parts + 9 == total ? PROBE_YES : PROBE_NO;
    }
    if (s.len && (s.data[0] != TLS_HANDSHAKE || !tls_is_record_header(s.data, s.len)))
        return PROBE_NO;
    if (s.len < 11)
        return ended ? PROBE_NO : PROBE_MAYBE;
    bool version = s.data[9] == 3 || (type == TLS_SERVER_HELLO && s.data[9] == 0x7f);
    return s.data[5] == type && version && s.data[6] == 0 ? PROBE_YES : PROBE_NO;
}

/* Three chained records, or as many as are there when they fill it exactly. */
static enum probe_result probe_records(struct slice s, bool ended)
{
    size_t at = 0;
    for (int n = 0; n < 3; n++) {
        if (s.len - at < TLS_RECORD_HEADER) {
            bool fits = tls_is_record_header(s.data + at, s.len - at);
            if (!fits || (ended && at == 0))
                return PROBE_NO;
            return ended && s.len == at ? PROBE_YES : PROBE_MAYBE;
        }
        const uint8_t *p = s.data + at;
        size_t len = (size_t)p[3] << 8 | p[4];
        if (!tls_is_record_header(p, s.len - at) || len == 0 || p[2] == 0 ||
            (p[0] == TLS_APPLICATION_DATA && len < 17) ||
            (p[0] == TLS_CHANGE_CIPHER_SPEC && len != 1))
            return PROBE_NO;
        if (len > s.len - at - TLS_RECORD_HEADER) /* one large record: its header is all there is */
            return n > 0 || s.len >= 1000 ? PROBE_YES : ended ? PROBE_NO : PROBE_MAYBE;
        at += TLS_RECORD_HEADER + len;
    }
    return PROBE_YES;
}

static enum probe_result probe_datagram(struct slice s)
{
    if (tls_is_quic(s))
        return PROBE_YES;
    if (!tls_is_dtls_header(s.data, s.len))
        return PROBE_NO;
    size_t len = (size_t)s.data[11] << 8 | s.data[12];
    if (len > s.len - DTLS_RECORD_HEADER)
        return PROBE_NO;
    if (s.data[0] == TLS_HANDSHAKE && s.data[3] == 0 && s.data[4] == 0)
        return len >= DTLS_MESSAGE_HEADER && s.data[13] <= TLS_CERTIFICATE ? PROBE_YES : PROBE_NO;
    return s.data[0] == TLS_APPLICATION_DATA || s.data[0] == TLS_HANDSHAKE || s.data[0] == DTLS_CID
               ? PROBE_YES
               : PROBE_NO;
}

static enum probe_result best_of(enum probe_result a, enum probe_result b)
{
    return a > b ? a : b;
}

enum probe_result tls_probe(const struct probe_input *in)
{
    if (in->transport == DISSECT_UDP)
        return probe_datagram(in->client.len ? in->client : in->server);
    enum probe_result result = probe_hello(in->client, TLS_CLIENT_HELLO, in->client_ended);
    if (in->client.len == 0 || in->is_late_join)
        result = best_of(result, in->server.len
                                     ? probe_hello(in->server, TLS_SERVER_HELLO, in->server_ended)
                                     : PROBE_NO);
    if (!in->is_late_join || result == PROBE_YES)
        return result;
    if (in->client.len)
        result = best_of(probe_hello(in->client, TLS_SERVER_HELLO, in->client_ended),
                         probe_records(in->client, in->client_ended));
    if (in->server.len && result != PROBE_YES)
        result =
            best_of(result, best_of(probe_hello(in->server, TLS_CLIENT_HELLO, in->server_ended),
                                    probe_records(in->server, in->server_ended)));
    return result;
}
