#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

enum {
    MAX_LINE = 2048
};

void log_event(enum log_level level, const char *area, const char *message, const char *format, ...)
{
    static const char *const names[] = {"info", "warn", "error"};
    char time[CLOCK_TEXT_SIZE];
    char line[MAX_LINE];
    int n = snprintf(line, sizeof line - 1, "ts=%s level=%s area=%s msg=\"%s\"",
                     clock_format(clock_now_ns(), time), names[level], area, message);
    size_t at = n < 0 ? 0 : (size_t)n < sizeof line - 1 ? (size_t)n : sizeof line - 2;
    if (format && at + 2 < sizeof line) {
        line[at++] = ' ';
        va_list args;
        va_start(args, format);
        n = vsnprintf(line + at, sizeof line - 1 - at, format, args);
        va_end(args);
        if (n > 0)
            at += (size_t)n < sizeof line - 1 - at ? (size_t)n : sizeof line - 2 - at;
    }
    for (size_t i = 0; i < at; i++)
        if ((unsigned char)line[i] < ' ')
            line[i] = '?';
    line[at++] = '\n';
    /* A log that cannot be written has nobody to tell. */
    if (write(STDERR_FILENO, line, at) < 0)
        return;
}
