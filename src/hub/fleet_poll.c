/* The thread of a node: asks for its status each second, finds out once whether it shares our file
 * system, keeps its hold. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "hub/fleet_private.h"

enum {
    RENEW_SECONDS = 20
};

/* File systems that another machine may share. */
static bool is_network_fs(int fd)
{
    static const unsigned long shared[] = {0x6969 /* NFS */,
                                           0x517b /* SMB */,
                                           0xff534d42 /* CIFS */,
                                           0xfe534d42 /* SMB2 */,
                                           0x65735546 /* FUSE */,
                                           0x00c36400 /* Ceph */,
                                           0x01021997 /* 9P */};
    struct statfs st;
    if (fstatfs(fd, &st) < 0)
        return true;
    for (size_t i = 0; i < sizeof shared / sizeof shared[0]; i++)
        if (((unsigned long)st.f_type & 0xffffffff) == shared[i])
            return true;
    return false;
}

/* The nonce that the worker tells has to stand in the folder that it names. */
static int prove_local(struct worker_client *client)
{
    struct worker_local local;
    if (worker_client_local(client, &local, NULL) < 0)
        return -1;
    int dir = open(local.ring_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int fd = dir < 0
                 ? -1
                 : openat(dir, local.nonce_file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    char nonce[WORKER_TOKEN_SIZE] = "";
    bool same = fd >= 0 &&
                io_read_full(fd, nonce, WORKER_TOKEN_SIZE - 1) == WORKER_TOKEN_SIZE - 1 &&
                strcmp(nonce, local.nonce) == 0;
    if (fd >= 0)
        close(fd);
    if (same)
        return dir;
    if (dir >= 0)
        close(dir);
    return -1;
}

static void note_local(struct fleet_node *node, struct worker_client *client)
{
    int fd = prove_local(client);
    bool same_host = fd >= 0 && !is_network_fs(fd);
    pthread_mutex_lock(&node->lock);
    if (node->ring_fd >= 0)
        close(node->ring_fd);
    node->ring_fd = fd;
    node->same_host = same_host;
    pthread_mutex_unlock(&node->lock);
}

static void note_status(struct fleet_node *node, struct worker_status *status)
{
    pthread_mutex_lock(&node->lock);
    free(node->status);
    node->status = status;
    node->status_mono_ns = clock_mono_ns();
    node->problem[0] = 0;
    int64_t middle = status->sent_ns + (status->received_ns - status->sent_ns) / 2;
    unsigned i = node->clock_next++ % FLEET_CLOCK_SAMPLES;
    node->clock[i].round_trip_ns = status->received_ns - status->sent_ns;
    node->clock[i].offset_ns = status->now_ns - middle;
    if (node->clock_count < FLEET_CLOCK_SAMPLES)
        node->clock_count++;
    pthread_mutex_unlock(&node->lock);
}

/* What is said here reaches the log only when it changes. */
static void note_problem(struct fleet_node *node, const struct error *err)
{
    pthread_mutex_lock(&node->lock);
    bool changed = !node->problem[0];
    snprintf(node->problem, sizeof node->problem, "%.390s", err->text);
    pthread_mutex_unlock(&node->lock);
    if (changed)
        log_warn("fleet", "a node does not answer", "node=%s problem=\"%.300s\"", node->name,
                 err->text);
}

static bool ask_status(struct fleet_node *node, struct worker_client *client)
{
    struct error err = {.offset = ERROR_NO_OFFSET};
    struct worker_status *status = malloc(sizeof *status);
    if (!status)
        return false;
    if (worker_client_status(client, status, &err) < 0) {
        free(status);
        note_problem(node, &err);
        return false;
    }
    note_status(node, status);
    return true;
}

/* ── hold ── */

struct hold {
    int64_t until_ns; /* of the pin that exists; 0 = none */
    char pin[64];
    int64_t renewed_mono_ns;
};

static void begin_hold(struct fleet_node *node, struct worker_client *client, struct hold *hold,
                       int64_t until_ns)
{
    struct error err = {.offset = ERROR_NO_OFFSET};
    int64_t to = clock_now_ns() + fleet_node_clock(node).offset_ns;
    if (worker_client_pin(client, 0, to, hold->pin, sizeof hold->pin, &err) < 0) {
        log_warn("fleet", "a node cannot hold what it has", "node=%s problem=\"%.300s\"",
                 node->name, err.text);
        return;
    }
    hold->until_ns = until_ns;
    hold->renewed_mono_ns = clock_mono_ns();
}

static void keep_hold(struct fleet_node *node, struct worker_client *client, struct hold *hold)
{
    pthread_mutex_lock(&node->lock);
    int64_t wanted = node->hold_until_ns;
    if (wanted && wanted < clock_now_ns())
        wanted = node->hold_until_ns = 0;
    pthread_mutex_unlock(&node->lock);
    if (hold->until_ns && wanted != hold->until_ns) {
        if (!wanted) {
            (void)worker_client_release(client, hold->pin, NULL);
            hold->until_ns = 0;
        } else {
            hold->until_ns = wanted; /* the same pin, longer */
        }
    } else if (wanted && !hold->until_ns) {
        begin_hold(node, client, hold, wanted);
    } else if (hold->until_ns &&
               clock_mono_ns() - hold->renewed_mono_ns > RENEW_SECONDS * NS_PER_S) {
        int e = worker_client_renew(client, hold->pin, NULL);
        hold->renewed_mono_ns = clock_mono_ns();
        if (e == -ESTALE || e == -ENOENT) { /* broken: the ring needed the room */
            log_warn("fleet", "the hold of a node broke", "node=%s", node->name);
            hold->until_ns = 0;
            pthread_mutex_lock(&node->lock);
            node->hold_until_ns = 0;
            pthread_mutex_unlock(&node->lock);
        }
    }
}

/* Waits until it is time again. False at the end. */
static bool wait_a_second(struct fleet_node *node)
{
    int64_t until = clock_mono_ns() + NS_PER_S;
    pthread_mutex_lock(&node->lock);
    unsigned generation = node->generation;
    int64_t hold = node->hold_until_ns;
    int e = 0;
    while (!node->ended && e != ETIMEDOUT && node->generation == generation &&
           node->hold_until_ns == hold)
        e = clock_wait(&node->changed, &node->lock, until);
    bool ended = node->ended;
    pthread_mutex_unlock(&node->lock);
    return !ended;
}

void *fleet_poll_main(void *arg)
{
    struct fleet_node *node = arg;
    struct worker_client *client = NULL;
    struct hold hold = {0};
    unsigned connected = 0;
    bool local_known = false;
    do {
        pthread_mutex_lock(&node->lock);
        unsigned generation = node->generation;
        pthread_mutex_unlock(&node->lock);
        if (generation != connected) {
            worker_client_free(client);
            client = NULL;
            connected = generation;
            local_known = false;
            if (fleet_node_connect(node, &client, NULL) < 0)
                client = NULL;
        }
        if (!client || !ask_status(node, client))
            continue;
        if (!local_known) {
            note_local(node, client);
            local_known = true;
        }
        keep_hold(node, client, &hold);
    } while (wait_a_second(node));
    if (client && hold.until_ns)
        (void)worker_client_release(client, hold.pin, NULL);
    worker_client_free(client);
    return NULL;
}
