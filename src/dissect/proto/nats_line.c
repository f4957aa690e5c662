#include "dissect/proto/nats_line.h"

enum {
    MAX_ARGUMENTS = 6
};

static const char *const names[] = {
    [NATS_UNKNOWN] = "",  [NATS_INFO] = "INFO", [NATS_CONNECT] = "CONNECT", [NATS_PUB] = "PUB",
    [NATS_HPUB] = "HPUB", [NATS_SUB] = "SUB",   [NATS_UNSUB] = "UNSUB",     [NATS_MSG] = "MSG",
    [NATS_HMSG] = "HMSG", [NATS_PING] = "PING", [NATS_PONG] = "PONG",       [NATS_OK] = "+OK",
    [NATS_ERR] = "-ERR"};

const char *nats_op_name(enum nats_op op)
{
    return names[op];
}

bool nats_is_sent_by(enum nats_op op, enum dissect_dir dir)
{
    switch (op) {
    case NATS_CONNECT:
    case NATS_PUB:
    case NATS_HPUB:
    case NATS_SUB:
    case NATS_UNSUB:
        return dir == DIR_CLIENT;
    case NATS_INFO:
    case NATS_MSG:
    case NATS_HMSG:
    case NATS_OK:
    case NATS_ERR:
        return dir == DIR_SERVER;
    case NATS_PING:
    case NATS_PONG:
        return true;
    case NATS_UNKNOWN:
        break;
    }
    return false;
}

static enum nats_op find_op(struct slice word)
{
    for (size_t i = NATS_INFO; i <= NATS_ERR; i++)
        if (slice_eq_nocase(word, slice_str(names[i])))
            return (enum nats_op)i;
    return NATS_UNKNOWN;
}

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t';
}

/* Words between spaces and tabs; −1 when there are more than `most`. */
static int split(struct slice text, struct slice *words, int most)
{
    int count = 0;
    size_t at = 0;
    for (;;) {
        while (at < text.len && is_space(text.data[at]))
            at++;
        size_t from = at;
        while (at < text.len && !is_space(text.data[at])) {
            if (text.data[at] < ' ' || text.data[at] == 0x7f)
                return -1;
            at++;
        }
        if (at == from)
            return count;
        if (count == most)
            return -1;
        words[count++] = slice_sub(text, from, at - from);
    }
}

static bool parse_size(struct slice text, uint32_t *ret_size)
{
    uint32_t v = 0;
    if (text.len == 0 || text.len > 9)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        v = v * 10 + (text.data[i] - '0');
    }
    *ret_size = v;
    return v <= NATS_PAYLOAD_MAX;
}

/* subject [sid] [reply-to] [#header bytes] #total bytes */
static bool parse_message(struct nats_line *line, bool has_sid, bool has_headers)
{
    struct slice words[MAX_ARGUMENTS];
    int count = split(line->rest, words, MAX_ARGUMENTS);
    int fixed = 2 + has_sid + has_headers;
    if (count != fixed && count != fixed + 1)
        return false;
    int at = 0;
    line->subject = words[at++];
    if (has_sid)
        line->sid = words[at++];
    if (count == fixed + 1)
        line->reply_to = words[at++];
    if (has_headers && !parse_size(words[at++], &line->header_size))
        return false;
    line->has_payload = true;
    return parse_size(words[at], &line->total_size) && line->header_size <= line->total_size;
}

static bool parse_arguments(struct nats_line *line)
{
    struct slice words[3];
    int count;
    switch (line->op) {
    case NATS_INFO:
    case NATS_CONNECT:
        return line->rest.len && line->rest.data[0] == '{';
    case NATS_PUB:
    case NATS_HPUB:
        return parse_message(line, false, line->op == NATS_HPUB);
    case NATS_MSG:
    case NATS_HMSG:
        return parse_message(line, true, line->op == NATS_HMSG);
    case NATS_SUB:
        count = split(line->rest, words, 3);
        if (count < 2)
            return false;
        line->subject = words[0];
        line->sid = words[count - 1];
        if (count == 3)
            line->queue = words[1];
        return true;
    case NATS_UNSUB:
        count = split(line->rest, words, 2);
        if (count < 1)
            return false;
        line->sid = words[0];
        return true;
    case NATS_PING:
    case NATS_PONG:
    case NATS_OK:
        return line->rest.len == 0;
    case NATS_ERR:
        return true;
    case NATS_UNKNOWN:
        break;
    }
    return false;
}

bool nats_line_parse(struct slice text, struct nats_line *ret_line)
{
    *ret_line = (struct nats_line){0};
    while (text.len && (text.data[text.len - 1] == '\n' || text.data[text.len - 1] == '\r'))
        text.len--;
    size_t n = 0;
    while (n < text.len && !is_space(text.data[n]))
        n++;
    ret_line->word = slice_sub(text, 0, n);
    ret_line->rest = slice_trim(slice_sub(text, n, SIZE_MAX));
    ret_line->op = find_op(ret_line->word);
    return ret_line->op != NATS_UNKNOWN && parse_arguments(ret_line);
}
