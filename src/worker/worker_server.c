#include "worker/worker_server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "base/text.h"
#include "worker/worker_state.h"

static const char phase[] = "worker-state";

enum {
    INSTANCE_BYTES = 16,
    TOKEN_BYTES = 32,
    HUB_START_SECONDS = 5,
    POLL_NS = 100 * 1000 * 1000
};

static int random_hex(size_t bytes, char *out)
{
    uint8_t random[TOKEN_BYTES];
    if (getrandom(random, bytes, 0) != (ssize_t)bytes)
        return -EIO;
    text_hex(random, bytes, out);
    return 0;
}

int worker_instance(const char *data_dir, char ret_instance[WORKER_INSTANCE_SIZE],
                    struct error *reterr)
{
    int dir = open(data_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return error_set(reterr, -errno, "the data folder %s cannot be opened.", data_dir);
    struct buf text;
    buf_init(&text, 256);
    uint8_t ignored[INSTANCE_BYTES];
    int r = io_read_file(dir, "worker-id", &text);
    buf_append_u8(&text, 0);
    if (r == 0 && text.len >= WORKER_INSTANCE_SIZE) {
        snprintf(ret_instance, WORKER_INSTANCE_SIZE, "%s", (const char *)text.data);
        r = text_unhex(ret_instance, ignored, sizeof ignored) == INSTANCE_BYTES ? 0 : -EBADMSG;
    } else {
        r = -ENOENT;
    }
    if (r < 0) {
        char line[WORKER_INSTANCE_SIZE + 1];
        r = random_hex(INSTANCE_BYTES, ret_instance);
        snprintf(line, sizeof line, "%.32s\n", ret_instance);
        if (r == 0)
            r = io_replace_file(phase, dir, "worker-id", slice_str(line), 0600);
    }
    buf_done(&text);
    close(dir);
    return r < 0 ? error_set(reterr, r, "worker-id cannot be written in %s.", data_dir) : 0;
}

/* Old nonces go, one new file comes: whoever reads it shares our file system. */
static int make_nonce(struct worker *worker)
{
    char id[WORKER_INSTANCE_SIZE];
    int r = random_hex(INSTANCE_BYTES, id);
    if (r == 0)
        r = random_hex(TOKEN_BYTES, worker->nonce);
    if (r < 0)
        return r;
    snprintf(worker->nonce_file, sizeof worker->nonce_file, "nonce-%s", id);
    return io_replace_file(phase, worker->ring_fd, worker->nonce_file, slice_str(worker->nonce),
                           0600);
}

static int open_ring(struct worker *worker, struct error *reterr)
{
    char path[4200];
    snprintf(path, sizeof path, "%.4000s/ring", worker->options->data_dir);
    int r = io_make_dirs(phase, path, 0700);
    if (r < 0)
        return error_set(reterr, r, "the ring folder %s cannot be made: %s.", path,
                         strerrordesc_np(-r));
    worker->ring_dir = realpath(path, NULL);
    worker->ring_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (!worker->ring_dir || worker->ring_fd < 0)
        return error_set(reterr, -errno, "the ring folder %s cannot be opened.", path);
    r = ring_reader_open(AT_FDCWD, path, &worker->reader, reterr);
    if (r == 0)
        r = ring_control_open(AT_FDCWD, path, &worker->control, reterr);
    if (r < 0)
        return r;
    r = make_nonce(worker);
    return r < 0 ? error_set(reterr, r, "the ring folder %s cannot be written: %s.", path,
                             strerrordesc_np(-r))
                 : 0;
}

static void close_ring(struct worker *worker)
{
    if (worker->nonce_file[0])
        io_unlink(phase, worker->ring_fd, worker->nonce_file, 0);
    ring_control_free(worker->control);
    ring_reader_free(worker->reader);
    if (worker->ring_fd >= 0)
        close(worker->ring_fd);
    free(worker->ring_dir);
}

/* Registers every five seconds; says once what is wrong, and once that it is mended. A hub that is
 * started together with us may take its time, so nothing is said in the first seconds. */
static void serve_until_stopped(struct worker *worker)
{
    int64_t next_ns = 0, started_ns = clock_mono_ns();
    char last_error[sizeof((struct error *)0)->text] = "";
    bool was_registered = false;
    while (!*worker->options->stop) {
        int64_t now = clock_mono_ns();
        if (worker->options->hub_url && now >= next_ns) {
            struct error error = {0};
            bool registered = worker_register(worker, &error) == 0;
            bool patient = now - started_ns < HUB_START_SECONDS * NS_PER_S;
            if (!registered && !patient && strcmp(error.text, last_error) != 0)
                log_warn("worker", "not registered with the hub", "hub=%s reason=\"%s\"",
                         worker->options->hub_url, error.text);
            if (registered && !was_registered)
                log_info("worker", "registered with the hub", "hub=%s name=%s",
                         worker->options->hub_url, worker->options->name);
            snprintf(last_error, sizeof last_error, "%s", registered || patient ? "" : error.text);
            was_registered = registered;
            /* A hub that is still starting is asked again soon. */
            next_ns = now + (registered ? WORKER_REGISTER_SECONDS * NS_PER_S : NS_PER_S / 2);
        }
        nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
    }
}

int worker_server_run(const struct worker_server_options *options, struct error *reterr)
{
    struct worker worker = {.options = options, .ring_fd = -1};
    struct http_server *server = NULL;
    int r = worker_instance(options->data_dir, worker.instance, reterr);
    if (r == 0 && random_hex(TOKEN_BYTES, worker.callback_token) < 0)
        r = error_set(reterr, -EIO, "the system gave no random numbers.");
    if (r == 0)
        r = open_ring(&worker, reterr);
    if (r == 0) {
        struct http_server_options server_options = {
            .listen = options->listen, .handler = worker_handle, .ctx = &worker};
        r = http_server_start(&server_options, &server, reterr);
    }
    if (r == 0) {
        worker.port = http_server_port(server);
        if (options->on_listening)
            options->on_listening(options->ctx, worker.port);
        serve_until_stopped(&worker);
        http_server_stop(server);
    }
    close_ring(&worker);
    return r;
}
