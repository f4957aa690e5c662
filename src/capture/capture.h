/* Packets from the kernel: AF_PACKET with TPACKET_V3 rings mapped into memory, on all interfaces or
 * on named ones, with a filter that runs in the kernel. Passive: nothing is changed on the host;
 * promiscuous mode only on request.
 *
 * In: interface names, a filter expression, what to leave out. Out: batches of packets as they came
 * (real link layer; VLAN tags that the kernel strips are put back; link layers we do not know
 * become LINUX_SLL2), changes of interfaces, and how much was lost. Memory: the rings, fixed at the
 * start. Thread: owner. Works in whatever network namespace the process is in. */
#ifndef TRAWL_CAPTURE_CAPTURE_H
#define TRAWL_CAPTURE_CAPTURE_H

#include <poll.h>

#include "base/error.h"
#include "packet/packet.h"

enum {
    CAPTURE_MAX_INTERFACES = 16, /* named ones */
    CAPTURE_MAX_EXCLUDES = 32,
    CAPTURE_MAX_SLOTS = 1024, /* interfaces seen at a time: packet.interface is a slot */
    CAPTURE_NAME_SIZE = 16,
    CAPTURE_MAX_FDS = CAPTURE_MAX_INTERFACES + 1,
    CAPTURE_MAX_SNAPLEN = 262144
};

/* One end of TCP connections that are our own: left out, and counted. */
struct capture_exclude {
    uint8_t ip_version; /* 4 or 6 */
    uint8_t ip[16];     /* all zero = every address of this host */
    uint16_t port;
};

struct capture_options {
    const char *const *interfaces; /* "any" alone, or names; borrowed during the call */
    size_t interface_count;        /* 0 = any */
    const char *filter;            /* pcap-filter(7) or NULL */
    uint32_t snaplen_bytes;        /* 0 = whole packets */
    bool promiscuous;              /* named interfaces only */
    uint64_t buffer_bytes;         /* of the kernel's rings in all; 0 = 64 MiB */
    const struct capture_exclude *excludes;
    size_t exclude_count;
};

struct capture;

/* -EPERM: the capability is missing (the sentence says how to get it); -EINVAL: filter or names. A
 * named interface that is not there yet is waited for. */
int capture_open(const struct capture_options *options, struct capture **ret_capture,
                 struct error *reterr);
void capture_free(struct capture *capture);

/* Fills what to poll for; the number of descriptors. Ask again each time. */
size_t capture_poll_fds(const struct capture *capture, struct pollfd fds[CAPTURE_MAX_FDS]);

/* Up to max packets that are there now, oldest first per socket; their bytes are borrowed until the
 * next call. 0 = none now. Never blocks. */
size_t capture_next(struct capture *capture, struct packet *packets, size_t max);
/* Packets captured at from_ns or later stay where they are; INT64_MAX (as at the beginning): none.
 */
void capture_hold_back(struct capture *capture, int64_t from_ns);

struct capture_interface {
    uint32_t slot;
    char name[CAPTURE_NAME_SIZE];
    uint16_t link_type;
    bool up;
    bool drops_known; /* it has a socket of its own */
};
/* Reads the kernel's news of interfaces, clears errors of sockets whose interface went down. To be
 * called when fds[0] is readable or another one reports an error; harmless otherwise. */
void capture_update_links(struct capture *capture);
/* The next interface that came, changed or went; false when there is no more. To be asked after
 * capture_next and before its packets are used. */
bool capture_take_change(struct capture *capture, struct capture_interface *ret_interface);

struct capture_loss {
    uint32_t slot;  /* UINT32_MAX: not known of which interface */
    uint64_t drops; /* since the last call */
};
/* Drops of one socket after the other: begin with *at = 0; false at the end. */
bool capture_take_loss(struct capture *capture, size_t *at, struct capture_loss *ret_loss);
/* Packets of our own that were left out since the last call. */
uint64_t capture_take_excluded(struct capture *capture);

/* Everything captured before this has come out of capture_next, if its last answer was 0 and was
 * asked for at now_ns or later. */
int64_t capture_drained_until(const struct capture *capture, int64_t now_ns);

/* While stopped the kernel discards everything, uncounted. */
int capture_stop(struct capture *capture);
int capture_resume(struct capture *capture, struct error *reterr);
/* Replaces the list. */
int capture_set_excludes(struct capture *capture, const struct capture_exclude *excludes,
                         size_t count, struct error *reterr);
/* "127.0.0.1:8899", "[::1]:80", "0.0.0.0:80"; -EINVAL. */
int capture_parse_exclude(const char *text, struct capture_exclude *ret_exclude);

/* Names of wanted interfaces that are not there, comma-separated; "" = all there. */
const char *capture_missing(const struct capture *capture);
/* None of the wanted interfaces is there: nothing can be captured now. */
bool capture_is_waiting(const struct capture *capture);
/* Names of the interfaces that are there, comma-separated, cut at `size` with "…". */
void capture_list_interfaces(const struct capture *capture, char *out, size_t size);

enum {
    CAPTURE_SENTENCE_SIZE = 400
};
/* How this program gets CAP_NET_RAW, in one sentence that can be pasted. */
void capture_capability_sentence(char ret_sentence[CAPTURE_SENTENCE_SIZE]);

#endif
