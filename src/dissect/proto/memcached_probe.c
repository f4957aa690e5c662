/* Which connections are memcached: a storage command or a binary header by itself, any other
 * command with a reply that only memcached gives. */
#include "dissect/proto/memcached_state.h"

enum {
    PROBE_LINE_MAX = 2048
};

/* The first line without its end: YES; NO: none can be; MAYBE: not there yet. */
static enum probe_result first_line(struct slice s, bool ended, struct slice *ret)
{
    const uint8_t *lf = s.len ? memchr(s.data, '\n', s.len) : NULL;
    if (!lf)
        return s.len > PROBE_LINE_MAX || ended ? PROBE_NO : PROBE_MAYBE;
    size_t n = (size_t)(lf - s.data);
    if (n == 0 || s.data[n - 1] != '\r')
        return PROBE_NO;
    *ret = slice_of(s.data, n - 1);
    return PROBE_YES;
}

static enum probe_result is_binary(struct slice s, bool ended, uint8_t magic)
{
    struct mc_header header;
    int found = mc_parse_header(s, magic, &header);
    if (found < 0)
        return ended ? PROBE_NO : PROBE_MAYBE;
    if (!found)
        return PROBE_NO;
    if (magic == MC_REQUEST_MAGIC) { /* vbucket 0 but for clusters; what sets has a key */
        static const uint8_t extras[] = {0, 8, 8, 8, 0, 20, 20};
        bool fits = header.opcode >= sizeof extras || header.extras_len == extras[header.opcode];
        bool has_key = header.opcode > 6 || header.key_len;
        return fits && has_key && header.status < 1024 ? PROBE_YES : PROBE_NO;
    }
    return header.status < 0x100 ? PROBE_YES : PROBE_NO;
}

static enum probe_result is_reply(struct slice s, bool ended)
{
    struct slice line;
    struct mc_reply reply;
    enum probe_result found = s.len ? first_line(s, ended, &line) : ended ? PROBE_NO : PROBE_MAYBE;
    if (found != PROBE_YES)
        return found;
    return mc_parse_reply(line, &reply) ? PROBE_YES : PROBE_NO;
}

static enum probe_result is_command(struct slice s, bool ended, struct slice other,
                                    bool other_ended)
{
    struct slice line;
    struct mc_command command;
    if (s.len == 0)
        return ended ? PROBE_NO : PROBE_MAYBE;
    if (s.data[0] == MC_REQUEST_MAGIC)
        return is_binary(s, ended, MC_REQUEST_MAGIC);
    if (s.data[0] < 'a' || s.data[0] > 'w')
        return PROBE_NO;
    enum probe_result found = first_line(s, ended, &line);
    if (found != PROBE_YES)
        return found;
    if (!mc_parse_command(line, &command))
        return PROBE_NO;
    if (command.is_strong)
        return PROBE_YES;

    return is_reply(other, other_ended);
}

static enum probe_result probe_datagram(struct slice s)
{
    struct cursor c = cursor_of(s.data, s.len);
    struct mc_header header;
    struct mc_command command;
    struct slice line;
    cursor_skip(&c, 2);
    unsigned number = cursor_be16(&c), count = cursor_be16(&c);
    bool is_clean = cursor_be16(&c) == 0;
    if (c.bad || number || !count || count > 1024)
        return PROBE_NO;
    struct slice body = slice_of(c.pos, cursor_left(&c));
    if (mc_parse_header(body, MC_REQUEST_MAGIC, &header) > 0)
        return header.body_len <= body.len - MC_HEADER_BYTES ? PROBE_YES : PROBE_NO;
    bool fits = first_line(body, true, &line) == PROBE_YES && mc_parse_command(line, &command);
    return fits && (is_clean || command.is_strong) ? PROBE_YES : PROBE_NO;
}

enum probe_result mc_probe(const struct probe_input *in)
{
    if (in->transport == DISSECT_UDP)
        return probe_datagram(in->client);
    if (in->client.len == 0 && in->server.len && !in->is_late_join)
        return PROBE_NO;
    enum probe_result result =
        is_command(in->client, in->client_ended, in->server, in->server_ended);
    if (!in->is_late_join || result == PROBE_YES)
        return result;
    enum probe_result swapped =
        is_command(in->server, in->server_ended, in->client, in->client_ended);
    return swapped > result ? swapped : result;
}
