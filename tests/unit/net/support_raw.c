#include "unit/net/support_raw.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int raw_connect(uint16_t port)
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

void raw_send(int fd, const char *text)
{
    size_t n = strlen(text);
    while (n) {
        ssize_t sent = send(fd, text, n, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        text += sent;
        n -= (size_t)sent;
    }
}

size_t raw_read_all(int fd, char *out, size_t max)
{
    size_t len = 0;
    while (len < max - 1) {
        ssize_t n = recv(fd, out + len, max - 1 - len, 0);
        if (n <= 0)
            break;
        len += (size_t)n;
    }
    out[len] = 0;
    return len;
}

int raw_exchange(uint16_t port, const char *request, char *out, size_t max)
{
    int fd = raw_connect(port), status = 0;
    if (fd < 0)
        return 0;
    raw_send(fd, request);
    raw_read_all(fd, out, max);
    close(fd);
    if (sscanf(out, "HTTP/1.1 %d", &status) != 1)
        return 0;
    return status;
}
