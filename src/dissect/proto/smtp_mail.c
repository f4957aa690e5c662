/* The mail that a connection is about to send: sender and recipients as the server accepted them.
 */
#include "dissect/proto/smtp_call.h"

void smtp_mail_forget(struct smtp_mail *mail)
{
    if (mail)
        *mail = (struct smtp_mail){0};
}

static void add_recipient(struct smtp_mail *mail, struct slice path)
{
    size_t need = path.len + (mail->to_len ? 2 : 0);
    mail->recipients++;
    if (need > SMTP_TO_MAX - mail->to_len) {
        mail->is_cut = true;
        return;
    }
    if (mail->to_len) {
        memcpy(mail->to + mail->to_len, ", ", 2);
        mail->to_len += 2;
    }
    if (path.len)
        memcpy(mail->to + mail->to_len, path.data, path.len);
    mail->to_len += path.len;
}

void smtp_mail_follow(struct arena *arena, struct smtp_mail **mail, const struct smtp_call *call)
{
    const struct smtp_command *command = &call->command;
    bool is_accepted = call->code / 100 == 2;
    if (!*mail && command->verb == SMTP_MAIL)
        *mail = arena_zalloc(arena, sizeof **mail);
    if (!*mail)
        return;
    if (command->verb == SMTP_MAIL && is_accepted) {
        smtp_mail_forget(*mail);
        (*mail)->from_len = command->path.len < SMTP_FROM_MAX ? command->path.len : SMTP_FROM_MAX;
        if ((*mail)->from_len)
            memcpy((*mail)->from, command->path.data, (*mail)->from_len);
    } else if (command->verb == SMTP_RCPT && is_accepted) {
        add_recipient(*mail, command->path);
    } else if (command->verb == SMTP_RSET || command->verb == SMTP_EHLO ||
               command->verb == SMTP_HELO || command->verb == SMTP_LHLO ||
               (command->verb == SMTP_DATA && call->has_content) ||
               (command->verb == SMTP_BDAT && command->is_last)) {
        smtp_mail_forget(*mail);
    }
}
