/* One command of SMTP with its reply, as it is gathered; smtp.c fills it, smtp_entry.c makes the
 * entry of it. Everything lives in the entry's arena. */
#ifndef TRAWL_DISSECT_PROTO_SMTP_CALL_H
#define TRAWL_DISSECT_PROTO_SMTP_CALL_H

#include "dissect/dissector.h"
#include "dissect/proto/gather.h"
#include "dissect/proto/smtp_line.h"

enum {
    SMTP_FROM_MAX = 1024,
    SMTP_TO_MAX = 8192, /* all recipients of a mail, as they are shown */
    SMTP_FIELD_COUNT = 5
};

/* The mail that a connection is about to send. */
struct smtp_mail {
    char from[SMTP_FROM_MAX], to[SMTP_TO_MAX];
    size_t from_len, to_len;
    unsigned recipients; /* that the server accepted */
    bool is_cut;         /* not all recipients are in `to` */
};

struct smtp_call {
    struct smtp_call *next;
    struct dissect_entry *entry;
    struct smtp_command
        command; /* verb SMTP_UNKNOWN and is_unasked: a reply that nobody asked for */
    bool is_unasked, has_gap;
    bool is_reply_lost; /* a part of it, or all */
    bool has_content;   /* DATA, BDAT: content was sent */
    bool is_cut_short;  /* it was answered, or the connection ended, before all content was there */
    unsigned replies_wanted; /* LMTP: one for each recipient; 0 counts as 1 */
    int code;                /* of several replies the highest; 0: none yet */
    struct gather content, text;
    uint64_t content_size;
};

/* What an answered command changes of the mail; *mail is made with the first MAIL. */
void smtp_mail_follow(struct arena *arena, struct smtp_mail **mail, const struct smtp_call *call);
/* NULL is fine. */
void smtp_mail_forget(struct smtp_mail *mail);

enum probe_result smtp_probe(const struct probe_input *in);
/* A late join may have taken the server for the client: 1 if so, −1 when more bytes are needed. */
int smtp_is_other_side(const struct dissect_stream *stream);

extern const struct field_def smtp_fields[SMTP_FIELD_COUNT];

/* Hands the entry over. `mail` (may be NULL): what DATA and BDAT send. `reason` NULL: the code
 * decides between ok and error. */
void smtp_emit(struct dissect_conn *conn, struct smtp_call *call, const struct smtp_mail *mail,
               const char *status, const char *reason);

#endif
