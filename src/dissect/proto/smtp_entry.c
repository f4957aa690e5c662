/* From an SMTP command and its reply to the fields of its entry (filter.md, row SMTP). What AUTH
 * carries behind its mechanism, and lines that are no known command (they may be a password at the
 * wrong place), are never shown. */
#include "dissect/proto/smtp_call.h"

enum {
    SUMMARY_TEXT_MAX = 160
};

enum smtp_field {
    COMMAND,
    FROM,
    TO,
    CODE,
    ENHANCED,
    FIELDS
};
_Static_assert(FIELDS == (int)SMTP_FIELD_COUNT, "the table is as long as its enum");

const struct field_def smtp_fields[SMTP_FIELD_COUNT] = {
    [COMMAND] = {"smtp_command", FIELD_TEXT, 0, 0,
                 "command: EHLO, MAIL, RCPT, DATA, AUTH … (absent: a greeting or unasked reply)",
                 "smtp_command == \"RCPT\""},
    [FROM] = {"smtp_from", FIELD_TEXT, 0, 0,
              "sender of MAIL, and of the mail that DATA or BDAT sends; <> is the null sender",
              "smtp_from == \"alice@example.com\""},
    [TO] = {"smtp_to", FIELD_TEXT, 0, 0,
            "recipient of RCPT; of DATA and BDAT all that were accepted, with \", \" between them",
            "smtp_to.contains(\"@example.com\")"},
    [CODE] = {"smtp_code", FIELD_INT, 0, 0, "code of the reply", "smtp_code >= 400"},
    [ENHANCED] = {"smtp_enhanced_code", FIELD_TEXT, 0, 0,
                  "enhanced status code of the reply (RFC 3463)",
                  "smtp_enhanced_code == \"5.7.1\""},
};

static struct slice one_line(struct arena *arena, struct slice text)
{
    size_t n = text.len < SUMMARY_TEXT_MAX ? text.len : SUMMARY_TEXT_MAX;
    while (n && n < text.len && (text.data[n] & 0xc0) == 0x80)
        n--;
    uint8_t *out = arena_alloc(arena, n + 4);
    if (!out)
        return SLICE_NONE;
    for (size_t i = 0; i < n; i++)
        out[i] = text.data[i] < ' ' || text.data[i] == 0x7f ? ' ' : text.data[i];
    if (n < text.len) {
        memcpy(out + n, "…", sizeof "…" - 1);
        n += sizeof "…" - 1;
    }
    return slice_of(out, n);
}

static struct slice first_word(struct slice text)
{
    size_t n = 0;
    while (n < text.len && text.data[n] != ' ')
        n++;
    return slice_sub(text, 0, n);
}

/* "2.1.0 Ok": class "." subject "." detail (RFC 3463, 2); its class is that of the code. */
static struct slice enhanced_code(struct slice text, int code)
{
    size_t i = 0, n = 0;
    while (n < text.len && n < 10 && text.data[n] != ' ' && text.data[n] != '\n')
        n++;
    for (int part = 0; part < 3; part++) {
        size_t start = i;
        while (i < n && text.data[i] >= '0' && text.data[i] <= '9' && i - start < 4)
            i++;
        size_t digits = i - start;
        if (digits == 0 || digits > 3 ||
            (part == 0 && (digits > 1 || text.data[0] - '0' != code / 100)))
            return SLICE_NONE;
        if (part < 2 && (i >= n || text.data[i++] != '.'))
            return SLICE_NONE;
    }
    return i == n ? slice_sub(text, 0, n) : SLICE_NONE;
}

static bool carries_mail(const struct smtp_call *call)
{
    return call->command.verb == SMTP_DATA || call->command.verb == SMTP_BDAT;
}

static struct slice describe(struct smtp_call *call)
{
    struct arena *arena = dissect_entry_arena(call->entry);
    const struct smtp_command *command = &call->command;
    const char *name = smtp_verb_name(command->verb);
    if (call->is_unasked)
        return SLICE_NONE;
    if (command->verb == SMTP_UNKNOWN)
        return SLICE_LITERAL("unknown command");
    if (carries_mail(call) && (call->has_content || command->has_chunk))
        return arena_printf(arena, "%s (%llu bytes%s)", name,
                            (unsigned long long)call->content_size,
                            command->is_last ? ", last" : "");
    struct slice what = command->argument;
    if (command->verb == SMTP_AUTH) /* only the mechanism */
        what = first_word(what);
    what = one_line(arena, what);
    return arena_printf(arena, "%s%s%.*s", name, what.len ? " " : "", SLICE_ARGS(what));
}

static void set_content(struct smtp_call *call)
{
    struct dissect_entry *entry = call->entry;
    struct slice content = gather_slice(&call->content);
    dissect_set_int(entry, FIELD_REQUEST_BODY_SIZE_ID,
                    (int64_t)(call->content_size < INT64_MAX ? call->content_size : INT64_MAX));
    if (content.len)
        dissect_set_text(entry, FIELD_REQUEST_BODY_ID, content);
    if (call->content.cut || call->is_cut_short) {
        dissect_set_bool(entry, FIELD_REQUEST_TRUNCATED_ID, true);
        dissect_set_bool(entry, FIELD_TRUNCATED_ID, true);
    }
}

static void set_addresses(struct smtp_call *call, const struct smtp_mail *mail)
{
    struct dissect_entry *entry = call->entry;
    struct arena *arena = dissect_entry_arena(entry);
    const struct smtp_command *command = &call->command;
    if (command->path.len)
        dissect_set_text(entry, OWN_FIELD(command->verb == SMTP_MAIL ? FROM : TO), command->path);
    if (!mail || !carries_mail(call))
        return;
    if (mail->from_len)
        dissect_set_text(entry, OWN_FIELD(FROM),
                         arena_dup(arena, slice_of(mail->from, mail->from_len)));
    if (mail->to_len)
        dissect_set_text(entry, OWN_FIELD(TO), arena_dup(arena, slice_of(mail->to, mail->to_len)));
    if (mail->is_cut)
        dissect_set_bool(entry, FIELD_TRUNCATED_ID, true);
}

void smtp_emit(struct dissect_conn *conn, struct smtp_call *call, const struct smtp_mail *mail,
               const char *status, const char *reason)
{
    struct dissect_entry *entry = call->entry;
    struct arena *arena = dissect_entry_arena(entry);
    struct slice text = gather_slice(&call->text);
    if (!call->is_unasked)
        dissect_set_str(entry, OWN_FIELD(COMMAND), smtp_verb_name(call->command.verb));
    set_addresses(call, mail);
    if (call->has_content)
        set_content(call);
    struct slice asked = describe(call);
    if (call->code) {
        struct slice enhanced = enhanced_code(text, call->code);
        struct slice told = one_line(arena, text);
        dissect_set_int(entry, OWN_FIELD(CODE), call->code);
        dissect_set_int(entry, FIELD_STATUS_CODE_ID, call->code);
        if (enhanced.len)
            dissect_set_text(entry, OWN_FIELD(ENHANCED), enhanced);
        if (text.len)
            dissect_set_text(entry, FIELD_RESPONSE_BODY_ID, text);
        if (call->text.cut)
            dissect_set_bool(entry, FIELD_TRUNCATED_ID, true);
        asked = arena_printf(arena, "%.*s%s→ %d%s%.*s", SLICE_ARGS(asked), asked.len ? " " : "",
                             call->code, told.len ? " " : "", SLICE_ARGS(told));
    }
    dissect_set_text(entry, FIELD_SUMMARY_ID, asked);
    if (!reason && call->code >= 400)
        status = "error";
    dissect_set_status(entry, status, reason);
    dissect_entry_emit(conn, entry);
}
