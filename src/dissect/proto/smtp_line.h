/* Lines of SMTP and LMTP, without connections: a command (RFC 5321, 4.1.1), a line of a reply
 * (4.2), and what a line may be when nobody knows where it stands. In: one line with its end. Out:
 * parts that point into it. Thread: any. */
#ifndef TRAWL_DISSECT_PROTO_SMTP_LINE_H
#define TRAWL_DISSECT_PROTO_SMTP_LINE_H

#include "base/slice.h"

enum smtp_verb {
    SMTP_UNKNOWN, /* what no specification names; it may be a secret that came at the wrong place */
    SMTP_EHLO,
    SMTP_HELO,
    SMTP_LHLO,
    SMTP_MAIL,
    SMTP_RCPT,
    SMTP_DATA,
    SMTP_BDAT,
    SMTP_RSET,
    SMTP_NOOP,
    SMTP_QUIT,
    SMTP_VRFY,
    SMTP_EXPN,
    SMTP_HELP,
    SMTP_AUTH,
    SMTP_STARTTLS,
    SMTP_ETRN,
    SMTP_TURN,
    SMTP_ATRN,
    SMTP_BURL,
    SMTP_XCLIENT,
    SMTP_XFORWARD,
    SMTP_VERBS
};

struct smtp_command {
    enum smtp_verb verb;
    struct slice argument; /* behind the verb, trimmed */
    struct slice path; /* MAIL, RCPT: the address without its brackets; "<>" is the null sender */
    uint64_t chunk;    /* BDAT: bytes that follow the line */
    bool has_chunk, is_last;
};

struct smtp_reply_line {
    int code;
    bool is_last;      /* "250 text", not "250-text" */
    struct slice text; /* behind the code */
};

const char *smtp_verb_name(enum smtp_verb verb);
/* Never fails: what it does not know is SMTP_UNKNOWN. */
void smtp_command_parse(struct slice line, struct smtp_command *ret);
/* False: not the line of a reply. */
bool smtp_reply_parse(struct slice line, struct smtp_reply_line *ret);
/* A line that is a command of SMTP and cannot well be anything else, nor text of a mail. */
bool smtp_is_command(struct slice line);
/* The same, and no other protocol has this command: EHLO, LHLO, MAIL FROM:, RCPT TO:, BDAT. */
bool smtp_is_own_command(struct slice line);
/* RFC 2920, 3.1: nothing is sent behind it before it was answered. */
bool smtp_ends_group(enum smtp_verb verb);

#endif
