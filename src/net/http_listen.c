/* The listening socket: from "127.0.0.1:8899" to a descriptor, or a sentence why not. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"
#include "net/http_internal.h"

/* "host:port" or "[host]:port" into its two parts. */
static int split_listen(const char *listen_at, char host[64], char port[8], struct error *reterr)
{
    const char *colon = strrchr(listen_at, ':');
    size_t host_len = colon ? (size_t)(colon - listen_at) : 0;
    int64_t number;
    if (!colon || host_len >= 64 || text_parse_int(colon + 1, 0, 65535, &number) < 0)
        return error_set(reterr, -EINVAL,
                         "\"%.60s\" is not an address to listen on; write it as 127.0.0.1:8899.",
                         listen_at);
    const char *from = listen_at;
    if (host_len >= 2 && from[0] == '[' && from[host_len - 1] == ']') {
        from++;
        host_len -= 2;
    }
    memcpy(host, from, host_len);
    host[host_len] = 0;
    snprintf(port, 8, "%lld", (long long)number);
    return 0;
}

static int bind_failed(int e, const char *listen_at, struct error *reterr)
{
    const char *colon = strrchr(listen_at, ':');
    if (e == EADDRINUSE)
        return error_set(reterr, -e,
                         "Port %s of %.*s is in use by another program; choose another with "
                         "--listen, or stop that program.",
                         colon + 1, (int)(colon - listen_at < 60 ? colon - listen_at : 60),
                         listen_at);
    if (e == EACCES)
        return error_set(reterr, -e,
                         "Listening on %.60s needs root; choose a port above 1023 with --listen.",
                         listen_at);
    return error_set(reterr, -e, "Listening on %.60s failed: %s.", listen_at, strerror(e));
}

int http_listen_open(const char *listen_at, int *ret_fd, uint16_t *ret_port, struct error *reterr)
{
    char host[64], port[8];
    int e = split_listen(listen_at, host, port, reterr);
    if (e)
        return e;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found = NULL;
    if (strcmp(host, "localhost") != 0)
        hints.ai_flags |= AI_NUMERICHOST;
    else
        hints.ai_family = AF_INET;
    if (getaddrinfo(host[0] ? host : NULL, port, &hints, &found) != 0 || !found)
        return error_set(reterr, -EINVAL, "\"%.60s\" is not a numeric address to listen on.", host);
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    e = fd < 0 ? errno : 0;
    if (!e) {
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        if (bind(fd, found->ai_addr, found->ai_addrlen) < 0 || listen(fd, 128) < 0)
            e = errno;
    }
    freeaddrinfo(found);
    struct sockaddr_storage bound = {0};
    socklen_t bound_len = sizeof bound;
    if (!e && getsockname(fd, (struct sockaddr *)&bound, &bound_len) < 0)
        e = errno;
    if (e) {
        if (fd >= 0)
            close(fd);
        return bind_failed(e, listen_at, reterr);
    }
    *ret_fd = fd;
    *ret_port = ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&bound)->sin6_port
                                                  : ((struct sockaddr_in *)&bound)->sin_port);
    return 0;
}
