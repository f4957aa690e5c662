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

int cli_run(const char *name, const struct option_spec *spec, int argc, char **argv, void *flags,
            int (*act)(void *flags, const struct option_operands *operands))
{
    struct option_operands operands = {0};
    struct error err = {.offset = ERROR_NO_OFFSET};
    int e = options_parse(spec, argc, argv, flags, &operands, &err);
    int code = e > 0 ? 0 : e < 0 ? cli_fail_error(name, 2, &err) : act(flags, &operands);
    options_done(spec, flags);
    return code;
}
