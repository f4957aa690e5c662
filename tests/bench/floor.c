/* The least that any reader of a capture does, to know how far above it the others are: the file
 * mapped, every record's headers read, every TCP flow looked up in a hash table, line ends found in
 * payloads that begin as HTTP does. Ethernet, IPv4, little-endian pcap. Prints packets, flows and
 * header lines. usage: floor FILE.pcap */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    SLOTS = 1 << 20
};
static uint64_t slots[SLOTS], flows, lines;

static void flow(uint64_t addresses, uint32_t ports)
{
    uint64_t key = (addresses ^ (uint64_t)ports << 17) * 0x9e3779b97f4a7c15ULL | 1;
    size_t at = key >> 44, tries = 0;
    while (slots[at] && slots[at] != key && tries++ < SLOTS)
        at = (at + 1) % SLOTS;
    flows += slots[at] == 0;
    slots[at] = key;
}

static void http_lines(const uint8_t *p, size_t n)
{
    if (n < 8 || (memcmp(p, "HTTP/1.", 7) && memcmp(p, "GET ", 4) && memcmp(p, "POST ", 5)))
        return;
    const uint8_t *end = p + n, *stop;
    while ((stop = memchr(p, '\n', end - p))) {
        lines++;
        if (stop - p < 2)
            break;
        p = stop + 1;
    }
}

static void packet(const uint8_t *p, uint32_t n)
{
    if (n < 54 || p[12] != 8 || p[13] != 0 || p[23] != 6)
        return;
    size_t tcp = 14 + (p[14] & 15) * 4;
    uint64_t addresses;
    uint32_t ports;
    if (tcp + 20 > n)
        return;
    memcpy(&addresses, p + 26, 8);
    memcpy(&ports, p + tcp, 4);
    flow(addresses, ports);
    size_t payload = tcp + (p[tcp + 12] >> 4) * 4;
    if (payload < n)
        http_lines(p + payload, n - payload);
}

int main(int argc, char **argv)
{
    struct stat st;
    int fd = argc == 2 ? open(argv[1], O_RDONLY) : -1;
    if (fd < 0 || fstat(fd, &st) < 0 || st.st_size < 24)
        return 2;
    const uint8_t *file = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (file == MAP_FAILED)
        return 2;
    uint64_t packets = 0;
    for (size_t at = 24; at + 16 <= (size_t)st.st_size; packets++) {
        uint32_t kept;
        memcpy(&kept, file + at + 8, 4);
        at += 16;
        if (kept > (size_t)st.st_size - at)
            break;
        packet(file + at, kept);
        at += kept;
    }
    printf("%lu packets, %lu flows, %lu header lines\n", packets, flows, lines);
    return 0;
}
