#include "net/http_server.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/http_internal.h"

enum {
    DEFAULT_CONNECTIONS = 256,
    DEFAULT_PER_ADDRESS = 64,
    DEFAULT_HEADERS_S = 5,
    DEFAULT_IDLE_S = 30,
    STOP_SECONDS = 5,
    CONNECTION_STACK_BYTES = 512 * 1024
};

/* ── connections ── */

static void on_connection(void *cls, struct MHD_Connection *connection, void **socket_context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct http_server *s = cls;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        int fd = info ? info->connect_fd : -1, one = 1;
        info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (fd >= 0 && info && info->client_addr)
            *socket_context = http_connections_add(s->connections, fd, info->client_addr);
    } else if (*socket_context) {
        http_connections_remove(s->connections, *socket_context);
        *socket_context = NULL;
    }
}

/* ── start and stop ── */

static int start_threads(struct http_server *s)
{
    const struct http_server_options *o = &s->options;
    /* Signals belong to the main thread. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    struct http_connections_limits limits = {
        .all = o->max_connections,
        .per_address = o->max_per_address,
        .new_ns = o->header_timeout_ns,
        .kept_ns = o->header_timeout_ns + o->idle_timeout_s * NS_PER_S,
    };
    int e = http_connections_new(&limits, &s->connections);
    s->daemon =
        e ? NULL
          : MHD_start_daemon(
                MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL |
                    MHD_USE_ITC | MHD_USE_ERROR_LOG,
                0, NULL, NULL, http_exchange_on_request, s, MHD_OPTION_LISTEN_SOCKET, s->listen_fd,
                MHD_OPTION_EXTERNAL_LOGGER, http_exchange_on_log, NULL, MHD_OPTION_CONNECTION_LIMIT,
                o->max_connections + HTTP_CONNECTIONS_ENDING, MHD_OPTION_CONNECTION_TIMEOUT,
                o->idle_timeout_s, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                (size_t)(HTTP_MAX_HEADER_BYTES * 2), MHD_OPTION_THREAD_STACK_SIZE,
                (size_t)CONNECTION_STACK_BYTES, MHD_OPTION_NOTIFY_COMPLETED,
                http_exchange_on_completed, s, MHD_OPTION_NOTIFY_CONNECTION, on_connection, s,
                MHD_OPTION_URI_LOG_CALLBACK, http_exchange_on_uri, s, MHD_OPTION_UNESCAPE_CALLBACK,
                http_exchange_keep_escapes, s,
                MHD_OPTION_END); /* strictness is ours: its answers have two heads (0.9.75) */
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return s->daemon ? 0 : -EAGAIN;
}

static void server_free(struct http_server *s)
{
    if (s->daemon)
        MHD_stop_daemon(s->daemon);
    if (s->connections) {
        http_connections_stop(s->connections);
        http_connections_free(s->connections);
    }
    if (s->listen_fd >= 0)
        close(s->listen_fd);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

int http_server_start(const struct http_server_options *options, struct http_server **ret_server,
                      struct error *reterr)
{
    struct http_server *s = calloc(1, sizeof *s);
    if (!s)
        return error_set(reterr, -ENOMEM, "There is no memory for the HTTP server.");
    s->options = *options;
    s->listen_fd = -1;
    if (!s->options.max_connections)
        s->options.max_connections = DEFAULT_CONNECTIONS;
    if (!s->options.max_per_address)
        s->options.max_per_address = DEFAULT_PER_ADDRESS;
    if (!s->options.idle_timeout_s)
        s->options.idle_timeout_s = DEFAULT_IDLE_S;
    if (!s->options.header_timeout_ns)
        s->options.header_timeout_ns = DEFAULT_HEADERS_S * NS_PER_S;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    int e = http_listen_open(options->listen, &s->listen_fd, &s->port, reterr);
    if (!e && start_threads(s) < 0)
        e = error_set(reterr, -EAGAIN, "The HTTP server's threads cannot be started.");
    if (e) {
        server_free(s);
        return e;
    }
    s->options.listen = NULL; /* was borrowed */
    *ret_server = s;
    return 0;
}

uint16_t http_server_port(const struct http_server *server)
{
    return server->port;
}

/* Everything that waits on a client is told to end; handlers get five seconds. */
static bool wait_for_handlers(struct http_server *s)
{
    int64_t until = clock_mono_ns() + STOP_SECONDS * NS_PER_S;
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    for (struct http_request *r = s->requests; r; r = r->next) {
        pthread_mutex_lock(&r->lock);
        r->gone = true;
        pthread_cond_broadcast(&r->to_handler);
        pthread_mutex_unlock(&r->lock);
    }
    pthread_cond_broadcast(&s->changed);
    int e = 0;
    while (s->active && e != ETIMEDOUT)
        e = clock_wait(&s->changed, &s->lock, until);
    bool ended = s->active == 0;
    pthread_mutex_unlock(&s->lock);
    return ended;
}

void http_server_stop(struct http_server *s)
{
    if (!s)
        return;
    (void)MHD_quiesce_daemon(s->daemon);
    (void)shutdown(s->listen_fd, SHUT_RDWR); /* closed once nobody can be polling it */
    bool ended = wait_for_handlers(s);
    if (ended)
        server_free(s);
}
