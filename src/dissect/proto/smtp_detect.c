/* Detection of SMTP and LMTP by content, on any port, also in the middle of a connection. FTP
 * greets with 220 as well: what the client says, or the greeting's own words, decide. */
#include "dissect/proto/smtp_call.h"

enum {
    PROBE_LINE_MAX = 2048,
    OTHER_SIDE_MAX = 64 * 1024
};

static bool mentions(struct slice text, const char *word)
{
    return text.len && memmem(text.data, text.len, word, strlen(word));
}

static struct slice first_line(struct slice bytes, bool *ret_whole)
{
    const uint8_t *lf = bytes.len ? memchr(bytes.data, '\n', bytes.len) : NULL;
    *ret_whole = lf != NULL;
    return slice_of(bytes.data, lf ? (size_t)(lf - bytes.data) + 1 : bytes.len);
}

/* "250 2.1.0 Ok": no other protocol's replies look like this. */
static bool is_own_reply(struct slice line)
{
    struct smtp_reply_line reply;
    if (!smtp_reply_parse(line, &reply) || reply.text.len < 6)
        return false;
    const uint8_t *t = reply.text.data;
    return t[0] == '0' + reply.code / 100 && t[0] != '3' && t[1] == '.' && t[2] >= '0' &&
           t[2] <= '7' && t[3] == '.' && t[4] >= '0' && t[4] <= '9';
}

/* RFC 5321, 4.2: the greeting; whether it names the protocol. */
static bool is_greeting_line(struct slice line, bool *ret_named)
{
    struct smtp_reply_line reply;
    bool is_greeting = smtp_reply_parse(line, &reply) &&
                       (reply.code == 220 || reply.code == 421 || reply.code == 554);
    *ret_named = is_greeting && (mentions(reply.text, "SMTP") || mentions(reply.text, "LMTP"));
    return is_greeting;
}

static enum probe_result probe_begin(const struct probe_input *in)
{
    bool client_whole, server_whole, is_named = false;
    struct slice client = first_line(in->client, &client_whole);
    struct slice server = first_line(in->server, &server_whole);
    struct smtp_command command;
    smtp_command_parse(client, &command);
    if (server.len && (server.data[0] < '2' || server.data[0] > '5'))
        return PROBE_NO;
    if (server_whole && !is_greeting_line(server, &is_named))
        return PROBE_NO;
    if (is_named) /* whatever the client makes of it: an answer once given stays */
        return PROBE_YES;
    bool is_hello = command.verb == SMTP_EHLO || command.verb == SMTP_LHLO;
    if (client_whole && (is_hello || command.verb == SMTP_HELO) && command.argument.len &&
        (server_whole || is_hello))
        return PROBE_YES;
    if (client_whole)
        return PROBE_NO;
    static const char *const hellos[] = {"EHLO ", "HELO ", "LHLO ", "QUIT\r"};
    bool may_be = client.len == 0;
    for (size_t i = 0; i < sizeof hellos / sizeof hellos[0]; i++) {
        size_t n = client.len < 5 ? client.len : 5;
        may_be |= n && strncasecmp((const char *)client.data, hellos[i], n) == 0;
    }
    bool is_over = (in->client_ended && in->server_ended) || client.len > PROBE_LINE_MAX ||
                   server.len > PROBE_LINE_MAX || client.len + server.len == 0;
    return may_be && !is_over ? PROBE_MAYBE : PROBE_NO;
}

static enum probe_result probe_late(const struct probe_input *in)
{
    struct slice sides[2] = {in->client, in->server};
    bool may_be = false;
    for (int i = 0; i < 2; i++) {
        struct slice rest = sides[i];
        bool is_whole = true, is_first = true;
        while (rest.len && is_whole) {
            struct slice line = first_line(rest, &is_whole);
            struct smtp_reply_line reply;
            if (is_whole && (smtp_is_own_command(line) || is_own_reply(line)))
                return PROBE_YES;
            if (is_first && !is_whole)
                may_be |= line.len < 64 && byte_is_in(line.data[0], "2345EHLMRBeh");
            if (is_first)
                may_be |= smtp_reply_parse(line, &reply) || (is_whole && smtp_is_command(line));
            is_first = false;
            rest = slice_sub(rest, line.len, SIZE_MAX);
        }
    }
    bool is_over = in->client.len + in->server.len > PROBE_LINE_MAX;
    return may_be && !is_over ? PROBE_MAYBE : PROBE_NO;
}

enum probe_result smtp_probe(const struct probe_input *in)
{
    return in->is_late_join ? probe_late(in) : probe_begin(in);
}

int smtp_is_other_side(const struct dissect_stream *stream)
{
    bool is_whole;
    struct slice line = first_line(slice_of(stream->data, stream->len), &is_whole);
    struct smtp_reply_line reply;
    if (!is_whole && !stream->ended && stream->len < OTHER_SIDE_MAX)
        return -1;
    return stream->dir == DIR_CLIENT ? smtp_reply_parse(line, &reply) : smtp_is_command(line);
}
