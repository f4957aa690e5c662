/* `trawl hub`: the store of snapshots, the API and the dashboard. Also the hub's process of
 * `trawl up`. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/command.h"
#include "cli/data_dir.h"
#include "config/options.h"
#include "hub/data_dir.h"
#include "hub/hub.h"
#include "hub/supervisor.h"

struct hub_flags {
    char *data, *listen;
    uint64_t quota_bytes;
    struct option_list host_names;
};

#define FLAG(member) .offset = offsetof(struct hub_flags, member)
static const struct option_def defs[] = {
    DATA_OPTION(struct hub_flags, data),
    {.name = "listen",
     .type = OPTION_TEXT,
     FLAG(listen),
     .default_value = "127.0.0.1:8899",
     .value_name = "ADDR:PORT",
     .doc = "where the dashboard and the API are served"},
    {.name = "quota",
     .type = OPTION_SIZE,
     FLAG(quota_bytes),
     .value_name = "SIZE",
     .doc = "space for snapshots; default: what the disk has"},
    {.name = "host-name",
     .type = OPTION_LIST,
     FLAG(host_names),
     .value_name = "NAME",
     .doc = "a name under which browsers reach the hub, repeatable"},
    {0},
};
static const struct option_spec spec = {
    .usage = "trawl hub [--data DIR] [--listen ADDR:PORT] [options]",
    .summary = "Keeps snapshots and serves the dashboard and the API; workers announce themselves.",
    .example = "trawl hub --data /srv/trawl --listen 0.0.0.0:8899 --host-name trawl.example.org",
    .defs = defs,
};

static bool supervised(void)
{
    return getenv("TRAWL_PARENT") != NULL;
}

static int give_up(const struct error *err)
{
    return cli_fail_error("hub", supervised() ? SUPERVISOR_EXIT_FATAL : 1, err);
}

/* Many files are open at once while a snapshot is dissected or exported. */
static void raise_file_limit(void)
{
    struct rlimit l;
    if (getrlimit(RLIMIT_NOFILE, &l) == 0) {
        l.rlim_cur = l.rlim_max < 65536 ? l.rlim_max : 65536;
        (void)setrlimit(RLIMIT_NOFILE, &l);
    }
}

static void on_second_signal(int signal)
{
    _exit(128 + signal);
}

static void say_hello(const struct hub *hub, const char *listen_at, const char *data)
{
    const char *token = hub_new_token(hub), *colon = strrchr(listen_at, ':');
    size_t n = (size_t)(colon - listen_at);
    bool any = strncmp(listen_at, "0.0.0.0:", 8) == 0 || strncmp(listen_at, "[::]:", 5) == 0;
    char url[160];
    snprintf(url, sizeof url, "http://%.*s:%u", any ? 9 : (int)n, any ? "127.0.0.1" : listen_at,
             hub_port(hub));
    if (token)
        printf("Dashboard: %s/#token=%s\n"
               "This link is shown once; `trawl token show --data %s` prints the token again.\n",
               url, token, data);
    else
        printf("Dashboard: %s   (`trawl token show --data %s` prints the token)\n", url, data);
    (void)fflush(stdout);
}

/* Until a signal ends it. */
static void serve(struct hub *hub, const sigset_t *signals)
{
    for (;;) {
        struct timespec second = {.tv_sec = 1};
        struct error err = {.offset = ERROR_NO_OFFSET};
        int signal = sigtimedwait(signals, NULL, &second);
        if (signal == SIGTERM || signal == SIGINT)
            break;
        if (signal == SIGHUP && hub_reload(hub, &err) < 0)
            log_error("hub", "the token cannot be read again", "problem=\"%.300s\"", err.text);
        hub_tick(hub);
    }
    struct sigaction now = {.sa_handler = on_second_signal};
    (void)sigaction(SIGTERM, &now, NULL);
    (void)sigaction(SIGINT, &now, NULL);
    (void)sigprocmask(SIG_UNBLOCK, signals, NULL);
    log_info("hub", "stopping", NULL);
    if (!hub_stop(hub))
        _exit(0); /* what is under way goes on at the next start */
}

static int prepare(const struct hub_flags *flags, char data[DATA_DIR_PATH_SIZE],
                   struct error *reterr)
{
    int lock_fd; /* held until the process ends */
    struct ring_owner owner;
    (void)umask(077);
    int e = data_dir_choose(flags->data, data, reterr);
    if (!e)
        e = data_dir_take(data, "trawl hub", &lock_fd, &owner, reterr);
    if (!e)
        e = data_dir_give(data, &owner, reterr);
    if (!e)
        e = ring_owner_become(&owner, 0, false, reterr);
    if (!e && supervisor_bind_to_parent() < 0) /* a change of user undid it */
        _exit(1);
    return e;
}

static int run_hub(void *given, const struct option_operands *operands)
{
    const struct hub_flags *flags = given;
    (void)operands;
    char data[DATA_DIR_PATH_SIZE];
    struct error err = {.offset = ERROR_NO_OFFSET};
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    (void)sigprocmask(SIG_BLOCK, &signals, NULL);
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    (void)sigaction(SIGPIPE, &ignore, NULL);
    if (prepare(flags, data, &err) < 0)
        return give_up(&err);
    raise_file_limit();
    struct hub_options options = {.data_dir = data,
                                  .listen = flags->listen,
                                  .quota_bytes = flags->quota_bytes,
                                  .host_names =
                                      (const char *const *)(uintptr_t)flags->host_names.items};
    const char **names = calloc(flags->host_names.count + 1, sizeof *names);
    for (size_t i = 0; names && i < flags->host_names.count; i++)
        names[i] = flags->host_names.items[i];
    options.host_names = names;
    struct hub *hub = NULL;
    int e = hub_start(&options, &hub, &err);
    free(names);
    if (e)
        return give_up(&err);
    say_hello(hub, flags->listen, data);
    serve(hub, &signals);
    return 0;
}

static int run(int argc, char **argv)
{
    struct hub_flags flags = {0};
    return cli_run("hub", &spec, argc, argv, &flags, run_hub);
}

const struct command cmd_hub = {
    .name = "hub", .summary = "keep snapshots, serve the dashboard and the API", .run = run};
