/* Logs: one logfmt line an event on stderr: `ts level area msg="…" key=value …`. Values given with
 * %s must be our own or escaped with text_escape. Library code below api/ does not log, it returns;
 * packet paths count. Thread: any (one write(2) a line). */
#ifndef TRAWL_BASE_LOG_H
#define TRAWL_BASE_LOG_H

enum log_level {
    LOG_LEVEL_INFO,
    LOG_LEVEL_WARN,
    LOG_LEVEL_ERROR
};

/* `message` is a sentence of ours; `format` gives further key=value pairs, or NULL. */
void log_event(enum log_level level, const char *area, const char *message, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#define log_info(area, ...)  log_event(LOG_LEVEL_INFO, area, __VA_ARGS__)
#define log_warn(area, ...)  log_event(LOG_LEVEL_WARN, area, __VA_ARGS__)
#define log_error(area, ...) log_event(LOG_LEVEL_ERROR, area, __VA_ARGS__)

#endif
