#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>

static void make_plain(char *text)
{
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
}

__attribute__((format(printf, 4, 0))) static void
fill(struct error *reterr, int code, uint64_t offset, const char *format, va_list args)
{
    if (!reterr)
        return;
    reterr->code = code;
    reterr->cause[0] = 0;
    reterr->offset = offset;
    vsnprintf(reterr->text, sizeof reterr->text, format, args);
    make_plain(reterr->text);
}

void error_set_cause(struct error *reterr, const char *cause)
{
    if (!reterr)
        return;
    snprintf(reterr->cause, sizeof reterr->cause, "%s", cause ? cause : "");
    make_plain(reterr->cause);
}

int error_set(struct error *reterr, int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fill(reterr, code, ERROR_NO_OFFSET, format, args);
    va_end(args);
    return code;
}

int error_set_at(struct error *reterr, int code, uint64_t offset, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fill(reterr, code, offset, format, args);
    va_end(args);
    return code;
}
