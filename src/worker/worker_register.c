#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/io.h"
#include "net/http_client.h"
#include "worker/worker_state.h"

enum {
    MAX_TOKEN_BYTES = 256
};

/* The first line of the token file, read anew each time: the hub may have made it since. */
static int read_token(const struct worker *worker, char out[MAX_TOKEN_BYTES], struct error *reterr)
{
    if (!worker->options->token_file) {
        const char *token =
            getenv("TRAWL_WORKER_TOKEN"); // NOLINT(concurrency-mt-unsafe): never changed
        if (!token || !*token || strlen(token) >= MAX_TOKEN_BYTES)
            return error_set(
                reterr, -EACCES,
                "there is no token for the hub: give --token-file or TRAWL_WORKER_TOKEN.");
        snprintf(out, MAX_TOKEN_BYTES, "%s", token);
        return 0;
    }
    struct buf text;
    buf_init(&text, MAX_TOKEN_BYTES - 1);
    int r = io_read_file(AT_FDCWD, worker->options->token_file, &text);
    if (r == 0) {
        memcpy(out, text.data, text.len);
        out[text.len] = '\0';
        out[strcspn(out, "\r\n")] = '\0';
    }
    buf_done(&text);
    return r < 0 ? error_set(reterr, r, "the hub's token cannot be read from %s: %s.",
                             worker->options->token_file, strerrordesc_np(-r))
                 : 0;
}

/* The address that the hub is to use: ours when we listen on one, else what it sees. */
static void listen_address(const char *listen, char out[64])
{
    const char *colon = strrchr(listen, ':');
    size_t len = colon ? (size_t)(colon - listen) : strlen(listen);
    if (len >= 2 && listen[0] == '[') {
        listen++;
        len -= 2;
    }
    snprintf(out, 64, "%.*s", (int)(len < 63 ? len : 0), listen);
    if (strcmp(out, "0.0.0.0") == 0 || strcmp(out, "::") == 0)
        out[0] = '\0';
}

static void write_registration(const struct worker *worker, struct buf *out)
{
    char address[64];
    struct json_writer w;
    listen_address(worker->options->listen, address);
    json_init(&w, out);
    json_begin_object(&w);
    json_member_str(&w, "name", worker->options->name);
    json_member_str(&w, "instance", worker->instance);
    json_member_str(&w, "address", address);
    json_member_int(&w, "port", worker->port);
    json_member_str(&w, "token", worker->callback_token);
    json_member_str(&w, "version", TRAWL_VERSION);
    json_member_int(&w, "now_ns", clock_now_ns());
    json_end_object(&w);
}

/* The hub's own words when it refused. */
static int refused(int status, const struct buf *answer, struct error *reterr)
{
    json_t *json = json_loadb((const char *)answer->data, answer->len, 0, NULL);
    const char *detail = json_string_value(json_object_get(json, "detail"));
    int r = error_set(reterr, status == 401 ? -EACCES : -EPROTO, "the hub answered %d: %.200s",
                      status, detail ? detail : "no reason given");
    json_decref(json);
    return r;
}

int worker_register(struct worker *worker, struct error *reterr)
{
    char token[MAX_TOKEN_BYTES];
    struct http_client *client = NULL;
    int r = read_token(worker, token, reterr);
    if (r < 0)
        return r;
    struct http_client_options options = {.base_url = worker->options->hub_url,
                                          .bearer_token = token,
                                          .idle_timeout_ns = 5 * NS_PER_S};
    r = http_client_new(&options, &client, reterr);
    if (r < 0)
        return r;
    struct buf body;
    struct buf answer;
    buf_init(&body, 4096);
    buf_init(&answer, WORKER_MAX_BODY_BYTES);
    write_registration(worker, &body);
    struct http_exchange exchange = {.method = "POST",
                                     .path_and_query = WORKER_REGISTER_PATH,
                                     .content_type = "application/json",
                                     .body = buf_slice(&body),
                                     .response = &answer};
    r = http_client_do(client, &exchange, reterr);
    if (r == 0 && (exchange.ret_status < 200 || exchange.ret_status > 299))
        r = refused(exchange.ret_status, &answer, reterr);
    buf_done(&body);
    buf_done(&answer);
    http_client_free(client);
    return r;
}
