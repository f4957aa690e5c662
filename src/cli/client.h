/* The client sub-commands' way to the hub: finds it and the token, speaks JSON, turns problem
 * documents into one sentence. Everything the hub sends is data: what is printed on a terminal goes
 * through client_print_text. Thread: main. */
#ifndef TRAWL_CLI_CLIENT_H
#define TRAWL_CLI_CLIENT_H

#include <jansson.h>
#include <stdio.h>

#include "base/buf.h"
#include "cli/command.h"
#include "config/options.h"

/* First member of the flags of every client sub-command. */
struct client_flags {
    char *hub, *token, *data;
    bool json;
};

/* Their rows of the option table; `type` has a member `client`. */
#define CLIENT_OPTIONS(struct_type)                                                        \
    {.name = "hub",                                                                        \
     .type = OPTION_TEXT,                                                                  \
     .offset = offsetof(struct_type, client.hub),                                          \
     .default_value = "http://127.0.0.1:8899",                                             \
     .value_name = "URL",                                                                  \
     .doc = "the hub; also TRAWL_HUB"},                                                    \
        {.name = "token",                                                                  \
         .type = OPTION_TEXT,                                                              \
         .offset = offsetof(struct_type, client.token),                                    \
         .value_name = "TOKEN",                                                            \
         .doc = "the hub's token; also TRAWL_TOKEN; default: the one in the data folder"}, \
        {.name = "data",                                                                   \
         .type = OPTION_TEXT,                                                              \
         .offset = offsetof(struct_type, client.data),                                     \
         .value_name = "DIR",                                                              \
         .doc = "data folder of the hub on this machine, for its token"},                  \
    {                                                                                      \
        .name = "json", .type = OPTION_BOOL, .offset = offsetof(struct_type, client.json), \
        .doc = "print what the API answers"                                                \
    }

struct client;

/* command: for messages ("snapshot create"); borrowed. Errors are printed: NULL then. */
struct client *client_open(const char *command, const struct client_flags *flags);
void client_close(struct client *client);

/* One exchange, parsed: json_decref. NULL when it failed; the sentence was printed. */
json_t *client_json(struct client *client, const char *method, const char *path, json_t *body);
/* GET for one who waits: a hub that went away is asked again for 20 s (under `trawl up` it is back
 * sooner). NULL after a message, which names the command to ask with later. */
json_t *client_poll(struct client *client, const char *path, const char *again);
/* Without a message: the status, or a negative errno. */
int client_try(struct client *client, const char *method, const char *path, struct buf *out);

/* What a person typed as a JSON string; bytes that are no UTF-8 become U+FFFD, so that the hub
 * refuses them where they stand. Owned; NULL without memory. */
json_t *client_string(const char *text);

/* An answer that has no end: pieces go to on_data, which ends it with anything but 0. The status (a
 * refusal's sentence was printed), also when it broke off; or a negative errno: it was never begun,
 * printed when `tell`. */
int client_stream(struct client *client, const char *path,
                  int (*on_data)(void *ctx, const uint8_t *data, size_t n), void *ctx, bool tell);

/* Streams an answer into a file (written beside it and renamed when whole) or, output NULL, to
 * standard output, which must not be a terminal. The exit code. */
int client_download(struct client *client, const char *method, const char *path, const char *body,
                    const char *output);
/* The same into a descriptor, which stays the caller's and may be a pipe whose reader goes away. */
int client_download_to(struct client *client, const char *method, const char *path,
                       const char *body, int fd);
/* Sends a file ("-": standard input). *ret_status: 201, or 200 when nothing came of it. */
json_t *client_upload(struct client *client, const char *path, const char *file, int *ret_status);

/* Appends text for a path segment or a query value. */
void client_escape(struct buf *out, const char *text);
/* Appends "?name=value" or "&name=value"; nothing for NULL. */
void client_query(struct buf *out, const char *name, const char *value);
/* Sources as the hub takes them, "A,B". Owned; NULL without memory. */
char *client_sources(const struct option_list *sources);
/* What a person typed as a time → RFC 3339 in UTC into `out`; false after a message. */
bool client_time(const char *command, const char *option, const char *text, char out[40]);

/* ── printing ── */
/* Harmless for a terminal, at most `width` columns, padded to it when width > 0 (negative: padded
 * at the left). */
void client_print_text(const char *text, int width);
void client_print_json(const json_t *value);                    /* one line */
const char *client_text(const json_t *object, const char *key); /* "" when it is none */
int64_t client_int(const json_t *object, const char *key);
double client_number(const json_t *object, const char *key);
/* "2026-03-03 14:02:05" of an RFC 3339 text, "-" of null. */
const char *client_short_time(const json_t *object, const char *key, char out[24]);
/* A line on standard error that is overwritten by the next; only on a terminal. NULL ends it. */
void client_progress(const char *text);

#endif
