/* The API as a browser, a client and an attacker meet it; the authorisation matrix is made from the
 * route table itself. The backend here answers "not there", the store is real. */
#include <errno.h>
#include <ftw.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/api.h"
#include "api/audit.h"
#include "api/auth.h"
#include "api/problem.h"
#include "api/route.h"
#include "api/schema.h"
#include "unit/api/support_raw_ask.h"
#include "unit/unit_test.h"

struct fixture {
    char dir[64];
    char url[64];
    uint16_t port;
    struct api *api;
    struct snapshot_store *store;
    char token[AUTH_TOKEN_SIZE], worker_token[AUTH_TOKEN_SIZE];
    struct buf answer;
};

static struct fixture fixture;

/* ── a backend that has nothing ── */

static void write_nodes(void *ctx, struct json_writer *w)
{
    (void)ctx;
    json_begin_array(w);
    json_end_array(w);
}

static int register_worker(void *ctx, const struct api_registration *worker, const char *peer,
                           struct error *reterr)
{
    (void)ctx;
    (void)reterr;
    assert_string_equal(worker->name, "node-1");
    assert_string_equal(peer, "127.0.0.1");
    return 0;
}

static int hold(void *ctx, int64_t until_ns, struct error *reterr)
{
    (void)ctx;
    (void)until_ns;
    return error_set(reterr, -EHOSTUNREACH, "No node answers: there is nothing to hold.");
}

static int ask(void *ctx, const char *const *nodes, struct snapshot_interval window,
               struct snapshot_availability *ret, struct error *reterr)
{
    (void)ctx;
    (void)window;
    if (nodes)
        return error_set(reterr, -ENOENT, "No node is called that.");
    *ret = (struct snapshot_availability){.oldest_ns = 1, .newest_ns = 0};
    return 0;
}

static void write_metrics(void *ctx, struct buf *out)
{
    (void)ctx;
    (void)out;
}

static uint64_t ring_budget(void *ctx)
{
    (void)ctx;
    return 4096;
}

static int live_switch(void *ctx, bool on, struct error *reterr)
{
    (void)ctx;
    (void)on;
    (void)reterr;
    return 0;
}

static void live_write(void *ctx, struct json_writer *w)
{
    (void)ctx;
    json_begin_object(w);
    json_member_str(w, "state", "off");
    json_end_object(w);
}

static bool live_has_store(void *ctx)
{
    (void)ctx;
    return false;
}

static const struct api_backend backend = {.write_nodes = write_nodes,
                                           .register_worker = register_worker,
                                           .hold = hold,
                                           .ask = ask,
                                           .write_metrics = write_metrics,
                                           .live_switch = live_switch,
                                           .live_write = live_write,
                                           .live_has_store = live_has_store,
                                           .ring_budget = ring_budget};

static int setup(void **state)
{
    struct fixture *f = &fixture;
    struct error err = {0};
    snprintf(f->dir, sizeof f->dir, "/tmp/trawl-api-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    struct snapshot_store_options store = {.data_dir = f->dir, .quota_bytes = 1 << 30};
    assert_int_equal(snapshot_store_open(&store, &f->store, &err), 0);
    static const char *const names[] = {"trawl.example.org", NULL};
    struct api_options options = {.listen = "127.0.0.1:0",
                                  .data_dir = f->dir,
                                  .host_names = names,
                                  .backend = &backend,
                                  .store = f->store};
    assert_int_equal(api_start(&options, &f->api, &err), 0);
    assert_non_null(api_new_token(f->api));
    f->port = api_port(f->api);
    snprintf(f->url, sizeof f->url, "http://127.0.0.1:%u", f->port);
    assert_int_equal(auth_read_token(f->dir, "token", f->token, &err), 0);
    assert_string_equal(f->token, api_new_token(f->api));
    assert_int_equal(auth_read_token(f->dir, "worker-token", f->worker_token, &err), 0);
    buf_init(&f->answer, 4 * 1024 * 1024);
    *state = f;
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    return remove(path);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    api_stop(f->api);
    snapshot_store_free(f->store);
    buf_done(&f->answer);
    return nftw(f->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ── asking ── */

struct request {
    const char *method, *path, *token, *body;
    const char *host, *origin, *site, *cookie, *type;
};

/* Raw, so that any header can be sent. The status; the whole answer (head and body) in f->answer.
 */
static int send_request(struct fixture *f, const struct request *r)
{
    char head[2000];
    const char *body = r->body ? r->body : "";
    int n = snprintf(head, sizeof head, "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n",
                     r->method ? r->method : "GET", r->path, r->host ? r->host : "localhost");
    const char *const headers[][2] = {
        {"Origin", r->origin},
        {"Sec-Fetch-Site", r->site},
        {"Cookie", r->cookie},
        {"Content-Type", r->body && !r->type ? "application/json" : r->type}};
    for (size_t i = 0; i < 4; i++)
        if (headers[i][1])
            n += snprintf(head + n, sizeof head - (size_t)n, "%s: %s\r\n", headers[i][0],
                          headers[i][1]);
    if (r->token)
        n += snprintf(head + n, sizeof head - (size_t)n, "Authorization: Bearer %s\r\n", r->token);
    n += snprintf(head + n, sizeof head - (size_t)n, "Content-Length: %zu\r\n\r\n", strlen(body));
    buf_reset(&f->answer);
    return raw_ask(f->port, head, body, &f->answer);
}

static int get(struct fixture *f, const char *path)
{
    struct request r = {.path = path, .token = f->token};
    return send_request(f, &r);
}

static const char *answer(struct fixture *f)
{
    return (const char *)f->answer.data;
}

static const char *body_of(struct fixture *f)
{
    const char *body = strstr(answer(f), "\r\n\r\n");
    assert_non_null(body);
    return body + 4;
}

static void assert_problem(struct fixture *f, int status, const char *part)
{
    assert_non_null(strstr(answer(f), "Content-Type: application/problem+json"));
    json_t *p = json_loads(body_of(f), 0, NULL);
    assert_non_null(p);
    assert_int_equal(json_integer_value(json_object_get(p, "status")), status);
    assert_non_null(json_string_value(json_object_get(p, "title")));
    const char *detail = json_string_value(json_object_get(p, "detail"));
    assert_non_null(detail);
    if (part && !strstr(detail, part))
        print_message("\"%s\" is not in \"%s\"\n", part, detail);
    assert_true(!part || strstr(detail, part));
    json_decref(p);
}

/* ── who may ── */

/* "/api/v1/snapshots/{id}" → "/api/v1/snapshots/x" */
static void concrete_path(const char *pattern, char out[200])
{
    size_t n = 0;
    for (const char *p = pattern; *p && n < 190; p++) {
        if (*p != '{') {
            out[n++] = *p;
            continue;
        }
        out[n++] = 'x';
        while (*p != '}')
            p++;
    }
    out[n] = 0;
}

static void without_a_token_every_route_is_401_but_the_open_ones(void **state)
{
    struct fixture *f = *state;
    unsigned open = 0, closed = 0;
    for (const struct route *r = routes; r->method; r++) {
        char path[200];
        concrete_path(r->path, path);
        struct request q = {.method = r->method, .path = path};
        int status = send_request(f, &q);
        if (r->capability == CAP_OPEN) {
            assert_true(status != 401 && status != 403);
            open++;
            continue;
        }
        if (status != 401)
            print_message("%s %s → %d\n", r->method, path, status);
        assert_int_equal(status, 401);
        assert_problem(f, 401, NULL);
        assert_non_null(strstr(answer(f), "WWW-Authenticate: Bearer"));
        closed++;
    }
    assert_int_equal(open, 3); /* /healthz, /readyz, POST /session; static files are no route */
    assert_true(closed > 40);
}

static void the_token_opens_every_route_but_the_workers(void **state)
{
    struct fixture *f = *state;
    for (const struct route *r = routes; r->method; r++) {
        char path[200];
        concrete_path(r->path, path);
        if (strcmp(path, "/api/v1/events") == 0)
            continue; /* does not end by itself */
        struct request q = {.method = r->method, .path = path, .token = f->token};
        int status = send_request(f, &q);
        bool refused = status == 401 || status == 403;
        if (r->capability != CAP_OPEN && refused != (r->capability == CAP_WORKER))
            print_message("%s %s → %d\n", r->method, path, status);
        assert_true(r->capability == CAP_OPEN || refused == (r->capability == CAP_WORKER));
        assert_true(status >= 200 && status != 500);
    }
}

static void the_workers_token_opens_only_registration(void **state)
{
    struct fixture *f = *state;
    for (const struct route *r = routes; r->method; r++) {
        char path[200];
        concrete_path(r->path, path);
        if (r->capability == CAP_OPEN || r->capability == CAP_WORKER)
            continue;
        struct request q = {.method = r->method, .path = path, .token = f->worker_token};
        assert_int_equal(send_request(f, &q), 403);
    }
    static const char body[] =
        "{\"name\":\"node-1\",\"instance\":\"0123456789abcdef0123456789abcdef\",\"address\":\"\","
        "\"port\":1234,\"token\":\"00\",\"version\":\"0.1.0\",\"now_ns\":1}";
    struct request q = {
        .method = "POST", .path = "/api/v1/workers", .token = f->worker_token, .body = body};
    assert_int_equal(send_request(f, &q), 200);
    assert_non_null(strstr(body_of(f), "\"ok\":true"));
}

static void unknown_paths_and_methods(void **state)
{
    struct fixture *f = *state;
    struct request nobody = {.path = "/api/v1/secret"};
    assert_int_equal(send_request(f, &nobody), 401); /* a stranger learns nothing */
    assert_int_equal(get(f, "/api/v1/secret"), 404);
    assert_problem(f, 404, "openapi.json");
    assert_int_equal(get(f, "/api/v1/nodes/"), 404);
    assert_int_equal(get(f, "/api/v1/snapshots//pcap"), 404);
    assert_int_equal(get(f, "/api/v1/snapshots/a/pcap/estimate/more/and/more/of/it/still"), 404);
    struct request put = {.method = "PUT", .path = "/api/v1/snapshots", .token = f->token};
    assert_int_equal(send_request(f, &put), 405);
    assert_non_null(strstr(answer(f), "Allow: GET, POST"));
    struct request post = {.method = "POST", .path = "/index.html"};
    assert_int_equal(send_request(f, &post), 405);
}

/* ── where it comes from ── */

static void only_known_names_in_host(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *host;
        int status;
    } hosts[] = {{"localhost", 200},
                 {"localhost:8899", 200},
                 {"127.0.0.1:1", 200},
                 {"[::1]:8899", 200},
                 {"10.1.2.3", 200},
                 {"hub.localhost", 200},
                 {"TRAWL.example.org", 200},
                 {"evil.example", 421},
                 {"localhost.evil.example", 421},
                 {"127.0.0.1.evil.example", 421},
                 {"evil.example:8899", 421},
                 {"", 400}};
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        struct request r = {.path = "/healthz", .host = hosts[i].host};
        int status = send_request(f, &r);
        if (status != hosts[i].status)
            print_message("%s → %d\n", hosts[i].host, status);
        assert_int_equal(status, hosts[i].status);
    }
    struct request r = {.path = "/healthz", .host = "evil.example"};
    send_request(f, &r);
    assert_problem(f, 421, "--host-name");
}

static void pages_of_others_are_refused(void **state)
{
    struct fixture *f = *state;
    struct request own = {.path = "/api/v1/whoami",
                          .token = f->token,
                          .host = "localhost:80",
                          .origin = "http://localhost:80"};
    assert_int_equal(send_request(f, &own), 200);
    static const char *const foreign[] = {"http://evil.example", "http://localhost:81",
                                          "https://localhost.evil.example", "null", "file://"};
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
        struct request r = {.path = "/api/v1/whoami",
                            .token = f->token,
                            .host = "localhost:80",
                            .origin = foreign[i]};
        assert_int_equal(send_request(f, &r), 403);
    }
}

/* "trawl_session_0=…" of the answer */
static void take_cookie(struct fixture *f, char out[300])
{
    const char *line = strstr(answer(f), "Set-Cookie: ");
    assert_non_null(line);
    snprintf(out, 300, "%.*s", (int)strcspn(line + 12, ";"), line + 12);
    assert_non_null(strstr(line, "HttpOnly"));
    assert_non_null(strstr(line, "SameSite=Strict"));
}

static void a_session_lives_from_sign_in_to_sign_out(void **state)
{
    struct fixture *f = *state;
    char body[120], cookie[300];
    snprintf(body, sizeof body, "{\"token\":\"%s\"}", f->token);
    struct request sign_in = {.method = "POST", .path = "/session", .body = body};
    assert_int_equal(send_request(f, &sign_in), 204);
    take_cookie(f, cookie);
    assert_null(strstr(cookie, f->token));

    struct request read = {.path = "/api/v1/whoami", .cookie = cookie};
    assert_int_equal(send_request(f, &read), 200);
    assert_non_null(strstr(body_of(f), "\"name\":\"session\""));
    read.site = "same-site"; /* another port of this host */
    assert_int_equal(send_request(f, &read), 403);
    read.site = "same-origin";
    assert_int_equal(send_request(f, &read), 200);

    struct request write = {.method = "DELETE", .path = "/api/v1/snapshots/x", .cookie = cookie};
    assert_int_equal(send_request(f, &write), 403); /* says not where it comes from */
    write.origin = "http://localhost";
    assert_int_equal(send_request(f, &write), 404);

    char forged[300];
    snprintf(forged, sizeof forged, "%s", cookie);
    size_t last = strlen(forged) - 1;
    forged[last] = forged[last] == '0' ? '1' : '0';
    struct request forger = {.path = "/api/v1/whoami", .cookie = forged};
    assert_int_equal(send_request(f, &forger), 401);
    struct request longer = {.path = "/api/v1/whoami"};
    snprintf(forged, sizeof forged, "trawl_session_0=99999999999.%032d.%064d", 0, 0);
    longer.cookie = forged;
    assert_int_equal(send_request(f, &longer), 401);

    struct request sign_out = {
        .method = "DELETE", .path = "/session", .cookie = cookie, .origin = "http://localhost"};
    assert_int_equal(send_request(f, &sign_out), 204);
    read.site = NULL;
    assert_int_equal(send_request(f, &read), 401);
}

/* ── what is sent ── */

static void every_answer_carries_the_security_headers(void **state)
{
    struct fixture *f = *state;
    static const char *const paths[] = {"/", "/healthz", "/api/v1/whoami", "/api/v1/none", "/%zz"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        (void)get(f, paths[i]);
        assert_non_null(strstr(answer(f), "Content-Security-Policy: default-src 'none'; script-src "
                                          "'self'"));
        assert_non_null(strstr(answer(f), "require-trusted-types-for 'script'"));
        assert_non_null(strstr(answer(f), "X-Content-Type-Options: nosniff"));
        assert_non_null(strstr(answer(f), "X-Frame-Options: DENY"));
    }
}

static void no_path_leads_to_the_disk(void **state)
{
    struct fixture *f = *state;
    static const char *const paths[] = {
        "/../../../../etc/passwd",           "/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "/assets/..%2f..%2f..%2fetc/passwd", "//etc/passwd",
        "/api/v1/snapshots/..%2f..%2ftoken", "/api/v1/snapshots/..",
        "/api/v1/snapshots/..%2f/archive",   "/token",
    };
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        int status = get(f, paths[i]);
        assert_true(status == 200 || status == 400 || status == 404);
        assert_null(strstr(answer(f), "root:"));
        assert_null(strstr(answer(f), f->token));
    }
}

static void what_is_asked_is_checked(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *method, *path, *body;
        int status;
        const char *part;
    } cases[] = {
        {"GET", "/api/v1/snapshots?serch=x", NULL, 400, "\"serch\" is not known"},
        {"GET", "/api/v1/snapshots?limit=0", NULL, 400, "limit"},
        {"GET", "/api/v1/snapshots?limit=x", NULL, 400, "whole number"},
        {"GET", "/api/v1/snapshots?status=Gone", NULL, 400, "one of Pending|In Progress"},
        {"GET", "/api/v1/snapshots?search=a&search=b", NULL, 400, "twice"},
        {"GET", "/api/v1/snapshots?search=%01", NULL, 400, "control characters"},
        {"GET", "/api/v1/snapshots?sort=colour", NULL, 400, "created_at"},
        {"GET", "/api/v1/availability?from=yesterday", NULL, 400, "a time like"},
        {"GET", "/api/v1/availability?from=2026-03-03T14:02:00Z&to=2026-03-03T14:01:00Z", NULL, 400,
         "ends before it begins"},
        {"GET", "/api/v1/availability?nodes=a", NULL, 404, "No node"},
        {"GET", "/api/v1/snapshots/%01", NULL, 400, "control characters"},
        {"GET", "/api/v1/snapshots/none", NULL, 404, NULL},
        {"GET", "/api/v1/entries", NULL, 400, "\"source\" is missing"},
        {"GET", "/api/v1/entries?source=none", NULL, 404, NULL},
        {"GET", "/api/v1/entries?source=live", NULL, 409, "Live"},
        {"GET", "/api/v1/entries?source=x&order=best", NULL, 400, "order"},
        {"GET", "/api/v1/entries?source=x&limit=5000", NULL, 400, "limit"},
        {"POST", "/api/v1/snapshots", "{", 400, "not valid JSON"},
        {"POST", "/api/v1/snapshots", "[]", 400, "JSON object"},
        {"POST", "/api/v1/snapshots", "{\"name\":\"a\",\"name\":\"b\",\"last_s\":1}", 400,
         "not valid JSON"},
        {"POST", "/api/v1/snapshots", "{}", 400, "\"name\" is missing"},
        {"POST", "/api/v1/snapshots", "{\"name\":7,\"last_s\":1}", 400, "a text"},
        {"POST", "/api/v1/snapshots", "{\"name\":\"a\",\"lst_s\":1}", 400, "did you mean"},
        {"POST", "/api/v1/snapshots", "{\"name\":\"a/b\",\"last_s\":1}", 400, "slash"},
        {"POST", "/api/v1/snapshots", "{\"name\":\"a\\u0007\",\"last_s\":1}", 400, "control"},
        {"POST", "/api/v1/snapshots", "{\"name\":\"\",\"last_s\":1}", 400, NULL},
        {"POST", "/api/v1/snapshots", "{\"name\":\"a\"}", 400, "in one way"},
        {"POST", "/api/v1/snapshots", "{\"name\":\"a\",\"last_s\":1,\"max\":true}", 400,
         "in one way"},
        {"POST", "/api/v1/snapshots", "{\"name\":\"a\",\"last_s\":-5}", 400, "more than 0"},
        {"POST", "/api/v1/snapshots", "{\"name\":\"a\",\"last_s\":3e9}", 400, "before 1970"},
        {"POST", "/api/v1/snapshots", "{\"name\":\"a\",\"last_s\":1e300}", 400, "before 1970"},
        {"POST", "/api/v1/snapshots", "{\"name\":\"a\",\"from\":\"1969-12-31T23:59:59Z\"}", 400,
         "before 1970"},
        {"POST", "/api/v1/snapshots", "{\"name\":\"a\",\"from\":\"2261-01-01T00:00:00Z\"}", 400,
         "in the future"},
        {"POST", "/api/v1/snapshots", "{\"name\":\" a\",\"last_s\":1}", 400, "a blank"},
        {"GET", "/api/v1/availability?from=1969-12-31T23:59:59Z", NULL, 400, "before 1970"},
        {"POST", "/api/v1/snapshots", "{\"name\":\"a\",\"from\":\"now\"}", 400, "a time like"},
        {"POST", "/api/v1/snapshots",
         "{\"name\":\"a\",\"from\":\"2026-03-03T14:02:00Z\",\"to\":\"2026-03-03T14:02:00Z\"}", 400,
         "before it begins"},
        {"POST", "/api/v1/snapshots", "{\"name\":\"a\",\"last_s\":5,\"nodes\":[]}", 400,
         "at least one"},
        {"POST", "/api/v1/snapshots", "{\"name\":\"a\",\"last_s\":5,\"nodes\":[\"n\"]}", 404, NULL},
        {"POST", "/api/v1/snapshots", "{\"name\":\"a\",\"last_s\":5,\"filter\":\"host nowhere\"}",
         400, NULL},
        {"POST", "/api/v1/snapshots", "{\"name\":\"a\",\"last_s\":5}", 502, NULL},
        {"POST", "/api/v1/snapshots/import", NULL, 400, "empty"},
        {"POST", "/api/v1/hold", "{\"for_s\":0}", 400, "86400"},
        {"POST", "/api/v1/hold", "{}", 502, "nothing to hold"},
        {"POST", "/api/v1/filter/check", "{\"filter\":7}", 400, "a text"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct request r = {.method = cases[i].method,
                            .path = cases[i].path,
                            .token = f->token,
                            .body = cases[i].body};
        int status = send_request(f, &r);
        if (status != cases[i].status)
            print_message("%s %s %s → %s\n", cases[i].method, cases[i].path,
                          cases[i].body ? cases[i].body : "", body_of(f));
        assert_int_equal(status, cases[i].status);
        assert_problem(f, cases[i].status, cases[i].part);
    }
    struct request form = {.method = "POST",
                           .path = "/api/v1/snapshots",
                           .token = f->token,
                           .body = "name=a",
                           .type = "application/x-www-form-urlencoded"};
    assert_int_equal(send_request(f, &form), 415); /* what a foreign form could send */
}

static void a_large_body_is_refused(void **state)
{
    struct fixture *f = *state;
    size_t n = 2 * 1024 * 1024;
    char *body = malloc(n + 1);
    memset(body, ' ', n);
    body[n] = 0;
    struct request r = {
        .method = "POST", .path = "/api/v1/snapshots", .token = f->token, .body = body};
    int status = send_request(f, &r);
    free(body);
    assert_true(status == 413 || status == 0); /* the rest may be cut off with the connection */
}

static void a_filter_is_checked_with_its_offset(void **state)
{
    struct fixture *f = *state;
    struct request r = {.method = "POST",
                        .path = "/api/v1/filter/check",
                        .token = f->token,
                        .body = "{\"filter\":\"http && statuscode == 1\"}"};
    assert_int_equal(send_request(f, &r), 200);
    json_t *a = json_loads(body_of(f), 0, NULL);
    assert_true(json_is_false(json_object_get(a, "ok")));
    assert_int_equal(json_integer_value(json_object_get(a, "offset")), 8);
    assert_string_equal(json_string_value(json_object_get(a, "suggestion")), "status_code");
    json_decref(a);
    assert_int_equal(get(f, "/api/v1/filter/fields"), 200);
    a = json_loads(body_of(f), 0, NULL);
    assert_true(json_array_size(json_object_get(a, "fields")) > 30);
    assert_true(json_array_size(json_object_get(a, "functions")) > 20);
    json_decref(a);
}

/* ── the documents ── */

/* Every $ref leads somewhere. */
static void assert_refs(const json_t *value, const json_t *schemas_object)
{
    const char *key;
    json_t *member;
    size_t i;
    if (json_is_array(value)) {
        json_array_foreach(value, i, member)
        {
            assert_refs(member, schemas_object);
        }
    }
    json_object_foreach((json_t *)(uintptr_t)value, key, member)
    {
        if (strcmp(key, "$ref") == 0) {
            const char *name = strrchr(json_string_value(member), '/') + 1;
            if (!json_object_get(schemas_object, name))
                print_message("no schema %s\n", name);
            assert_non_null(json_object_get(schemas_object, name));
        } else if (!json_is_string(member)) {
            assert_refs(member, schemas_object);
        }
    }
}

static void openapi_lists_every_route(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(get(f, "/api/v1/openapi.json"), 200);
    json_t *doc = json_loads(body_of(f), JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(doc);
    assert_string_equal(json_string_value(json_object_get(doc, "openapi")), "3.1.0");
    const json_t *paths = json_object_get(doc, "paths");
    for (const struct route *r = routes; r->method; r++) {
        char method[12] = "";
        for (size_t i = 0; r->method[i]; i++)
            method[i] = (char)(r->method[i] | 0x20);
        const json_t *operation = json_object_get(json_object_get(paths, r->path), method);
        assert_non_null(operation);
        assert_string_equal(json_string_value(json_object_get(operation, "x-capability")),
                            capability_name(r->capability));
    }
    assert_refs(doc, json_object_get(json_object_get(doc, "components"), "schemas"));
    json_decref(doc);
}

static void events_begin_with_the_nodes(void **state)
{
    struct fixture *f = *state;
    char head[300];
    snprintf(head, sizeof head,
             "GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n\r\n",
             f->token);
    buf_reset(&f->answer);
    assert_int_equal(raw_ask_until(f->port, head, "\"nodes\":[]", &f->answer), 200);
    assert_non_null(strstr(answer(f), "text/event-stream"));
    assert_non_null(strstr(answer(f), "event: nodes\ndata: {"));
    /* Ids of another run: everything anew. */
    snprintf(head, sizeof head,
             "GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n"
             "Last-Event-ID: 1-1\r\n\r\n",
             f->token);
    buf_reset(&f->answer);
    assert_int_equal(raw_ask_until(f->port, head, "event: resync", &f->answer), 200);
    assert_non_null(strstr(answer(f), "event: resync"));
}

/* ── the last ones: they block this address or change the token ── */

static void a_rotated_token_ends_the_old_one(void **state)
{
    struct fixture *f = *state;
    struct error err = {0};
    char body[120], cookie[300], old[AUTH_TOKEN_SIZE];
    memcpy(old, f->token, sizeof old);
    snprintf(body, sizeof body, "{\"token\":\"%s\"}", f->token);
    struct request sign_in = {.method = "POST", .path = "/session", .body = body};
    assert_int_equal(send_request(f, &sign_in), 204);
    take_cookie(f, cookie);
    assert_int_equal(auth_rotate_token(f->dir, "token", f->token, &err), 0);
    assert_int_equal(get(f, "/api/v1/whoami"), 200); /* at once, without being told */
    struct request with_old = {.path = "/api/v1/whoami", .token = old};
    assert_int_equal(send_request(f, &with_old), 401);
    struct request with_cookie = {.path = "/api/v1/whoami", .cookie = cookie};
    assert_int_equal(send_request(f, &with_cookie), 401);
}

static void guessing_is_slowed_down(void **state)
{
    struct fixture *f = *state;
    struct error err = {0};
    char wrong[AUTH_TOKEN_SIZE];
    memset(wrong, 'a', sizeof wrong - 1);
    wrong[sizeof wrong - 1] = 0;
    struct request guess = {.path = "/api/v1/whoami", .token = wrong};
    int status = 0;
    for (int i = 0; i < 12; i++)
        status = send_request(f, &guess);
    assert_int_equal(status, 429);
    assert_non_null(strstr(answer(f), "Retry-After: 60"));
    char body[120];
    snprintf(body, sizeof body, "{\"token\":\"%s\"}", f->token);
    struct request sign_in = {.method = "POST", .path = "/session", .body = body};
    assert_int_equal(send_request(f, &sign_in), 204); /* who has the token is not locked out */
    assert_int_equal(get(f, "/api/v1/whoami"), 200);
    assert_int_equal(auth_rotate_token(f->dir, "token", f->token, &err), 0);
    struct request with_old = {.method = "POST", .path = "/session", .body = body};
    assert_int_equal(get(f, "/api/v1/whoami"), 200); /* nor after the token was changed */
    assert_int_equal(send_request(f, &with_old), 429);
}

static void failed_logins_stand_in_the_audit_log(void **state)
{
    struct fixture *f = *state;
    struct error err = {0};
    struct audit_check check;
    struct buf lines;
    buf_init(&lines, 1024 * 1024);
    assert_int_equal(audit_read(f->dir, 100, &lines, &check, &err), 0);
    assert_true(check.intact);
    buf_append_u8(&lines, 0);
    assert_non_null(strstr((char *)lines.data, "\"action\":\"login.failed\""));
    assert_null(strstr((char *)lines.data, f->token));
    buf_done(&lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_token_every_route_is_401_but_the_open_ones),
        cmocka_unit_test(the_token_opens_every_route_but_the_workers),
        cmocka_unit_test(the_workers_token_opens_only_registration),
        cmocka_unit_test(unknown_paths_and_methods),
        cmocka_unit_test(only_known_names_in_host),
        cmocka_unit_test(pages_of_others_are_refused),
        cmocka_unit_test(a_session_lives_from_sign_in_to_sign_out),
        cmocka_unit_test(every_answer_carries_the_security_headers),
        cmocka_unit_test(no_path_leads_to_the_disk),
        cmocka_unit_test(what_is_asked_is_checked),
        cmocka_unit_test(a_large_body_is_refused),
        cmocka_unit_test(a_filter_is_checked_with_its_offset),
        cmocka_unit_test(openapi_lists_every_route),
        cmocka_unit_test(events_begin_with_the_nodes),
        cmocka_unit_test(a_rotated_token_ends_the_old_one),
        cmocka_unit_test(guessing_is_slowed_down),
        cmocka_unit_test(failed_logins_stand_in_the_audit_log),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
