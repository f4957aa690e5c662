/* Which process has a socket: asked of the kernel for one connection at a time (sock_diag, exact
 * lookup: no list of all sockets is read), then of /proc for the process that holds the socket's
 * inode. Sockets of other network namespaces are found in /proc/PID/net, a namespace at a time.
 *
 * What was too short-lived to be seen, or may not be looked at, stays unknown: nothing is guessed.
 * The cost is bounded: the tables of files are walked at most twice a second and with at most
 * a twentieth of one processor; between two walks the last one's answers are used, each checked
 * again. Without CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH only processes of the same user are seen.
 *
 * Memory: at most 32 MiB. Thread: owner. Sources: sock_diag(7), proc(5). */
#ifndef TRAWL_CAPTURE_SOCKET_OWNERS_H
#define TRAWL_CAPTURE_SOCKET_OWNERS_H

#include "base/error.h"
#include "packet/owner_note.h"

struct socket_owners;

struct socket_owners_counters {
    uint64_t asked;  /* flows */
    uint64_t found;  /* ends with an owner */
    uint64_t walks;  /* of /proc */
    int64_t walk_ns; /* of processor time */
};

int socket_owners_new(struct socket_owners **ret_owners, struct error *reterr);
void socket_owners_free(struct socket_owners *owners);

/* Either end of each may be local, or both, or none. `found` gets one note (encoded, borrowed for
 * the call) per process that has some of them, at most OWNER_NOTE_MAX_ENDS ends in each. Those for
 * which another walk may know more are moved to the front of `ends` and counted: ask again. */
size_t socket_owners_ask(struct socket_owners *owners, struct owner_end *ends, size_t count,
                         void (*found)(void *ctx, struct slice note), void *ctx);
/* Walks /proc if there is time for it: true when it did. To be called while something is asked for
 * again. */
bool socket_owners_walk(struct socket_owners *owners);
struct socket_owners_counters socket_owners_counters(const struct socket_owners *owners);

#endif
