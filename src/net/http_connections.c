#include "net/http_connections.h"

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define LOOK_NS (250 * NS_PER_MS)

struct http_connection {
    struct http_connection *next, *prev;
    int fd;
    struct in6_addr address;
    enum http_connection_state state;
    int64_t since_ns; /* when it came into this state */
};

struct http_connections {
    struct http_connections_limits limits;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    struct http_connection *list;
    bool stopping;
    pthread_t watchdog;
};

/* ── deadlines ── */

static void cut(struct http_connection *c)
{
    (void)shutdown(c->fd, SHUT_RDWR);
    c->state = HTTP_CONNECTION_CUT;
}

static bool is_late(const struct http_connections *all, const struct http_connection *c,
                    int64_t now)
{
    if (c->state == HTTP_CONNECTION_NEW)
        return now - c->since_ns > all->limits.new_ns;
    return c->state == HTTP_CONNECTION_KEPT && now - c->since_ns > all->limits.kept_ns;
}

static void *watch(void *arg)
{
    struct http_connections *all = arg;
    pthread_mutex_lock(&all->lock);
    while (!all->stopping) {
        int64_t now = clock_mono_ns();
        for (struct http_connection *c = all->list; c; c = c->next)
            if (is_late(all, c, now))
                cut(c);
        (void)clock_wait(&all->changed, &all->lock, now + LOOK_NS);
    }
    pthread_mutex_unlock(&all->lock);
    return NULL;
}

/* ── life ── */

int http_connections_new(const struct http_connections_limits *limits,
                         struct http_connections **ret_connections)
{
    struct http_connections *all = calloc(1, sizeof *all);
    if (!all)
        return -ENOMEM;
    all->limits = *limits;
    pthread_mutex_init(&all->lock, NULL);
    pthread_cond_init(&all->changed, NULL);
    if (pthread_create(&all->watchdog, NULL, watch, all) != 0) {
        http_connections_free(all);
        return -EAGAIN;
    }
    *ret_connections = all;
    return 0;
}

void http_connections_stop(struct http_connections *all)
{
    pthread_mutex_lock(&all->lock);
    all->stopping = true;
    pthread_cond_broadcast(&all->changed);
    pthread_mutex_unlock(&all->lock);
    pthread_join(all->watchdog, NULL);
}

void http_connections_free(struct http_connections *all)
{
    pthread_cond_destroy(&all->changed);
    pthread_mutex_destroy(&all->lock);
    free(all);
}

/* ── limits ── */

static struct in6_addr address_of(const struct sockaddr *from)
{
    struct in6_addr address = {0};
    if (from->sa_family == AF_INET6) {
        address = ((const struct sockaddr_in6 *)(const void *)from)->sin6_addr;
    } else if (from->sa_family == AF_INET) { /* ::ffff:a.b.c.d */
        memset(address.s6_addr + 10, 0xff, 2);
        memcpy(address.s6_addr + 12, &((const struct sockaddr_in *)(const void *)from)->sin_addr,
               4);
    }
    return address;
}

/* True when `a` is the better one to cut. */
static bool waits_longer(const struct http_connection *a, const struct http_connection *b)
{
    return a->state != b->state ? a->state < b->state : a->since_ns < b->since_ns;
}

/* Makes room for `c`, which is in the list, among those of its address or among all. */
static void make_room(struct http_connections *all, struct http_connection *c, bool same_address)
{
    unsigned count = 0, limit = same_address ? all->limits.per_address : all->limits.all;
    struct http_connection *victim = NULL;
    for (struct http_connection *o = all->list; o; o = o->next) {
        if (o->state == HTTP_CONNECTION_CUT ||
            (same_address && memcmp(&o->address, &c->address, sizeof c->address) != 0))
            continue;
        count++;
        if (o != c && o->state != HTTP_CONNECTION_BUSY && (!victim || waits_longer(o, victim)))
            victim = o;
    }
    if (count > limit)
        cut(victim ? victim : c);
}

struct http_connection *http_connections_add(struct http_connections *all, int fd,
                                             const struct sockaddr *address)
{
    struct http_connection *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->fd = fd;
    c->address = address_of(address);
    c->state = HTTP_CONNECTION_NEW;
    pthread_mutex_lock(&all->lock);
    c->since_ns = clock_mono_ns();
    c->next = all->list;
    if (c->next)
        c->next->prev = c;
    all->list = c;
    make_room(all, c, true);
    if (c->state != HTTP_CONNECTION_CUT)
        make_room(all, c, false);
    pthread_mutex_unlock(&all->lock);
    return c;
}

void http_connections_remove(struct http_connections *all, struct http_connection *c)
{
    pthread_mutex_lock(&all->lock);
    if (c->prev)
        c->prev->next = c->next;
    else
        all->list = c->next;
    if (c->next)
        c->next->prev = c->prev;
    pthread_mutex_unlock(&all->lock);
    free(c);
}

void http_connections_set(struct http_connections *all, struct http_connection *c,
                          enum http_connection_state state)
{
    if (!c)
        return;
    pthread_mutex_lock(&all->lock);
    if (c->state != HTTP_CONNECTION_CUT) {
        c->state = state;
        c->since_ns = clock_mono_ns();
    }
    pthread_mutex_unlock(&all->lock);
}
