#include "cli/client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/auth.h"
#include "api/problem.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/text.h"
#include "cli/output_file.h"
#include "hub/data_dir.h"
#include "net/http_client.h"

enum {
    MAX_ANSWER_BYTES = 256 * 1024 * 1024,
    AWAY_SECONDS = 20,
    AWAY_POLL_US = 300 * 1000
};

struct client {
    const char *command;
    const char *hub;
    bool has_token;
    struct http_client *http;
    struct buf answer;
};

/* ── opening ── */

static bool find_token(const struct client_flags *flags, char token[256])
{
    char data[DATA_DIR_PATH_SIZE];
    if (flags->token) {
        snprintf(token, 256, "%.250s", flags->token);
        token[strcspn(token, "\r\n")] = 0;
        return token[0] != 0;
    }
    return data_dir_find(flags->data, "token", data, NULL) == 0 &&
           auth_read_token(data, "token", token, NULL) == 0;
}

struct client *client_open(const char *command, const struct client_flags *flags)
{
    struct error err = {.offset = ERROR_NO_OFFSET};
    char token[256] = "";
    struct client *c = calloc(1, sizeof *c);
    if (!c) {
        cli_fail(command, 1, "There is no memory.");
        return NULL;
    }
    c->command = command;
    c->hub = flags->hub;
    c->has_token = find_token(flags, token);
    buf_init(&c->answer, MAX_ANSWER_BYTES);
    struct http_client_options options = {.base_url = flags->hub,
                                          .bearer_token = c->has_token ? token : NULL,
                                          .idle_timeout_ns = 600 * NS_PER_S};
    if (http_client_new(&options, &c->http, &err) < 0) {
        cli_fail_error(command, 1, &err);
        client_close(c);
        return NULL;
    }
    return c;
}

void client_close(struct client *client)
{
    if (!client)
        return;
    http_client_free(client->http);
    buf_done(&client->answer);
    free(client);
}

/* ── exchanges ── */

/* One sentence for an answer that is none of the 2xx. */
static void explain(const struct client *c, int status, const struct buf *answer)
{
    struct api_problem p;
    char shown[600];
    if (status == 401 && !c->has_token) {
        cli_fail(c->command, 1,
                 "The hub wants a token: set TRAWL_TOKEN, or name its data folder with --data "
                 "(`trawl token show` prints it).");
        return;
    }
    if (!problem_parse(buf_slice(answer), &p)) {
        cli_fail(c->command, 1, "The hub answered %d without a reason.", status);
        return;
    }
    text_escape(slice_str(p.detail), shown, sizeof shown);
    cli_fail(c->command, 1, "%s", shown);
}

static void explain_silence(const struct client *c, const struct error *err)
{
    if (err->code == -ECONNREFUSED)
        cli_fail(c->command, 1,
                 "No hub answers at %s; start one with `trawl up`, or name it with --hub.", c->hub);
    else
        cli_fail_error(c->command, 1, err);
}

static bool exchange(struct client *c, struct http_exchange *x)
{
    struct error err = {.offset = ERROR_NO_OFFSET};
    buf_reset(&c->answer);
    x->response = &c->answer;
    if (http_client_do(c->http, x, &err) < 0) {
        explain_silence(c, &err);
        return false;
    }
    if (x->ret_status >= 200 && x->ret_status < 300)
        return true;
    explain(c, x->ret_status, &c->answer);
    return false;
}

int client_try(struct client *client, const char *method, const char *path, struct buf *out)
{
    struct http_exchange x = {.method = method, .path_and_query = path, .response = out};
    buf_reset(out);
    int e = http_client_do(client->http, &x, NULL);
    return e ? e : x.ret_status;
}

int client_stream(struct client *c, const char *path,
                  int (*on_data)(void *ctx, const uint8_t *data, size_t n), void *ctx, bool tell)
{
    struct error err = {.offset = ERROR_NO_OFFSET};
    struct http_exchange x = {.method = "GET",
                              .path_and_query = path,
                              .on_data = on_data,
                              .ctx = ctx,
                              .response = &c->answer};
    buf_reset(&c->answer);
    int e = http_client_do(c->http, &x, &err);
    if (e && x.ret_status / 100 == 2) /* what was begun has broken off */
        return x.ret_status;
    if (e) {
        if (tell)
            explain_silence(c, &err);
        return e;
    }
    if (x.ret_status / 100 != 2)
        explain(c, x.ret_status, &c->answer);
    return x.ret_status;
}

json_t *client_json(struct client *client, const char *method, const char *path, json_t *body)
{
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    struct http_exchange x = {.method = method,
                              .path_and_query = path,
                              .content_type = text ? "application/json" : NULL,
                              .body = slice_str(text)};
    json_t *answer = NULL;
    if (exchange(client, &x)) {
        const struct buf *a = &client->answer;
        answer = a->len ? json_loadb((const char *)a->data, a->len, 0, NULL) : json_object();
        if (!answer)
            cli_fail(client->command, 1, "The hub's answer is no JSON.");
    }
    free(text);
    return answer;
}

json_t *client_poll(struct client *client, const char *path, const char *again)
{
    int64_t until = clock_mono_ns() + AWAY_SECONDS * NS_PER_S;
    struct buf answer;
    buf_init(&answer, MAX_ANSWER_BYTES);
    int status;
    while ((status = client_try(client, "GET", path, &answer)) < 0 && clock_mono_ns() < until) {
        client_progress("The hub does not answer; asking again");
        usleep(AWAY_POLL_US);
    }
    json_t *found = status == 200 && answer.len
                        ? json_loadb((const char *)answer.data, answer.len, 0, NULL)
                        : NULL;
    buf_done(&answer);
    if (found)
        return found;
    client_progress(NULL);
    if (status >= 0)
        return client_json(client, "GET", path, NULL); /* says why not */
    cli_fail(client->command, 1,
             "The hub has not answered for %d s, so it is not known what became of it. It goes on, "
             "or says why not, once the hub runs again; then `%s` tells.",
             AWAY_SECONDS, again);
    return NULL;
}

/* ── files ── */

struct download {
    int fd;
    uint64_t bytes;
    int64_t shown_ns;
    int error;
};

static int on_data(void *ctx, const uint8_t *data, size_t n)
{
    struct download *d = ctx;
    d->error = io_write("download", d->fd, data, n);
    d->bytes += n;
    if (clock_mono_ns() - d->shown_ns > NS_PER_S / 4) {
        char size[24], text[60];
        d->shown_ns = clock_mono_ns();
        snprintf(text, sizeof text, "%s received", text_format_size(d->bytes, size));
        client_progress(text);
    }
    return d->error;
}

/* The head of the answer promised success, then its producer failed: the hub kept the reason. */
static int explain_break(struct client *c, const struct http_exchange *broken,
                         const struct error *err)
{
    char path[120];
    struct api_problem p;
    snprintf(path, sizeof path, "/api/v1/failures/%.40s", broken->ret_request_id);
    bool told = broken->ret_status / 100 == 2 &&
                strspn(broken->ret_request_id, "0123456789abcdef") == 32 &&
                client_try(c, "GET", path, &c->answer) == 200 &&
                problem_parse(buf_slice(&c->answer), &p) && p.detail[0];
    if (!told)
        return cli_fail_error(c->command, 1, err);
    char shown[600];
    text_escape(slice_str(p.detail), shown, sizeof shown);
    return cli_fail(c->command, 1, "The hub broke off half-way: %s", shown);
}

int client_download_to(struct client *c, const char *method, const char *path, const char *body,
                       int fd)
{
    struct download d = {.fd = fd};
    struct http_exchange x = {.method = method,
                              .path_and_query = path,
                              .content_type = body ? "application/json" : NULL,
                              .body = slice_str(body),
                              .on_data = on_data,
                              .ctx = &d,
                              .response = &c->answer};
    struct error err = {.offset = ERROR_NO_OFFSET};
    buf_reset(&c->answer);
    int e = http_client_do(c->http, &x, &err);
    client_progress(NULL);
    if (d.error == -EPIPE) /* the reader has seen enough */
        return 0;
    if (d.error)
        return cli_fail(c->command, 1, "The output cannot be written: %s.", strerror(-d.error));
    if (e)
        return explain_break(c, &x, &err);
    if (x.ret_note[0]) {
        char note[600];
        text_escape(slice_str(x.ret_note), note, sizeof note);
        fprintf(stderr, "trawl %s: note: %s\n", c->command, note);
    }
    if (x.ret_status >= 200 && x.ret_status < 300)
        return 0;
    explain(c, x.ret_status, &c->answer);
    return 1;
}

static int download_to_file(struct client *c, const char *method, const char *path,
                            const char *body, const char *output)
{
    struct output_file file;
    struct error err = {.offset = ERROR_NO_OFFSET};
    if (output_file_open(&file, output, "download", &err) < 0)
        return cli_fail_error(c->command, 1, &err);
    int code = client_download_to(c, method, path, body, file.fd);
    if (output_file_close(&file, code == 0, &err) < 0 && code == 0)
        code = cli_fail_error(c->command, 1, &err);
    return code;
}

int client_download(struct client *client, const char *method, const char *path, const char *body,
                    const char *output)
{
    if (output && strcmp(output, "-") != 0)
        return download_to_file(client, method, path, body, output);
    if (isatty(STDOUT_FILENO))
        return cli_fail(client->command, 2, "Say where to with -o FILE, or send it into a pipe.");
    return client_download_to(client, method, path, body, STDOUT_FILENO);
}

json_t *client_upload(struct client *client, const char *path, const char *file, int *ret_status)
{
    int fd = strcmp(file, "-") == 0 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
                                    : open(file, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0 || S_ISDIR(st.st_mode)) {
        cli_fail(client->command, 1, "%s cannot be read: %s.", file,
                 fd < 0 ? strerror(errno) : "it is a folder");
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    struct http_exchange x = {.method = "POST",
                              .path_and_query = path,
                              .content_type = "application/octet-stream",
                              .body_fd = fd};
    json_t *answer = NULL;
    if (exchange(client, &x)) {
        answer = json_loadb((const char *)client->answer.data, client->answer.len, 0, NULL);
        if (!answer)
            cli_fail(client->command, 1, "The hub's answer is no JSON.");
    }
    *ret_status = x.ret_status;
    close(fd);
    return answer;
}

/* ── text ── */

void client_escape(struct buf *out, const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        bool plain = (*p >= '0' && *p <= '9') || (*p >= 'A' && *p <= 'Z') ||
                     (*p >= 'a' && *p <= 'z') || byte_is_in((uint8_t)*p, "-._~@");
        if (plain)
            buf_append_u8(out, *p);
        else
            buf_printf(out, "%%%02X", *p);
    }
}

void client_query(struct buf *out, const char *name, const char *value)
{
    if (!value)
        return;
    bool first = !out->len || !memchr(out->data, '?', out->len);
    buf_printf(out, "%c%s=", first ? '?' : '&', name);
    client_escape(out, value);
}

json_t *client_string(const char *text)
{
    struct slice s = slice_str(text);
    struct buf clean;
    buf_init(&clean, 3 * s.len + 4);
    for (size_t pos = 0; pos < s.len;) {
        uint8_t bytes[4];
        size_t n = text_put_code_point(text_next_code_point(s, &pos), bytes);
        buf_append(&clean, bytes, n);
    }
    json_t *string = buf_failed(&clean) ? NULL : json_stringn((const char *)clean.data, clean.len);
    buf_done(&clean);
    return string ? string : json_string("");
}

char *client_sources(const struct option_list *sources)
{
    struct buf text;
    buf_init(&text, 64 * 1024);
    for (size_t i = 0; i < sources->count; i++)
        buf_printf(&text, "%s%s", i ? "," : "", sources->items[i]);
    buf_append_u8(&text, 0);
    char *joined = buf_failed(&text) ? NULL : strdup((const char *)text.data);
    buf_done(&text);
    return joined;
}

bool client_time(const char *command, const char *option, const char *text, char out[40])
{
    int64_t ns;
    struct error err = {.offset = ERROR_NO_OFFSET};
    if (clock_parse_human(text, clock_now_ns(), &ns, &err) < 0) {
        cli_fail(command, 2, "--%s: %s", option, err.text);
        return false;
    }
    clock_format(ns, out);
    return true;
}

void client_print_text(const char *text, int width)
{
    char shown[1024];
    text_escape(slice_str(text), shown, sizeof shown);
    int columns = 0, wanted = width < 0 ? -width : width;
    size_t n = 0;
    while (shown[n] && (!wanted || columns < wanted)) {
        n++;
        while (((unsigned char)shown[n] & 0xc0) == 0x80) /* the rest of a code point */
            n++;
        columns++;
    }
    int pad = wanted - columns;
    if (width < 0 && pad > 0)
        printf("%*s", pad, "");
    printf("%.*s", (int)n, shown);
    if (width > 0 && pad > 0)
        printf("%*s", pad, "");
}

void client_print_json(const json_t *value)
{
    (void)json_dumpf(value, stdout, JSON_COMPACT | JSON_ENCODE_ANY);
    (void)putchar('\n');
}

const char *client_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

int64_t client_int(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

double client_number(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

const char *client_short_time(const json_t *object, const char *key, char out[24])
{
    const char *text = client_text(object, key);
    if (strlen(text) < 19)
        return "-";
    snprintf(out, 24, "%.10s %.8s", text, text + 11);
    return out;
}

void client_progress(const char *text)
{
    static bool shown;
    if (!isatty(STDERR_FILENO))
        return;
    if (text)
        fprintf(stderr, "\r\033[K%s", text);
    else if (shown)
        fprintf(stderr, "\r\033[K");
    shown = text != NULL;
}
