/* Detection of Redis by content, on any port, also in the middle of a connection. */
#include "dissect/proto/redis_state.h"

enum {
    LATE_MAX = 4000 /* of a connection that was joined late: where a command is looked for */
};

enum probe_result redis_command_head(struct slice s, bool ended)
{
    struct slice lines[3];
    struct slice left = s;
    int64_t n;
    if (s.len && s.data[0] != '*')
        return PROBE_NO;
    for (int i = 0; i < 3; i++) {
        const uint8_t *lf = left.len ? memchr(left.data, '\n', left.len) : NULL;
        size_t most = i == 2 ? 64 : 16;
        if (!lf)
            return left.len > most || ended ? PROBE_NO : PROBE_MAYBE;
        size_t len = (size_t)(lf - left.data) + 1;
        if (len < 3 || len > most + 2 || left.data[len - 2] != '\r')
            return PROBE_NO;
        lines[i] = slice_of(left.data, len - 2);
        left = slice_sub(left, len, SIZE_MAX);
        uint8_t type = i == 0 ? '*' : '$';
        if (i < 2 &&
            (lines[i].data[0] != type || !resp_parse_number(slice_sub(lines[i], 1, SIZE_MAX), &n) ||
             n < 1 || (i == 1 && n > 64)))
            return PROBE_NO;
    }
    if ((int64_t)lines[2].len != n)
        return PROBE_NO;
    for (size_t i = 0; i < lines[2].len; i++) {
        uint8_t c = lines[2].data[i];
        bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
        bool other = (c >= '0' && c <= '9') || byte_is_in(c, "._-|");
        if (!letter && !other)
            return PROBE_NO;
    }
    return PROBE_YES;
}

enum probe_result redis_reply_head(struct slice s)
{
    int64_t n;
    if (s.len == 0)
        return PROBE_MAYBE;
    if (!resp_is_type(s.data[0]))
        return PROBE_NO;
    const uint8_t *lf = memchr(s.data, '\n', s.len);
    if (!lf)
        return s.len < 512 ? PROBE_MAYBE : PROBE_NO;
    size_t len = (size_t)(lf - s.data);
    if (len < 2 || s.data[len - 1] != '\r')
        return PROBE_NO;
    struct slice text = slice_of(s.data + 1, len - 2);
    if (byte_is_in(s.data[0], "$*:%~>") && !resp_parse_number(text, &n))
        return PROBE_NO;
    return PROBE_YES;
}

bool redis_names_command(struct slice s)
{
    const uint8_t *dollar = memchr(s.data, '$', s.len);
    const uint8_t *lf = dollar ? memchr(dollar, '\n', s.len - (size_t)(dollar - s.data)) : NULL;
    if (!lf)
        return false;
    struct slice name = slice_sub(s, (size_t)(lf - s.data) + 1, SIZE_MAX);
    const uint8_t *cr = name.len ? memchr(name.data, '\r', name.len) : NULL;
    if (!cr || !redis_command_find(slice_of(name.data, (size_t)(cr - name.data))))
        return false;
    /* What confirms a subscription has its name and ends with a number, which no command has. */
    struct slice rest = slice_sub(name, (size_t)(cr - name.data), 256);
    const uint8_t *channel = rest.len > 2 && rest.data[2] == '$' ? rest.data : NULL;
    for (int i = 0; channel && i < 3; i++) /* the name's, the length's and the channel's end */
        channel =
            memchr(channel + (i > 0), '\n', rest.len - (size_t)(channel + (i > 0) - rest.data));
    return !channel || (size_t)(channel + 1 - rest.data) >= rest.len || channel[1] != ':';
}

/* A line of text that begins with a command and is nothing else we know. */
static bool is_inline_command(struct slice s)
{
    size_t n = 0;
    const uint8_t *lf = s.len ? memchr(s.data, '\n', s.len) : NULL;
    if (!lf)
        return false;
    size_t len = (size_t)(lf - s.data);
    while (n < len && s.data[n] > ' ')
        n++;
    for (size_t i = 0; i < len; i++)
        if (s.data[i] < ' ' && s.data[i] != '\r' && s.data[i] != '\t')
            return false;
    return redis_command_find(slice_of(s.data, n)) != NULL;
}

/* Bulk loading: all that probes are shown is lines of commands, and no other protocol's (memcached
 * has "get k" and "set k 0 0 5"), so there is no need to hear the server. */
static bool is_bulk_of_commands(struct slice s)
{
    bool sure = false;
    if (s.len < LATE_MAX)
        return false;
    for (size_t at = 0; at < s.len;) {
        struct slice line = slice_sub(s, at, SIZE_MAX);
        const uint8_t *lf = memchr(line.data, '\n', line.len);
        if (!lf)
            break;
        line.len = (size_t)(lf - line.data) + 1;
        at += line.len;
        size_t spaces = 0;
        for (size_t i = 0; i < line.len; i++)
            spaces += line.data[i] == ' ';
        if (!is_inline_command(line))
            return false;
        bool is_set = line.len > 4 && strncasecmp((const char *)line.data, "set ", 4) == 0;
        sure |= is_set ? spaces == 2 : spaces >= 2;
    }
    return sure;
}

/* What no other protocol says: an aggregate with a value in it, or an error as redis words it. */
static enum probe_result is_strong_reply(struct slice s)
{
    if (slice_starts_with(s, SLICE_LITERAL("-ERR unknown command")))
        return PROBE_YES;
    if (s.len && !byte_is_in(s.data[0], "*%~"))
        return PROBE_NO;
    enum probe_result first = redis_reply_head(s);
    if (first != PROBE_YES)
        return first;
    const uint8_t *lf = memchr(s.data, '\n', s.len);
    return redis_reply_head(slice_sub(s, (size_t)(lf - s.data) + 1, SIZE_MAX));
}

static enum probe_result probe_client(struct slice s, bool ended, struct slice server,
                                      bool server_ended)
{
    if (s.len == 0)
        return ended ? PROBE_NO : PROBE_MAYBE;
    if (s.data[0] == '*')
        return redis_command_head(s, ended);
    if ((s.data[0] | 0x20) < 'a' || (s.data[0] | 0x20) > 'z')
        return PROBE_NO;
    if (!memchr(s.data, '\n', s.len))
        return s.len > 512 || ended ? PROBE_NO : PROBE_MAYBE;
    if (is_bulk_of_commands(s))
        return PROBE_YES;
    enum probe_result reply =
        is_inline_command(s) ? redis_reply_head(server) : is_strong_reply(server);
    return reply == PROBE_MAYBE && server_ended ? PROBE_NO : reply;
}

enum probe_result redis_probe(const struct probe_input *in)
{
    enum probe_result result =
        probe_client(in->client, in->client_ended, in->server, in->server_ended);
    /* A server speaks first only to refuse. */
    if (in->client.len == 0 && in->server.len && in->server.data[0] != '-')
        result = PROBE_NO;
    if (!in->is_late_join || result == PROBE_YES)
        return result;
    /* Sides may be mixed up, and the first bytes may be the middle of something. */
    const struct slice sides[2] = {in->client, in->server};
    for (int i = 0; i < 2; i++)
        for (size_t at = 0; at < sides[i].len; at++) {
            const uint8_t *star = memchr(sides[i].data + at, '*', sides[i].len - at);
            if (!star)
                break;
            at = (size_t)(star - sides[i].data);
            struct slice found = slice_sub(sides[i], at, SIZE_MAX);
            if (redis_command_head(found, true) == PROBE_YES && redis_names_command(found))
                return PROBE_YES;
        }
    bool more = (in->client.len < LATE_MAX && !in->client_ended) ||
                (in->server.len < LATE_MAX && !in->server_ended);
    more = more && !gather_is_binary(in->client) && !gather_is_binary(in->server);
    return more ? PROBE_MAYBE : result;
}
