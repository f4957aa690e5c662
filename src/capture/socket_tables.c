#include "capture/socket_tables.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/io.h"

enum {
    SLOTS = 2 * SOCKET_TABLE_MAX,
    PATH_BYTES = 64,
    PROTO_TCP = 6,
    PROTO_UDP = 17
};

int socket_tables_init(struct socket_tables *tables)
{
    struct hash_key key = hash_random_key();
    struct stat st;
    *tables = (struct socket_tables){.holders = calloc(SLOTS, sizeof *tables->holders),
                                     .elsewhere = calloc(SLOTS, sizeof *tables->elsewhere),
                                     .secret = {key.k0, key.k1},
                                     .text = malloc(SOCKET_FILE_MAX),
                                     .own_namespace =
                                         stat("/proc/self/ns/net", &st) == 0 ? st.st_ino : 0};
    if (tables->holders && tables->elsewhere && tables->text)
        return 0;
    socket_tables_done(tables);
    return -ENOMEM;
}

void socket_tables_done(struct socket_tables *tables)
{
    free(tables->holders);
    free(tables->elsewhere);
    free(tables->text);
    *tables = (struct socket_tables){0};
}

/* ── who holds which inode ── */

static size_t inode_slot(const struct socket_tables *tables, uint64_t inode)
{
    return (size_t)hash_bytes((struct hash_key){tables->secret[0], tables->secret[1]}, &inode,
                              sizeof inode) &
           (SLOTS - 1);
}

/* Of several holders the last: a child that was handed the socket, not its parent. */
static void add_holder(struct socket_tables *tables, uint64_t inode, int pid, int fd)
{
    size_t at = inode_slot(tables, inode);
    while (tables->holders[at].inode && tables->holders[at].inode != inode)
        at = (at + 1) & (SLOTS - 1);
    if (!tables->holders[at].inode) {
        if (tables->holder_count == SOCKET_TABLE_MAX)
            return;
        tables->holder_count++;
    }
    tables->holders[at] = (struct socket_holder){inode, pid, fd};
}

const struct socket_holder *socket_tables_holder(const struct socket_tables *tables, uint64_t inode)
{
    size_t at = inode_slot(tables, inode);
    while (tables->holders[at].inode && tables->holders[at].inode != inode)
        at = (at + 1) & (SLOTS - 1);
    return tables->holders[at].inode ? &tables->holders[at] : NULL;
}

static int number(const char *text)
{
    char *end;
    unsigned long v = isdigit((unsigned char)text[0]) ? strtoul(text, &end, 10) : 0;
    return v > 0 && v <= INT32_MAX && !*end ? (int)v : -1;
}

/* "socket:[12345]" */
static uint64_t socket_inode(const char *link)
{
    static const char prefix[] = "socket:[";
    char *end;
    if (strncmp(link, prefix, sizeof prefix - 1) != 0)
        return 0;
    uint64_t inode = strtoull(link + sizeof prefix - 1, &end, 10);
    return *end == ']' ? inode : 0;
}

static void walk_files(struct socket_tables *tables, int pid)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "/proc/%d/fd", pid);
    DIR *dir = opendir(path);
    struct dirent *entry;
    while (dir && (entry = readdir(dir))) {
        char link[64];
        ssize_t n = readlinkat(dirfd(dir), entry->d_name, link, sizeof link - 1);
        if (n <= 0)
            continue;
        link[n] = '\0';
        uint64_t inode = socket_inode(link);
        if (inode)
            add_holder(tables, inode, pid, (int)strtol(entry->d_name, NULL, 10));
    }
    if (dir)
        closedir(dir);
}

/* ── connections of other namespaces ── */

static size_t end_slot(const struct socket_tables *tables, const struct owner_end *end)
{
    return (size_t)hash_bytes((struct hash_key){tables->secret[0], tables->secret[1]}, end,
                              sizeof *end) &
           (SLOTS - 1);
}

static void add_elsewhere(struct socket_tables *tables, const struct owner_end *end, uint64_t inode)
{
    size_t at = end_slot(tables, end);
    if (tables->elsewhere_count == SOCKET_TABLE_MAX)
        return;
    while (tables->elsewhere[at].inode && memcmp(&tables->elsewhere[at].end, end, sizeof *end) != 0)
        at = (at + 1) & (SLOTS - 1);
    struct socket_elsewhere *found = &tables->elsewhere[at];
    if (!found->inode) {
        *found = (struct socket_elsewhere){*end, inode};
        tables->elsewhere_count++;
    } else if (found->inode != inode) { /* the same addresses in two namespaces: not known whose */
        found->inode = UINT64_MAX;
    }
}

uint64_t socket_tables_elsewhere(const struct socket_tables *tables, const struct owner_end *end)
{
    size_t at = end_slot(tables, end);
    while (tables->elsewhere[at].inode && memcmp(&tables->elsewhere[at].end, end, sizeof *end) != 0)
        at = (at + 1) & (SLOTS - 1);
    return tables->elsewhere[at].inode == UINT64_MAX ? 0 : tables->elsewhere[at].inode;
}

/* "0100007F:1F90": words of 32 bits in the host's order. An IPv4 address mapped into IPv6 is IPv4.
 */
static bool read_address(const char *text, bool six, uint8_t ip[16], uint16_t *port, bool *ret_four)
{
    unsigned words = six ? 4 : 1;
    uint32_t word[4] = {0};
    for (unsigned i = 0; i < words; i++) {
        char digits[9];
        memcpy(digits, text + (size_t)i * 8, 8);
        digits[8] = '\0';
        char *end;
        word[i] = (uint32_t)strtoul(digits, &end, 16);
        if (end != digits + 8)
            return false;
    }
    text += (size_t)words * 8;
    char *end;
    unsigned long value = *text == ':' ? strtoul(text + 1, &end, 16) : 65536;
    if (value > 65535)
        return false;
    *port = (uint16_t)value;
    memset(ip, 0, 16);
    *ret_four = !six || (word[0] == 0 && word[1] == 0 && word[2] == 0xffff0000u);
    if (*ret_four)
        memcpy(ip, six ? &word[3] : &word[0], 4);
    else
        memcpy(ip, word, 16);
    return true;
}

/* A line of /proc/PID/net/tcp: "sl local remote state tx:rx tr:tm retrnsmt uid timeout inode". */
static void read_line(struct socket_tables *tables, char *line, bool six, uint8_t protocol)
{
    struct owner_end end = {.ip_protocol = protocol};
    char *fields[10], *save = NULL;
    size_t n = 0;
    for (char *f = strtok_r(line, " ", &save); f && n < 10; f = strtok_r(NULL, " ", &save))
        fields[n++] = f;
    size_t address = (six ? 32 : 8) + 5;
    bool four, remote_four;
    if (n < 10 || strlen(fields[1]) != address || strlen(fields[2]) != address ||
        !read_address(fields[1], six, end.local_ip, &end.local_port, &four) ||
        !read_address(fields[2], six, end.remote_ip, &end.remote_port, &remote_four))
        return;
    uint64_t inode = strtoull(fields[9], NULL, 10);
    end.ip_version = four ? 4 : 6;
    if (inode && end.local_port && end.remote_port && four == remote_four)
        add_elsewhere(tables, &end, inode);
}

static void read_table(struct socket_tables *tables, int pid, const char *name)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "/proc/%d/net/%s", pid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : io_read_full(fd, (uint8_t *)tables->text, SOCKET_FILE_MAX - 1);
    if (fd >= 0)
        close(fd);
    if (n <= 0)
        return;
    tables->text[n] = '\0';
    bool six = strchr(name, '6') != NULL;
    uint8_t protocol = name[0] == 't' ? PROTO_TCP : PROTO_UDP;
    char *line = strchr(tables->text, '\n'); /* after the heads of the columns */
    while (line) {
        char *next = strchr(line + 1, '\n');
        if (!next)
            break; /* the last may be cut */
        *next = '\0';
        read_line(tables, line + 1, six, protocol);
        line = next;
    }
}

static void walk_namespace(struct socket_tables *tables, int pid)
{
    static const char *const names[] = {"tcp", "tcp6", "udp", "udp6"};
    char path[PATH_BYTES];
    struct stat st;
    snprintf(path, sizeof path, "/proc/%d/ns/net", pid);
    if (stat(path, &st) < 0 || st.st_ino == tables->own_namespace)
        return;
    for (size_t i = 0; i < tables->namespace_count; i++)
        if (tables->namespaces[i] == st.st_ino)
            return;
    if (tables->namespace_count == SOCKET_NAMESPACES_MAX)
        return;
    tables->namespaces[tables->namespace_count++] = st.st_ino;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        read_table(tables, pid, names[i]);
}

void socket_tables_walk(struct socket_tables *tables)
{
    memset(tables->holders, 0, SLOTS * sizeof *tables->holders);
    memset(tables->elsewhere, 0, SLOTS * sizeof *tables->elsewhere);
    tables->holder_count = tables->elsewhere_count = tables->namespace_count = 0;
    DIR *dir = opendir("/proc");
    struct dirent *entry;
    while (dir && (entry = readdir(dir))) {
        int pid = number(entry->d_name);
        if (pid < 0)
            continue;
        walk_files(tables, pid);
        walk_namespace(tables, pid);
    }
    if (dir)
        closedir(dir);
}
