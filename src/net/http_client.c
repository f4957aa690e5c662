#include "net/http_client.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

struct http_client {
    CURL *curl;
    char *base_url;
    char *bearer_token;
    int64_t connect_timeout_ns, idle_timeout_ns, answer_timeout_ns;
    long min_bytes_per_s;
    char curl_error[CURL_ERROR_SIZE];
};

struct transfer {
    struct http_client *client;
    struct http_exchange *exchange;
    size_t body_sent;
    int error; /* of a callback of ours */
    long status;
};

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

static void start_curl(void)
{
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
}

int http_client_new(const struct http_client_options *options, struct http_client **ret_client,
                    struct error *reterr)
{
    pthread_once(&curl_once, start_curl);
    if (strncmp(options->base_url, "http://", 7) != 0 &&
        strncmp(options->base_url, "https://", 8) != 0)
        return error_set(reterr, -EINVAL,
                         "\"%.100s\" is not a URL of a hub; write it as http://127.0.0.1:8899.",
                         options->base_url);
    struct http_client *c = calloc(1, sizeof *c);
    if (c) {
        c->curl = curl_easy_init();
        c->base_url = strdup(options->base_url);
        if (options->bearer_token)
            c->bearer_token = strdup(options->bearer_token);
        c->connect_timeout_ns =
            options->connect_timeout_ns ? options->connect_timeout_ns : 5 * NS_PER_S;
        c->answer_timeout_ns = options->answer_timeout_ns;
        c->min_bytes_per_s = options->min_bytes_per_s ? options->min_bytes_per_s : 1;
        c->idle_timeout_ns = options->idle_timeout_ns ? options->idle_timeout_ns : 30 * NS_PER_S;
    }
    if (!c || !c->curl || !c->base_url || (options->bearer_token && !c->bearer_token)) {
        http_client_free(c);
        return error_set(reterr, -ENOMEM, "There is no memory for an HTTP client.");
    }
    size_t len = strlen(c->base_url);
    while (len && c->base_url[len - 1] == '/')
        c->base_url[--len] = 0;
    *ret_client = c;
    return 0;
}

void http_client_free(struct http_client *client)
{
    if (!client)
        return;
    curl_easy_cleanup(client->curl);
    free(client->base_url);
    free(client->bearer_token);
    free(client);
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    struct transfer *t = arg;
    size_t n = size * count;
    if (!t->status) {
        curl_easy_getinfo(t->client->curl, CURLINFO_RESPONSE_CODE, &t->status);
        curl_off_t length = -1;
        curl_easy_getinfo(t->client->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
        t->exchange->ret_content_length = length;
        t->exchange->ret_status = (int)t->status;
    }
    struct http_exchange *x = t->exchange;
    if (x->on_data && t->status >= 200 && t->status < 300)
        t->error = x->on_data(x->ctx, (const uint8_t *)data, n) ? -ECANCELED : 0;
    else if (x->response)
        t->error = buf_append(x->response, data, n);
    return t->error ? 0 : n;
}

static size_t on_send(char *out, size_t size, size_t count, void *arg)
{
    struct transfer *t = arg;
    struct http_exchange *x = t->exchange;
    size_t room = size * count;
    if (x->body_fd > 0) {
        ssize_t n;
        do
            n = read(x->body_fd, out, room);
        while (n < 0 && errno == EINTR);
        if (n < 0) {
            t->error = -errno;
            return CURL_READFUNC_ABORT;
        }
        return (size_t)n;
    }
    size_t left = x->body.len - t->body_sent, n = left < room ? left : room;
    if (n)
        memcpy(out, x->body.data + t->body_sent, n);
    t->body_sent += n;
    return n;
}

/* A second try after a kept connection turned out to be dead starts the body again. */
static int on_seek(void *arg, curl_off_t offset, int origin)
{
    struct transfer *t = arg;
    if (origin != SEEK_SET)
        return CURL_SEEKFUNC_CANTSEEK;
    if (t->exchange->body_fd > 0)
        return lseek(t->exchange->body_fd, offset, SEEK_SET) < 0 ? CURL_SEEKFUNC_CANTSEEK
                                                                 : CURL_SEEKFUNC_OK;
    t->body_sent = (size_t)offset;
    return CURL_SEEKFUNC_OK;
}

/* A descriptor's length from where it stands; −1 for a pipe, which goes out chunked. */
static curl_off_t length_of(int fd)
{
    off_t here = lseek(fd, 0, SEEK_CUR), end = here < 0 ? -1 : lseek(fd, 0, SEEK_END);
    if (end < 0)
        return -1;
    (void)lseek(fd, here, SEEK_SET);
    return end - here;
}

static void set_body(struct transfer *t)
{
    CURL *curl = t->client->curl;
    struct http_exchange *x = t->exchange;
    bool with_body = x->body_fd > 0 || x->body.len || strcmp(x->method, "POST") == 0 ||
                     strcmp(x->method, "PUT") == 0 || strcmp(x->method, "PATCH") == 0;
    if (!with_body) {
        if (strcmp(x->method, "HEAD") == 0)
            curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
        return;
    }
    curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(curl, CURLOPT_READFUNCTION, on_send);
    curl_easy_setopt(curl, CURLOPT_READDATA, t);
    curl_easy_setopt(curl, CURLOPT_SEEKFUNCTION, on_seek);
    curl_easy_setopt(curl, CURLOPT_SEEKDATA, t);
    curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE,
                     x->body_fd > 0 ? length_of(x->body_fd) : (curl_off_t)x->body.len);
}

static struct curl_slist *make_headers(const struct transfer *t)
{
    const struct http_exchange *x = t->exchange;
    struct curl_slist *list = NULL, *next;
    const char *names[] = {"Content-Type: ", "Authorization: Bearer ", "Expect:", NULL};
    /* Waiting for "100 Continue" pays only for large bodies. */
    const char *values[] = {x->content_type, t->client->bearer_token, x->body_fd > 0 ? NULL : "",
                            NULL};
    for (size_t i = 0; names[i]; i++) {
        if (!values[i])
            continue;
        char line[600];
        snprintf(line, sizeof line, "%s%s", names[i], values[i]);
        next = curl_slist_append(list, line);
        if (next)
            list = next;
    }
    return list;
}

static void set_options(struct transfer *t, const char *url, struct curl_slist *headers)
{
    struct http_client *c = t->client;
    CURL *curl = c->curl;
    curl_easy_reset(curl); /* keeps the connection */
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*"); /* only to the peers that were configured */
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, c->curl_error);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)(c->connect_timeout_ns / NS_PER_MS));
    if (c->idle_timeout_ns > 0) {
        int64_t seconds = (c->idle_timeout_ns + NS_PER_S - 1) / NS_PER_S;
        curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, c->min_bytes_per_s);
        curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)seconds);
    }
    int64_t timeout = t->exchange->timeout_ns;
    if (!timeout && !t->exchange->on_data)
        timeout = c->answer_timeout_ns;
    if (timeout > 0) /* curl takes 0 for never */
        curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)(timeout / NS_PER_MS + 1));
    curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, 256L * 1024);
    curl_easy_setopt(curl, CURLOPT_UPLOAD_BUFFERSIZE, 256L * 1024);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, t);
    if (t->exchange->range)
        curl_easy_setopt(curl, CURLOPT_RANGE, t->exchange->range);
    set_body(t);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, t->exchange->method);
}

static int failure(const struct http_client *c, CURLcode code, struct error *reterr)
{
    const char *why = c->curl_error[0] ? c->curl_error : curl_easy_strerror(code);
    switch ((int)code) {
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
        return error_set(reterr, -ECONNREFUSED, "Nothing answers at %.120s (%.200s).", c->base_url,
                         why);
    case CURLE_OPERATION_TIMEDOUT:
        return error_set(reterr, -ETIMEDOUT, "%.120s did not answer in time (%.200s).", c->base_url,
                         why);
    case CURLE_OUT_OF_MEMORY:
        return error_set(reterr, -ENOMEM, "There is no memory for a request to %.120s.",
                         c->base_url);
    default:
        return error_set(reterr, -EIO, "The exchange with %.120s broke off: %.200s.", c->base_url,
                         why);
    }
}

static void take_header(CURL *curl, const char *name, char *out, size_t size)
{
    struct curl_header *header = NULL;
    bool found = curl_easy_header(curl, name, 0, CURLH_HEADER, -1, &header) == CURLHE_OK;
    snprintf(out, size, "%s", found ? header->value : "");
}

int http_client_do(struct http_client *client, struct http_exchange *exchange, struct error *reterr)
{
    struct transfer t = {.client = client, .exchange = exchange};
    char url[8192];
    int n = snprintf(url, sizeof url, "%s%s", client->base_url, exchange->path_and_query);
    if (n < 0 || (size_t)n >= sizeof url)
        return error_set(reterr, -ENAMETOOLONG, "The URL is longer than 8 KiB.");
    exchange->ret_status = 0;
    exchange->ret_content_length = -1;
    client->curl_error[0] = 0;
    struct curl_slist *headers = make_headers(&t);
    set_options(&t, url, headers);
    CURLcode code = curl_easy_perform(client->curl);
    long status = 0;
    curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
    curl_off_t length = -1;
    curl_easy_getinfo(client->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    exchange->ret_content_length = length;
    exchange->ret_status = (int)status;
    take_header(client->curl, "X-Request-Id", exchange->ret_request_id,
                sizeof exchange->ret_request_id);
    take_header(client->curl, "X-Note", exchange->ret_note, sizeof exchange->ret_note);
    curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(headers);
    if (t.error)
        return error_set(reterr, t.error,
                         t.error == -ECANCELED ? "The transfer was stopped."
                         : t.error == -ENOBUFS ? "The answer is too large."
                                               : "Passing data on failed.");
    /* A server may answer before it has read the whole body; the answer counts. */
    if (code == CURLE_SEND_ERROR && status >= 400)
        return 0;
    return code == CURLE_OK ? 0 : failure(client, code, reterr);
}
