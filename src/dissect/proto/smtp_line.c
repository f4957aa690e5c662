#include "dissect/proto/smtp_line.h"

enum {
    CHUNK_DIGITS = 15 /* of BDAT: a petabyte */
};

static const char *const names[SMTP_VERBS] = {
    [SMTP_UNKNOWN] = "unknown",   [SMTP_EHLO] = "EHLO", [SMTP_HELO] = "HELO",
    [SMTP_LHLO] = "LHLO",         [SMTP_MAIL] = "MAIL", [SMTP_RCPT] = "RCPT",
    [SMTP_DATA] = "DATA",         [SMTP_BDAT] = "BDAT", [SMTP_RSET] = "RSET",
    [SMTP_NOOP] = "NOOP",         [SMTP_QUIT] = "QUIT", [SMTP_VRFY] = "VRFY",
    [SMTP_EXPN] = "EXPN",         [SMTP_HELP] = "HELP", [SMTP_AUTH] = "AUTH",
    [SMTP_STARTTLS] = "STARTTLS", [SMTP_ETRN] = "ETRN", [SMTP_TURN] = "TURN",
    [SMTP_ATRN] = "ATRN",         [SMTP_BURL] = "BURL", [SMTP_XCLIENT] = "XCLIENT",
    [SMTP_XFORWARD] = "XFORWARD",
};

const char *smtp_verb_name(enum smtp_verb verb)
{
    return names[verb];
}

static struct slice without_end(struct slice line)
{
    if (line.len && line.data[line.len - 1] == '\n')
        line.len--;
    if (line.len && line.data[line.len - 1] == '\r')
        line.len--;
    return line;
}

static struct slice word_of(struct slice text)
{
    size_t n = 0;
    while (n < text.len && text.data[n] != ' ' && text.data[n] != '\t')
        n++;
    return slice_sub(text, 0, n);
}

/* The address of "FROM:<a@b> SIZE=1"; blanks behind the colon and missing brackets are common
 * mistakes. */
static struct slice path_of(struct slice argument, struct slice word)
{
    if (!slice_eq_nocase(slice_sub(argument, 0, word.len), word))
        return SLICE_NONE;
    struct slice path = slice_trim(slice_sub(argument, word.len, SIZE_MAX));
    if (path.len == 0 || path.data[0] != '<')
        return word_of(path);
    bool is_quoted = false; /* "a>b"@c */
    for (size_t i = 1; i < path.len; i++) {
        if (path.data[i] == '"')
            is_quoted = !is_quoted;
        else if (path.data[i] == '\\')
            i++;
        else if (path.data[i] == '>' && !is_quoted)
            return i == 1 ? slice_sub(path, 0, 2) : slice_sub(path, 1, i - 1);
    }
    return slice_sub(path, 1, SIZE_MAX);
}

/* RFC 3030: BDAT SP chunk-size [SP LAST] */
static void parse_chunk(struct smtp_command *command)
{
    struct slice digits = word_of(command->argument);
    struct slice rest = slice_trim(slice_sub(command->argument, digits.len, SIZE_MAX));
    bool is_last = slice_eq_nocase(rest, SLICE_LITERAL("LAST"));
    uint64_t size = 0;
    if (digits.len == 0 || digits.len > CHUNK_DIGITS || (rest.len && !is_last))
        return;
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.data[i] < '0' || digits.data[i] > '9')
            return;
        size = size * 10 + (digits.data[i] - '0');
    }
    command->chunk = size;
    command->has_chunk = true;
    command->is_last = is_last;
}

void smtp_command_parse(struct slice line, struct smtp_command *ret)
{
    struct slice text = slice_trim(without_end(line));
    struct slice word = word_of(text);
    *ret = (struct smtp_command){.argument = slice_trim(slice_sub(text, word.len, SIZE_MAX))};
    for (int verb = SMTP_EHLO; verb < SMTP_VERBS; verb++)
        if (slice_eq_nocase(word, slice_str(names[verb])))
            ret->verb = (enum smtp_verb)verb;
    /* Exchange's own word for AUTH. */
    if (slice_eq_nocase(word, SLICE_LITERAL("X-EXPS")))
        ret->verb = SMTP_AUTH;
    if (ret->verb == SMTP_MAIL)
        ret->path = path_of(ret->argument, SLICE_LITERAL("FROM:"));
    else if (ret->verb == SMTP_RCPT)
        ret->path = path_of(ret->argument, SLICE_LITERAL("TO:"));
    else if (ret->verb == SMTP_BDAT)
        parse_chunk(ret);
}

bool smtp_reply_parse(struct slice line, struct smtp_reply_line *ret)
{
    struct slice text = without_end(line);
    if (text.len < 3 || text.data[0] < '2' || text.data[0] > '5')
        return false;
    for (size_t i = 1; i < 3; i++)
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
    uint8_t separator = text.len > 3 ? text.data[3] : ' ';
    if (separator != ' ' && separator != '-' && separator != '\t')
        return false;
    ret->code = (text.data[0] - '0') * 100 + (text.data[1] - '0') * 10 + (text.data[2] - '0');
    ret->is_last = separator != '-';
    ret->text = slice_sub(text, 4, SIZE_MAX);
    return true;
}

static bool is_word(struct slice text)
{
    return text.len > 0 && word_of(text).len == text.len;
}

bool smtp_is_own_command(struct slice line)
{
    struct smtp_command command;
    smtp_command_parse(line, &command);
    if (command.verb == SMTP_EHLO || command.verb == SMTP_LHLO)
        return is_word(command.argument);
    return command.path.len > 0 || command.has_chunk;
}

bool smtp_is_command(struct slice line)
{
    struct smtp_command command;
    smtp_command_parse(line, &command);
    enum smtp_verb verb = command.verb;
    if (smtp_is_own_command(line) || (verb == SMTP_HELO && is_word(command.argument)))
        return true;
    bool is_bare = verb == SMTP_DATA || verb == SMTP_RSET || verb == SMTP_QUIT ||
                   verb == SMTP_NOOP || verb == SMTP_STARTTLS;
    /* "Data" alone may be a line of a mail */
    return is_bare && command.argument.len == 0 && slice_ends_with(line, SLICE_LITERAL("\r\n")) &&
           slice_starts_with(line, slice_str(names[verb]));
}

bool smtp_ends_group(enum smtp_verb verb)
{
    return verb != SMTP_RSET && verb != SMTP_MAIL && verb != SMTP_RCPT && verb != SMTP_BDAT &&
           verb != SMTP_UNKNOWN;
}
