#include "hub/fleet.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "hub/fleet_private.h"

int fleet_new(struct fleet **ret_fleet)
{
    struct fleet *fleet = calloc(1, sizeof *fleet);
    if (!fleet)
        return -ENOMEM;
    pthread_mutex_init(&fleet->lock, NULL);
    *ret_fleet = fleet;
    return 0;
}

static void node_free(struct fleet_node *node)
{
    if (node->ring_fd >= 0)
        close(node->ring_fd);
    free(node->status);
    pthread_cond_destroy(&node->changed);
    pthread_mutex_destroy(&node->lock);
    free(node);
}

struct fleet_node *fleet_node_ref(struct fleet_node *node)
{
    pthread_mutex_lock(&node->fleet->lock);
    node->refs++;
    pthread_mutex_unlock(&node->fleet->lock);
    return node;
}

void fleet_node_unref(struct fleet_node *node)
{
    if (!node)
        return;
    pthread_mutex_lock(&node->fleet->lock);
    bool last = --node->refs == 0;
    pthread_mutex_unlock(&node->fleet->lock);
    if (last)
        node_free(node);
}

void fleet_free(struct fleet *fleet)
{
    if (!fleet)
        return;
    for (size_t i = 0; i < fleet->count; i++) {
        struct fleet_node *node = fleet->nodes[i];
        pthread_mutex_lock(&node->lock);
        node->ended = true;
        pthread_cond_broadcast(&node->changed);
        pthread_mutex_unlock(&node->lock);
    }
    for (size_t i = 0; i < fleet->count; i++) {
        if (fleet->nodes[i]->thread_started)
            pthread_join(fleet->nodes[i]->thread, NULL);
        fleet_node_unref(fleet->nodes[i]);
    }
    pthread_mutex_destroy(&fleet->lock);
    free(fleet);
}

/* ── registration ── */

static bool is_hex(const char *text, size_t len)
{
    return text && strlen(text) == len && strspn(text, "0123456789abcdef") == len;
}

static int check_registration(const struct fleet_registration *r, struct error *reterr)
{
    char shown[100];
    if (!worker_name_valid(r->name))
        return error_set(reterr, -EINVAL,
                         "\"%s\" is no name of a node: letters, digits, dots, dashes and "
                         "underscores, beginning with a letter or digit.",
                         text_escape(slice_str(r->name), shown, sizeof shown));
    if (!is_hex(r->instance, WORKER_INSTANCE_SIZE - 1) || !is_hex(r->token, WORKER_TOKEN_SIZE - 1))
        return error_set(reterr, -EINVAL, "\"instance\" and \"token\" have to be hexadecimal.");
    if (!r->address[0] || strlen(r->address) > 64 ||
        strspn(r->address, "0123456789abcdefABCDEF.:%") != strlen(r->address))
        return error_set(reterr, -EINVAL, "\"address\" has to be a numeric address.");
    if (strlen(r->version) > 31)
        return error_set(reterr, -EINVAL, "\"version\" is too long.");
    return 0;
}

/* The place of a name in the sorted list. */
static size_t place_of(const struct fleet *fleet, const char *name, bool *ret_found)
{
    size_t low = 0, high = fleet->count;
    *ret_found = false;
    while (low < high) {
        size_t mid = (low + high) / 2;
        int c = strcmp(fleet->nodes[mid]->name, name);
        if (c == 0) {
            *ret_found = true;
            return mid;
        }
        if (c < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static int add_node(struct fleet *fleet, size_t place, const char *name, struct error *reterr)
{
    if (fleet->count == FLEET_MAX_NODES)
        return error_set(reterr, -ENOSPC, "This hub serves at most %d nodes.", FLEET_MAX_NODES);
    struct fleet_node *node = calloc(1, sizeof *node);
    if (!node)
        return error_set(reterr, -ENOMEM, "There is no memory for another node.");
    node->fleet = fleet;
    node->refs = 1;
    node->ring_fd = -1;
    node->known_mono_ns = clock_mono_ns();
    snprintf(node->name, sizeof node->name, "%s", name);
    pthread_mutex_init(&node->lock, NULL);
    pthread_cond_init(&node->changed, NULL);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int e = pthread_create(&node->thread, NULL, fleet_poll_main, node);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (e) {
        node_free(node);
        return error_set(reterr, -e, "There is no thread for another node.");
    }
    node->thread_started = true;
    memmove(&fleet->nodes[place + 1], &fleet->nodes[place],
            (fleet->count - place) * sizeof fleet->nodes[0]);
    fleet->nodes[place] = node;
    fleet->count++;
    return 0;
}

bool fleet_node_is_silent(const struct fleet_node *node)
{
    return clock_mono_ns() - node->registered_mono_ns > WORKER_SILENT_SECONDS * NS_PER_S &&
           clock_mono_ns() - node->status_mono_ns > WORKER_SILENT_SECONDS * NS_PER_S;
}

bool fleet_node_is_stale(const struct fleet_node *node)
{
    if (!node->status)
        return fleet_node_is_silent(node);
    return clock_mono_ns() - node->status_mono_ns > FLEET_STALE_SECONDS * NS_PER_S;
}

/* Called with the fleet's lock. */
static int update_node(struct fleet_node *node, const struct fleet_registration *r,
                       struct error *reterr)
{
    int e = 0;
    pthread_mutex_lock(&node->lock);
    if (node->instance[0] && strcmp(node->instance, r->instance) != 0 &&
        !fleet_node_is_silent(node)) {
        e = error_set(reterr, -EEXIST,
                      "Another worker called %.100s is alive; give this one another name with "
                      "--node.",
                      node->name);
    } else {
        bool moved = node->port != r->port || strcmp(node->address, r->address) != 0 ||
                     strcmp(node->token, r->token) != 0;
        snprintf(node->instance, sizeof node->instance, "%s", r->instance);
        snprintf(node->address, sizeof node->address, "%s", r->address);
        snprintf(node->token, sizeof node->token, "%s", r->token);
        text_escape(slice_str(r->version), node->version, sizeof node->version);
        node->port = r->port;
        node->registered_mono_ns = clock_mono_ns();
        if (moved) {
            node->generation++;
            pthread_cond_broadcast(&node->changed);
        }
    }
    pthread_mutex_unlock(&node->lock);
    return e;
}

int fleet_register(struct fleet *fleet, const struct fleet_registration *r, struct error *reterr)
{
    int e = check_registration(r, reterr);
    if (e)
        return e;
    bool found;
    pthread_mutex_lock(&fleet->lock);
    size_t place = place_of(fleet, r->name, &found);
    if (!found)
        e = add_node(fleet, place, r->name, reterr);
    if (!e)
        e = update_node(fleet->nodes[place], r, reterr);
    pthread_mutex_unlock(&fleet->lock);
    return e;
}

/* ── looking up ── */

static int unknown_node(const struct fleet *fleet, const char *name, struct error *reterr)
{
    const char *names[FLEET_MAX_NODES + 1];
    char shown[100];
    for (size_t i = 0; i < fleet->count; i++)
        names[i] = fleet->nodes[i]->name;
    names[fleet->count] = NULL;
    const char *close = text_suggest(slice_str(name), names);
    text_escape(slice_str(name), shown, sizeof shown);
    return close ? error_set(reterr, -ENOENT, "No node is called \"%s\"; did you mean \"%.100s\"?",
                             shown, close)
                 : error_set(reterr, -ENOENT, "No node is called \"%s\".", shown);
}

int fleet_nodes(struct fleet *fleet, const char *const *names, struct fleet_node ***ret_nodes,
                size_t *ret_count, struct error *reterr)
{
    int e = 0;
    size_t n = 0;
    pthread_mutex_lock(&fleet->lock);
    struct fleet_node **list = calloc(fleet->count + 1, sizeof(struct fleet_node *));
    if (!list)
        e = error_set(reterr, -ENOMEM, "There is no memory for the list of nodes.");
    for (size_t i = 0; !e && !names && i < fleet->count; i++)
        list[n++] = fleet->nodes[i];
    for (size_t i = 0; !e && names && names[i]; i++) {
        bool found, twice = false;
        size_t place = place_of(fleet, names[i], &found);
        if (!found) {
            e = unknown_node(fleet, names[i], reterr);
            break;
        }
        for (size_t k = 0; k < n; k++)
            twice = twice || list[k] == fleet->nodes[place];
        if (!twice)
            list[n++] = fleet->nodes[place];
    }
    for (size_t i = 0; !e && i < n; i++)
        list[i]->refs++;
    pthread_mutex_unlock(&fleet->lock);
    if (e) {
        free(list);
        return e;
    }
    *ret_nodes = list;
    *ret_count = n;
    return 0;
}

void fleet_nodes_done(struct fleet_node **nodes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        fleet_node_unref(nodes[i]);
    free(nodes);
}

struct fleet_node *fleet_find(struct fleet *fleet, const char *name)
{
    bool found;
    pthread_mutex_lock(&fleet->lock);
    size_t place = place_of(fleet, name, &found);
    struct fleet_node *node = found ? fleet->nodes[place] : NULL;
    if (node)
        node->refs++;
    pthread_mutex_unlock(&fleet->lock);
    return node;
}

const char *fleet_node_name(const struct fleet_node *node)
{
    return node->name;
}

int fleet_node_connect(struct fleet_node *node, struct worker_client **ret_client,
                       struct error *reterr)
{
    char address[sizeof node->address], token[sizeof node->token];
    pthread_mutex_lock(&node->lock);
    memcpy(address, node->address, sizeof address);
    memcpy(token, node->token, sizeof token);
    uint16_t port = node->port;
    pthread_mutex_unlock(&node->lock);
    return worker_client_new(node->name, address, port, token, ret_client, reterr);
}

unsigned fleet_node_generation(struct fleet_node *node)
{
    pthread_mutex_lock(&node->lock);
    unsigned generation = node->generation;
    pthread_mutex_unlock(&node->lock);
    return generation;
}

bool fleet_node_heard_lately(struct fleet_node *node)
{
    pthread_mutex_lock(&node->lock);
    int64_t heard = node->status ? node->status_mono_ns : node->known_mono_ns;
    pthread_mutex_unlock(&node->lock);
    return clock_mono_ns() - heard <= WORKER_SILENT_SECONDS * NS_PER_S;
}

bool fleet_node_is_doubtful(struct fleet_node *node)
{
    pthread_mutex_lock(&node->lock);
    bool doubtful = !node->status || node->problem[0] || fleet_node_is_stale(node);
    pthread_mutex_unlock(&node->lock);
    return doubtful;
}

int fleet_node_ring_fd(struct fleet_node *node)
{
    pthread_mutex_lock(&node->lock);
    int fd = node->ring_fd >= 0 ? fcntl(node->ring_fd, F_DUPFD_CLOEXEC, 3) : -EXDEV;
    pthread_mutex_unlock(&node->lock);
    return fd < 0 ? -EXDEV : fd;
}

/* The exchange with the shortest round trip says most about the clock. */
struct fleet_clock fleet_node_clock_locked(const struct fleet_node *node)
{
    if (node->same_host)
        return (struct fleet_clock){.offset_ns = 0, .source = "same host"};
    struct fleet_clock best = {.source = "http round trip"};
    int64_t shortest = INT64_MAX;
    for (unsigned i = 0; i < node->clock_count; i++)
        if (node->clock[i].round_trip_ns < shortest) {
            shortest = node->clock[i].round_trip_ns;
            best.offset_ns = node->clock[i].offset_ns;
        }
    return best;
}

struct fleet_clock fleet_node_clock(struct fleet_node *node)
{
    pthread_mutex_lock(&node->lock);
    struct fleet_clock clock = fleet_node_clock_locked(node);
    pthread_mutex_unlock(&node->lock);
    return clock;
}

/* ── hold ── */

int fleet_hold(struct fleet *fleet, int64_t until_ns, struct error *reterr)
{
    struct fleet_node **nodes;
    size_t count, alive = 0;
    int e = fleet_nodes(fleet, NULL, &nodes, &count, reterr);
    if (e)
        return e;
    for (size_t i = 0; i < count; i++) {
        pthread_mutex_lock(&nodes[i]->lock);
        nodes[i]->hold_until_ns = until_ns;
        alive += !fleet_node_is_silent(nodes[i]);
        pthread_cond_broadcast(&nodes[i]->changed);
        pthread_mutex_unlock(&nodes[i]->lock);
    }
    fleet_nodes_done(nodes, count);
    if (until_ns && !alive)
        return error_set(reterr, -EHOSTUNREACH, "No node answers: there is nothing to hold.");
    return 0;
}
