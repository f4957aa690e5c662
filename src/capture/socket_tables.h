/* What one walk of /proc tells of sockets: which process holds which inode, and the connections of
 * other network namespaces. Internal to src/capture. Thread: owner. Source: proc(5). */
#ifndef TRAWL_CAPTURE_SOCKET_TABLES_H
#define TRAWL_CAPTURE_SOCKET_TABLES_H

#include "packet/owner_note.h"

enum {
    SOCKET_TABLE_MAX = 1 << 17,   /* sockets known at a time; what is beyond has no owner */
    SOCKET_NAMESPACES_MAX = 128,  /* read in one walk */
    SOCKET_FILE_MAX = 4096 * 1024 /* bytes read of one namespace's table */
};

struct socket_holder { /* of an inode; 0 = free slot */
    uint64_t inode;
    int32_t pid, fd;
};

struct socket_elsewhere { /* a connection of another namespace; inode 0 = free slot */
    struct owner_end end;
    uint64_t inode;
};

struct socket_tables {
    struct socket_holder *holders; /* 2 × SOCKET_TABLE_MAX slots */
    size_t holder_count;
    struct socket_elsewhere *elsewhere;
    size_t elsewhere_count;
    uint64_t own_namespace;
    uint64_t namespaces[SOCKET_NAMESPACES_MAX];
    size_t namespace_count;
    uint64_t secret[2];
    char *text; /* of a file being read */
};

int socket_tables_init(struct socket_tables *tables);
void socket_tables_done(struct socket_tables *tables);
/* Begins anew. */
void socket_tables_walk(struct socket_tables *tables);
/* NULL when nobody was seen holding it. */
const struct socket_holder *socket_tables_holder(const struct socket_tables *tables,
                                                 uint64_t inode);
/* The socket of that end in another namespace; 0 = none. */
uint64_t socket_tables_elsewhere(const struct socket_tables *tables, const struct owner_end *end);

#endif
