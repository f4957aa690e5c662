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
    DEFAULT_IDLE_S = 30,
    STOP_SECONDS = 5,
    CONNECTION_STACK_BYTES = 512 * 1024
};

/* A connection that has not sent its headers by the deadline is cut (slow-loris). */
struct connection {
    struct connection *next, *prev;
    int fd;
    int64_t deadline_ns; /* 0 while a request is being handled */
};

/* ── connections ── */

void http_server_set_deadline(struct MHD_Connection *connection, struct http_server *s,
                              int64_t deadline_ns)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct connection *c = info ? info->socket_context : NULL;
    if (!c)
        return;
    pthread_mutex_lock(&s->lock);
    c->deadline_ns = deadline_ns;
    pthread_mutex_unlock(&s->lock);
}

static void on_connection(void *cls, struct MHD_Connection *connection, void **socket_context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct http_server *s = cls;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        struct connection *c = calloc(1, sizeof *c);
        if (!c || !info) {
            free(c);
            return;
        }
        c->fd = info->connect_fd;
        int one = 1;
        (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        *socket_context = c;
        pthread_mutex_lock(&s->lock);
        c->deadline_ns = clock_mono_ns() + s->options.header_timeout_ns;
        c->next = s->connections;
        if (c->next)
            c->next->prev = c;
        s->connections = c;
        pthread_mutex_unlock(&s->lock);
    } else if (*socket_context) {
        struct connection *c = *socket_context;
        *socket_context = NULL;
        pthread_mutex_lock(&s->lock);
        if (c->prev)
            c->prev->next = c->next;
        else
            s->connections = c->next;
        if (c->next)
            c->next->prev = c->prev;
        pthread_mutex_unlock(&s->lock);
        free(c);
    }
}

/* ── start and stop ── */

static void *watchdog_main(void *arg)
{
    struct http_server *s = arg;
    pthread_mutex_lock(&s->lock);
    while (!s->stopping) {
        int64_t now = clock_mono_ns();
        for (struct connection *c = s->connections; c; c = c->next)
            if (c->deadline_ns && c->deadline_ns < now) {
                (void)shutdown(c->fd, SHUT_RDWR);
                c->deadline_ns = 0;
            }
        struct timespec at;
        clock_gettime(CLOCK_REALTIME, &at);
        at.tv_nsec += 250 * 1000 * 1000;
        if (at.tv_nsec >= 1000 * 1000 * 1000) {
            at.tv_sec++;
            at.tv_nsec -= 1000 * 1000 * 1000;
        }
        (void)pthread_cond_timedwait(&s->changed, &s->lock, &at);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

static int start_threads(struct http_server *s)
{
    const struct http_server_options *o = &s->options;
    /* Signals belong to the main thread. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    s->daemon = MHD_start_daemon(
        MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL |
            MHD_USE_ITC,
        0, NULL, NULL, http_exchange_on_request, s, MHD_OPTION_LISTEN_SOCKET, s->listen_fd,
        MHD_OPTION_CONNECTION_LIMIT, o->max_connections, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
        o->max_per_address, MHD_OPTION_CONNECTION_TIMEOUT, o->idle_timeout_s,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)(HTTP_MAX_HEADER_BYTES * 2),
        MHD_OPTION_THREAD_STACK_SIZE, (size_t)CONNECTION_STACK_BYTES, MHD_OPTION_NOTIFY_COMPLETED,
        http_exchange_on_completed, s, MHD_OPTION_NOTIFY_CONNECTION, on_connection, s,
        MHD_OPTION_URI_LOG_CALLBACK, http_exchange_on_uri, s, MHD_OPTION_UNESCAPE_CALLBACK,
        http_exchange_keep_escapes, s, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
    if (s->daemon && pthread_create(&s->watchdog, NULL, watchdog_main, s) == 0)
        s->watchdog_started = true;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return s->daemon && s->watchdog_started ? 0 : -EAGAIN;
}

static void server_free(struct http_server *s)
{
    if (s->daemon)
        MHD_stop_daemon(s->daemon);
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
        s->options.header_timeout_ns = 10 * NS_PER_S;
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
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += STOP_SECONDS;
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
        e = pthread_cond_timedwait(&s->changed, &s->lock, &until);
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
    pthread_join(s->watchdog, NULL);
    if (ended)
        server_free(s);
}
