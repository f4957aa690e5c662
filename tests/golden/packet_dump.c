/* What src/packet makes of capture files, as text that a script compares with capinfos and tshark.
 *   packet_dump FILE…                a line a file: packets, first and last time, damages
 *   packet_dump --frames FILE…       a line a packet; fragments are put together as in the product
 *   packet_dump --copy FOLDER FILE…  writes FOLDER/1.pcapng, 2.pcapng … with our writer
 * Sentences about damage go to stderr. Exit code 1 when a file cannot be opened or written. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "packet/capture_reader.h"
#include "packet/defrag.h"
#include "packet/pcapng_writer.h"

static const char *const kind_names[] = {"other", "ip",   "fragment", "tcp",
                                         "udp",   "icmp", "sctp",     "bad"};

enum mode {
    MODE_SUMMARY,
    MODE_FRAMES,
    MODE_COPY
};

struct job {
    enum mode mode;
    const char *path;
    struct capture_reader *reader;
    struct defrag *defrag;
    struct buf out;
    FILE *copy;
    uint64_t packets, damages;
    int64_t first_ns, last_ns;
};

static void print_time(int64_t ns)
{
    printf("%" PRId64 ".%09" PRId64, ns / 1000000000, ns % 1000000000);
}

static void print_frame(struct job *job, const struct packet *packet)
{
    struct frame f;
    struct slice ip;
    frame_decode(packet, &f);
    if (f.kind == FRAME_FRAGMENT && defrag_add(job->defrag, packet, &f, &ip) == DEFRAG_COMPLETE)
        frame_decode_ip(ip, &f);
    char src[INET6_ADDRSTRLEN] = "";
    char dst[INET6_ADDRSTRLEN] = "";
    if (f.ip_version) {
        int family = f.ip_version == 4 ? AF_INET : AF_INET6;
        inet_ntop(family, f.src_ip, src, sizeof src);
        inet_ntop(family, f.dst_ip, dst, sizeof dst);
    }
    printf("%" PRIu64 "\t", job->packets);
    print_time(packet->ts_ns);
    printf("\t%u\t%u\t%s\t%s\t%s\t%u\t%u\t%u\t%u\t%u\t%u\t%u\t%u\t%u\n", packet->captured_bytes,
           packet->original_bytes, kind_names[f.kind], src, dst, f.ip_protocol, f.src_port,
           f.dst_port, f.payload_bytes, f.tcp_seq, f.tcp_ack, f.tcp_flags, f.vlan, f.tunnel_id);
}

static void take_packet(struct job *job, const struct packet *packet)
{
    job->packets++;
    job->first_ns = packet->ts_ns < job->first_ns ? packet->ts_ns : job->first_ns;
    job->last_ns = packet->ts_ns > job->last_ns ? packet->ts_ns : job->last_ns;
    if (job->mode == MODE_FRAMES)
        print_frame(job, packet);
    else if (job->mode == MODE_COPY)
        pcapng_put_packet(&job->out, packet, NULL);
}

static void take_statistics(struct job *job)
{
    const struct capture_statistics *s = capture_reader_statistics(job->reader);
    struct pcapng_statistics copy = {s->ts_ns, s->received, s->dropped_by_interface,
                                     s->dropped_by_os};
    pcapng_put_statistics(&job->out, s->interface, &copy);
}

static void take_event(struct job *job, int event, const struct packet *packet,
                       const struct error *error)
{
    if (event == CAPTURE_PACKET)
        take_packet(job, packet);
    if (event == CAPTURE_DAMAGE) {
        job->damages++;
        fprintf(stderr, "%s: %s\n", job->path, error->text);
    }
    if (job->mode != MODE_COPY)
        return;
    if (event == CAPTURE_INTERFACE)
        pcapng_put_interface(&job->out, capture_reader_interface(job->reader, packet->interface));
    else if (event == CAPTURE_STATISTICS)
        take_statistics(job);
    else if (event == CAPTURE_SECRETS)
        pcapng_put_secrets(&job->out, capture_reader_secrets(job->reader));
    fwrite(job->out.data, 1, job->out.len, job->copy);
    buf_reset(&job->out);
}

static void print_summary(const struct job *job)
{
    printf("%s\t%" PRIu64 "\t", job->path, job->packets);
    print_time(job->packets ? job->first_ns : 0);
    printf("\t");
    print_time(job->packets ? job->last_ns : 0);
    printf("\t%" PRIu64 "\n", job->damages);
}

static int run(struct job *job, int fd)
{
    struct error error;
    struct packet packet;
    int event = capture_reader_open(fd, NULL, &job->reader, &error);
    if (event == 0) {
        if (job->mode == MODE_COPY)
            pcapng_put_section(&job->out, "Linux", "packet_dump", NULL);
        while ((event = capture_reader_next(job->reader, &packet, &error)) > CAPTURE_END)
            take_event(job, event, &packet, &error);
        capture_reader_free(job->reader);
    }
    if (event < 0)
        fprintf(stderr, "%s: %s\n", job->path, error.text);
    else if (job->mode == MODE_SUMMARY)
        print_summary(job);
    return event < 0;
}

static int dump(enum mode mode, const char *path, FILE *copy)
{
    struct job job = {
        .mode = mode, .path = path, .copy = copy, .first_ns = INT64_MAX, .last_ns = INT64_MIN};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int result = 1;
    buf_init(&job.out, 4 << 20);
    if (fd < 0)
        fprintf(stderr, "%s: cannot be opened\n", path);
    else if (defrag_new(NULL, &job.defrag) == 0)
        result = run(&job, fd);
    defrag_free(job.defrag);
    buf_done(&job.out);
    if (fd >= 0)
        close(fd);
    return result;
}

static int copy_to(const char *folder, int number, const char *path)
{
    char name[4096];
    snprintf(name, sizeof name, "%s/%d.pcapng", folder, number);
    FILE *copy = fopen(name, "wbe");
    if (!copy)
        return 1;
    int result = dump(MODE_COPY, path, copy);
    return fclose(copy) != 0 || result;
}

int main(int argc, char **argv)
{
    int result = 0;
    if (argc > 2 && strcmp(argv[1], "--copy") == 0) {
        for (int i = 3; i < argc; i++)
            result |= copy_to(argv[2], i - 2, argv[i]);
        return result;
    }
    enum mode mode = argc > 1 && strcmp(argv[1], "--frames") == 0 ? MODE_FRAMES : MODE_SUMMARY;
    for (int i = mode == MODE_FRAMES ? 2 : 1; i < argc; i++)
        result |= dump(mode, argv[i], NULL);
    return result;
}
