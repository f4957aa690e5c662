#include "unit/api/support_raw_ask.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int open_connection(uint16_t port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval limit = {.tv_sec = 20};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (connect(fd, (struct sockaddr *)&at, sizeof at) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static int exchange(uint16_t port, const char *head, const char *body, const char *until,
                    struct buf *out)
{
    int fd = open_connection(port), status = 0;
    if (fd < 0)
        return 0;
    (void)!send(fd, head, strlen(head), MSG_NOSIGNAL);
    (void)!send(fd, body, strlen(body), MSG_NOSIGNAL);
    for (;;) {
        char piece[8192];
        ssize_t n = recv(fd, piece, sizeof piece, 0);
        if (n <= 0 || buf_append(out, piece, (size_t)n) || buf_append_u8(out, 0))
            break;
        out->len--; /* NUL-terminated, not counted */
        if (until && strstr((const char *)out->data, until))
            break;
    }
    close(fd);
    if (!out->len || sscanf((const char *)out->data, "HTTP/1.1 %d", &status) != 1)
        return 0;
    return status;
}

int raw_ask(uint16_t port, const char *head, const char *body, struct buf *out)
{
    return exchange(port, head, body, NULL, out);
}

int raw_ask_until(uint16_t port, const char *head, const char *until, struct buf *out)
{
    return exchange(port, head, "", until, out);
}
