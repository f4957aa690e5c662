/* packet_dump [--frames] FILE…: what src/packet makes of capture files, as text that a script
 * compares with capinfos and tshark. Without --frames a line a file: packets, first and last time,
 * damages (their sentences go to stderr); with it a line a packet. Exit code 1 when a file cannot
 * be opened. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "packet/capture_reader.h"
#include "packet/frame.h"

static const char *const kind_names[] = {"other", "ip",   "fragment", "tcp",
                                         "udp",   "icmp", "sctp",     "bad"};

static void print_time(int64_t ns)
{
    printf("%" PRId64 ".%09" PRId64, ns / 1000000000, ns % 1000000000);
}

static void print_frame(uint64_t number, const struct packet *packet)
{
    struct frame f;
    frame_decode(packet, &f);
    char src[INET6_ADDRSTRLEN] = "-";
    char dst[INET6_ADDRSTRLEN] = "-";
    if (f.ip_version) {
        int family = f.ip_version == 4 ? AF_INET : AF_INET6;
        inet_ntop(family, f.src_ip, src, sizeof src);
        inet_ntop(family, f.dst_ip, dst, sizeof dst);
    }
    printf("%" PRIu64 "\t", number);
    print_time(packet->ts_ns);
    printf("\t%u\t%u\t%s\t%s\t%s\t%u\t%u\t%u\t%u\t%u\t%u\t%u\n", packet->captured_bytes,
           packet->original_bytes, kind_names[f.kind], src, dst, f.ip_protocol, f.src_port,
           f.dst_port, f.payload_bytes, f.tcp_seq, f.vlan, f.tunnel_id);
}

static int dump(const char *path, bool frames)
{
    struct error error;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct capture_reader *reader = NULL;
    if (fd < 0 || capture_reader_open(fd, NULL, &reader, &error) < 0) {
        fprintf(stderr, "%s: %s\n", path, fd < 0 ? "cannot be opened" : error.text);
        if (fd >= 0)
            close(fd);
        return 1;
    }
    uint64_t packets = 0;
    uint64_t damages = 0;
    int64_t first = INT64_MAX;
    int64_t last = INT64_MIN;
    struct packet packet;
    int event;
    while ((event = capture_reader_next(reader, &packet, &error)) > CAPTURE_END) {
        if (event == CAPTURE_DAMAGE) {
            damages++;
            fprintf(stderr, "%s: %s\n", path, error.text);
        }
        if (event != CAPTURE_PACKET)
            continue;
        packets++;
        first = packet.ts_ns < first ? packet.ts_ns : first;
        last = packet.ts_ns > last ? packet.ts_ns : last;
        if (frames)
            print_frame(packets, &packet);
    }
    if (!frames) {
        printf("%s\t%" PRIu64 "\t", path, packets);
        print_time(packets ? first : 0);
        printf("\t");
        print_time(packets ? last : 0);
        printf("\t%" PRIu64 "\n", damages);
    }
    if (event < 0)
        fprintf(stderr, "%s: %s\n", path, error.text);
    capture_reader_free(reader);
    close(fd);
    return event < 0;
}

int main(int argc, char **argv)
{
    bool frames = argc > 1 && strcmp(argv[1], "--frames") == 0;
    int result = 0;
    for (int i = frames ? 2 : 1; i < argc; i++)
        result |= dump(argv[i], frames);
    return result;
}
