/* A client that speaks bytes, for what a polite one never sends. */
#ifndef TESTS_NET_SUPPORT_RAW_H
#define TESTS_NET_SUPPORT_RAW_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

int raw_connect(uint16_t port);
void raw_send(int fd, const char *text);
/* Everything until the peer closes (or `max` − 1 bytes); NUL-terminated. */
size_t raw_read_all(int fd, char *out, size_t max);
/* Sends, reads until close; the status of the answer, 0 when there was none. */
int raw_exchange(uint16_t port, const char *request, char *out, size_t max);

#endif
