#include "cli/command.h"

#include <stdarg.h>
#include <stdio.h>

int cli_fail(const char *name, int exit_code, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fprintf(stderr, "trawl %s: %s\n", name, text);
    return exit_code;
}

int cli_fail_error(const char *name, int exit_code, const struct error *error)
{
    return cli_fail(name, exit_code, "%s", error->text);
}
