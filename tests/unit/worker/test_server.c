/* The worker server against a hub of the test's own: it registers, answers only with the token it
 * registered, and treats names as data. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "ring/ring_control.h"
#include "unit/unit_test.h"
#include "worker/worker_protocol.h"
#include "worker/worker_server.h"

struct world {
    char dir[64];
    char hub_url[64];
    struct http_server *hub;
    pthread_t thread;
    pthread_mutex_t lock;
    json_t *registration; /* guarded by lock */
    volatile sig_atomic_t stop;
    int run_result;
    char worker_url[64];
    char token[WORKER_TOKEN_SIZE];
    struct buf answer;
};

static void on_hub_request(void *ctx, struct http_request *request)
{
    struct world *world = ctx;
    struct buf body;
    buf_init(&body, WORKER_MAX_BODY_BYTES);
    const char *authorization = http_request_header(request, "Authorization");
    bool right = authorization && strcmp(authorization, "Bearer the-hubs-token") == 0 &&
                 strcmp(http_request_path(request), WORKER_REGISTER_PATH) == 0 &&
                 http_request_read_body(request, &body) == 0;
    if (right) {
        pthread_mutex_lock(&world->lock);
        json_decref(world->registration);
        world->registration = json_loadb((const char *)body.data, body.len, 0, NULL);
        pthread_mutex_unlock(&world->lock);
    }
    buf_done(&body);
    http_response_send(request, right ? 200 : 401, "application/json",
                       slice_str(right ? "{\"ok\":true,\"now_ns\":1}" : "{}"));
}

static void *run_worker(void *arg)
{
    struct world *world = arg;
    char token_file[96];
    snprintf(token_file, sizeof token_file, "%s/worker-token", world->dir);
    struct worker_server_options options = {.name = "node-1",
                                            .data_dir = world->dir,
                                            .listen = "127.0.0.1:0",
                                            .hub_url = world->hub_url,
                                            .token_file = token_file,
                                            .stop = &world->stop};
    struct error error = {0};
    world->run_result = worker_server_run(&options, &error);
    return NULL;
}

static bool take_registration(struct world *world)
{
    pthread_mutex_lock(&world->lock);
    const char *token = json_string_value(json_object_get(world->registration, "token"));
    json_int_t port = json_integer_value(json_object_get(world->registration, "port"));
    if (token) {
        snprintf(world->token, sizeof world->token, "%s", token);
        snprintf(world->worker_url, sizeof world->worker_url, "http://127.0.0.1:%d", (int)port);
    }
    pthread_mutex_unlock(&world->lock);
    return token != NULL;
}

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    snprintf(world->dir, sizeof world->dir, "/tmp/trawl_worker_XXXXXX");
    assert_non_null(mkdtemp(world->dir));
    pthread_mutex_init(&world->lock, NULL);
    buf_init(&world->answer, 1 << 20);
    int dir = open(world->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(
        io_replace_file("test", dir, "worker-token", slice_str("the-hubs-token\n"), 0600), 0);
    close(dir);
    struct http_server_options options = {
        .listen = "127.0.0.1:0", .handler = on_hub_request, .ctx = world};
    assert_int_equal(http_server_start(&options, &world->hub, NULL), 0);
    snprintf(world->hub_url, sizeof world->hub_url, "http://127.0.0.1:%u",
             http_server_port(world->hub));
    assert_int_equal(pthread_create(&world->thread, NULL, run_worker, world), 0);
    for (int i = 0; i < 500 && !take_registration(world); i++)
        nanosleep(&(struct timespec){.tv_nsec = 20 * 1000 * 1000}, NULL);
    assert_true(world->token[0]);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    world->stop = 1;
    pthread_join(world->thread, NULL);
    assert_int_equal(world->run_result, 0);
    http_server_stop(world->hub);
    json_decref(world->registration);
    buf_done(&world->answer);
    pthread_mutex_destroy(&world->lock);
    io_remove_tree("test", AT_FDCWD, world->dir);
    free(world);
    return 0;
}

/* The status of the answer; its body is in world->answer. */
static int ask_with(struct world *world, const char *token, const char *method, const char *path,
                    const char *body)
{
    struct http_client *client;
    struct http_client_options options = {.base_url = world->worker_url, .bearer_token = token};
    assert_int_equal(http_client_new(&options, &client, NULL), 0);
    buf_reset(&world->answer);
    struct http_exchange exchange = {
        .method = method, .path_and_query = path, .response = &world->answer};
    if (body) {
        exchange.content_type = "application/json";
        exchange.body = slice_str(body);
    }
    struct error error = {0};
    if (http_client_do(client, &exchange, &error) < 0)
        fail_msg("%s %s: %s", method, path, error.text);
    http_client_free(client);
    return exchange.ret_status;
}

static int ask(struct world *world, const char *method, const char *path, const char *body)
{
    return ask_with(world, world->token, method, path, body);
}

static json_t *answer(struct world *world)
{
    json_t *json = json_loadb((const char *)world->answer.data, world->answer.len, 0, NULL);
    assert_non_null(json);
    return json;
}

static void test_registration_says_who_it_is(void **state)
{
    struct world *world = *state;
    pthread_mutex_lock(&world->lock);
    assert_string_equal(json_string_value(json_object_get(world->registration, "name")), "node-1");
    assert_int_equal(strlen(json_string_value(json_object_get(world->registration, "instance"))),
                     WORKER_INSTANCE_SIZE - 1);
    pthread_mutex_unlock(&world->lock);
    char instance[WORKER_INSTANCE_SIZE];
    assert_int_equal(worker_instance(world->dir, instance, NULL), 0);
    char again[WORKER_INSTANCE_SIZE];
    assert_int_equal(worker_instance(world->dir, again, NULL), 0);
    assert_string_equal(instance, again);
}

static void test_nothing_without_the_registered_token(void **state)
{
    struct world *world = *state;
    static const char *const paths[] = {"/worker/v1/status", "/worker/v1/segments",
                                        "/worker/v1/local", "/worker/v1/nothing", "/"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        assert_int_equal(ask_with(world, NULL, "GET", paths[i], NULL), 401);
        assert_int_equal(ask_with(world, "the-hubs-token", "GET", paths[i], NULL), 401);
    }
    assert_int_equal(ask(world, "GET", "/worker/v1/nothing", NULL), 404);
    assert_int_equal(ask(world, "DELETE", "/worker/v1/status", NULL), 404);
}

static void test_status_without_a_capturer_says_so(void **state)
{
    struct world *world = *state;
    assert_int_equal(ask(world, "GET", "/worker/v1/status", NULL), 200);
    json_t *status = answer(world);
    assert_string_equal(json_string_value(json_object_get(status, "state")), "not_recording");
    assert_true(strlen(json_string_value(json_object_get(status, "state_detail"))) > 0);
    json_decref(status);
    assert_int_equal(ask(world, "POST", "/worker/v1/rotate", "{}"), 200);
    status = answer(world);
    assert_true(json_is_null(json_object_get(status, "covered_to_ns")));
    json_decref(status);
    assert_int_equal(ask(world, "POST", "/worker/v1/pause", "{}"), 409);
}

static void test_names_are_data_never_paths(void **state)
{
    struct world *world = *state;
    static const char *const names[] = {"..%2f..%2fetc%2fpasswd",
                                        "worker-id",
                                        "lock",
                                        "00001-0000000001.idx",
                                        "%00",
                                        "00001-1.pcapng",
                                        "..",
                                        "00001-00000000010000000000000000000000.pcapng"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[160];
        snprintf(path, sizeof path, "/worker/v1/segments/%s", names[i]);
        int status = ask(world, "GET", path, NULL);
        assert_true(status == 400 || status == 404);
    }
    assert_int_equal(ask(world, "GET", "/worker/v1/segments/00001-0000000042.pcapng", NULL), 404);
    assert_int_equal(ask(world, "GET", "/worker/v1/segments?from_ns=abc", NULL), 400);
    assert_int_equal(ask(world, "GET", "/worker/v1/segments?from_ns=2&to_ns=1", NULL), 400);
    assert_int_equal(ask(world, "GET", "/worker/v1/segments", NULL), 200);
}

static void test_pins_are_made_renewed_and_released(void **state)
{
    struct world *world = *state;
    assert_int_equal(ask(world, "POST", "/worker/v1/pins", "{\"from_ns\":1,\"to_ns\":2}"), 201);
    json_t *pin = answer(world);
    char path[96];
    snprintf(path, sizeof path, "/worker/v1/pins/%s",
             json_string_value(json_object_get(pin, "id")));
    json_decref(pin);
    assert_int_equal(ask(world, "POST", path, "{}"), 200);
    assert_int_equal(ask(world, "DELETE", path, NULL), 204);
    assert_int_equal(ask(world, "DELETE", path, NULL), 204);
    assert_int_equal(ask(world, "POST", path, "{}"), 404);
    assert_int_equal(ask(world, "POST", "/worker/v1/pins/..", "{}"), 404);
    static const char *const bad[] = {"",
                                      "{}",
                                      "[]",
                                      "{\"from_ns\":2,\"to_ns\":1}",
                                      "{\"from_ns\":\"1\",\"to_ns\":2}",
                                      "{\"from_ns\":1,\"from_ns\":1,\"to_ns\":2}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(ask(world, "POST", "/worker/v1/pins", bad[i]), 400);
}

static void test_the_nonce_proves_a_shared_file_system(void **state)
{
    struct world *world = *state;
    assert_int_equal(ask(world, "GET", "/worker/v1/local", NULL), 200);
    json_t *local = answer(world);
    char path[512];
    snprintf(path, sizeof path, "%s/%s", json_string_value(json_object_get(local, "ring_dir")),
             json_string_value(json_object_get(local, "nonce_file")));
    struct buf nonce;
    buf_init(&nonce, 256);
    assert_int_equal(io_read_file(AT_FDCWD, path, &nonce), 0);
    assert_true(
        slice_eq_str(buf_slice(&nonce), json_string_value(json_object_get(local, "nonce"))));
    buf_done(&nonce);
    json_decref(local);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_registration_says_who_it_is),
        cmocka_unit_test(test_nothing_without_the_registered_token),
        cmocka_unit_test(test_status_without_a_capturer_says_so),
        cmocka_unit_test(test_names_are_data_never_paths),
        cmocka_unit_test(test_pins_are_made_renewed_and_released),
        cmocka_unit_test(test_the_nonce_proves_a_shared_file_system),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
