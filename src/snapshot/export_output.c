#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "packet/pcap_writer.h"
#include "snapshot/export_private.h"

enum {
    FLUSH_BYTES = 1024 * 1024,
    BUFFER_BYTES = 96 * 1024 * 1024, /* one flush, the largest block, the names */
    MAX_INTERFACES = 65536,
    NAME_BYTES = 600
};

void output_init(struct export_output *out, const struct export_options *options,
                 struct export_result *result)
{
    *out = (struct export_output){.options = options, .result = result, .last_ns = INT64_MIN};
    buf_init(&out->buf, BUFFER_BYTES);
}

void output_done(struct export_output *out)
{
    for (size_t i = 0; i < out->interface_count; i++)
        free(out->interfaces[i].name);
    free(out->interfaces);
    buf_done(&out->buf);
}

int output_flush(struct export_output *out, struct error *reterr)
{
    if (buf_failed(&out->buf))
        return error_set(reterr, buf_failed(&out->buf), "There is no memory for the output.");
    if (out->buf.len == 0)
        return 0;
    int r = out->options->write(out->options->ctx, out->buf.data, out->buf.len);
    if (r != 0)
        return error_set(reterr, r < 0 ? r : -ECANCELED, "Writing the output failed: %s.",
                         strerrordesc_np(r < 0 ? -r : ECANCELED));
    out->result->bytes += out->buf.len;
    buf_reset(&out->buf);
    return 0;
}

static int flush_when_full(struct export_output *out, struct error *reterr)
{
    return out->buf.len >= FLUSH_BYTES || buf_failed(&out->buf) ? output_flush(out, reterr) : 0;
}

/* ── interfaces ── */

static void interface_name(char name[NAME_BYTES], const char *node,
                           const struct packet_interface *interface, uint32_t index)
{
    char plain[32];
    snprintf(plain, sizeof plain, "if%u", index);
    const char *own = interface->name && interface->name[0] ? interface->name : plain;
    if (node && node[0])
        snprintf(name, NAME_BYTES, "%s:%s", node, own);
    else
        snprintf(name, NAME_BYTES, "%s", own);
}

bool output_wants(const struct export_output *out, const char *node,
                  const struct packet_interface *interface)
{
    const char *const *only = out->options->only_nodes;
    if (!only)
        return true;
    struct slice name = slice_str(node);
    if (name.len == 0 && interface->name) {
        const char *colon = strchr(interface->name, ':');
        name = slice_of(interface->name, colon ? (size_t)(colon - interface->name) : 0);
    }
    for (size_t i = 0; only[i]; i++)
        if (slice_eq_str(name, only[i]))
            return true;
    return false;
}

static void put_interface(struct export_output *out, const struct export_interface *interface)
{
    struct packet_interface block = {.link_type = interface->link_type,
                                     .snaplen_bytes = interface->snaplen_bytes,
                                     .name = interface->name};
    pcapng_put_interface(&out->buf, &block);
}

static int check_pcap(const struct export_output *out, uint16_t link_type, struct error *reterr)
{
    if (!out->options->pcap || out->interface_count == 0 ||
        out->interfaces[0].link_type == link_type)
        return 0;
    return error_set(reterr, -EINVAL,
                     "A .pcap file holds one link type only, and there are packets of type %u and "
                     "of type %u: export as pcapng, or choose nodes with the same type.",
                     out->interfaces[0].link_type, link_type);
}

int output_interface(struct export_output *out, const char *node,
                     const struct packet_interface *interface, uint32_t index, struct error *reterr)
{
    char name[NAME_BYTES];
    interface_name(name, node, interface, index);
    for (size_t i = 0; i < out->interface_count; i++)
        if (out->interfaces[i].link_type == interface->link_type &&
            out->interfaces[i].snaplen_bytes == interface->snaplen_bytes &&
            strcmp(out->interfaces[i].name, name) == 0)
            return (int)i;
    int r = check_pcap(out, interface->link_type, reterr);
    if (r < 0)
        return r;
    if (out->interface_count == MAX_INTERFACES)
        return error_set(reterr, -E2BIG, "There are more than %d interfaces.", MAX_INTERFACES);
    if (out->interface_count == out->interface_cap) {
        size_t cap = out->interface_cap ? out->interface_cap * 2 : 16;
        void *grown = reallocarray(out->interfaces, cap, sizeof *out->interfaces);
        if (!grown)
            return error_set(reterr, -ENOMEM, "There is no memory for the interfaces.");
        out->interfaces = grown;
        out->interface_cap = cap;
    }
    struct export_interface *added = &out->interfaces[out->interface_count];
    *added = (struct export_interface){.name = strdup(name),
                                       .node = node,
                                       .link_type = interface->link_type,
                                       .snaplen_bytes = interface->snaplen_bytes};
    if (!added->name)
        return error_set(reterr, -ENOMEM, "There is no memory for the interfaces.");
    if (out->header_done && !out->options->pcap)
        put_interface(out, added);
    return (int)out->interface_count++;
}

/* ── begin ── */

/* capinfos and wireshark show the comment, but not the drops of statistics blocks. */
static void drops_comment(const struct export_options *o, struct buf *text)
{
    for (size_t i = 0; i < o->node_count; i++) {
        const struct snapshot_drops *d = &o->nodes[i].drops;
        if (o->nodes[i].damaged)
            buf_printf(text, "%s%s: %.2000s.", text->len ? " " : "", o->nodes[i].name,
                       o->nodes[i].damaged);
        if (d->kernel + d->ring + d->disk == 0)
            continue;
        buf_printf(text,
                   "%s%s dropped while it was recorded: %llu by the kernel, %llu by the ring, "
                   "%llu by the disk.",
                   text->len ? " " : "", o->nodes[i].name, (unsigned long long)d->kernel,
                   (unsigned long long)d->ring, (unsigned long long)d->disk);
    }
    buf_append_u8(text, 0);
}

int output_header(struct export_output *out, struct error *reterr)
{
    out->header_done = true;
    if (out->options->pcap) {
        uint16_t link_type = out->interface_count ? out->interfaces[0].link_type : 1;
        pcap_put_header(&out->buf, link_type, 0);
        return output_flush(out, reterr);
    }
    struct buf comment;
    buf_init(&comment, 32 * 1024);
    drops_comment(out->options, &comment);
    bool has_comment = !buf_failed(&comment) && comment.len > 1;
    pcapng_put_section(&out->buf, NULL, "trawl " TRAWL_VERSION,
                       has_comment ? (const char *)comment.data : NULL);
    buf_done(&comment);
    for (size_t i = 0; i < out->interface_count; i++)
        put_interface(out, &out->interfaces[i]);
    if (out->options->name_count)
        pcapng_put_names(&out->buf, out->options->names, out->options->name_count);
    return output_flush(out, reterr);
}

/* ── packets and end ── */

int output_packet(struct export_output *out, const struct packet *packet, const char *comment,
                  struct error *reterr)
{
    if (packet->ts_ns < out->last_ns)
        out->result->unordered++;
    else
        out->last_ns = packet->ts_ns;
    if (out->options->pcap)
        pcap_put_packet(&out->buf, packet);
    else
        pcapng_put_packet(&out->buf, packet, comment);
    out->result->packets++;
    return flush_when_full(out, reterr);
}

int output_secrets(struct export_output *out, struct slice secrets, struct error *reterr)
{
    /* before the first interface block other tools cannot rewrite the file */
    if (out->options->pcap || out->interface_count == 0 || secrets.len == 0)
        return 0;
    pcapng_put_secrets(&out->buf, secrets);
    return flush_when_full(out, reterr);
}

static const struct export_node *node_of(const struct export_options *o,
                                         const struct export_interface *interface)
{
    for (size_t i = 0; interface->node && i < o->node_count; i++)
        if (strcmp(o->nodes[i].name, interface->node) == 0)
            return &o->nodes[i];
    return NULL;
}

/* A node's drops are told once, on its first interface: they are per node, not per interface. */
static bool is_first_of_node(const struct export_output *out, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (out->interfaces[i].node &&
            strcmp(out->interfaces[i].node, out->interfaces[index].node) == 0)
            return false;
    return true;
}

int output_end(struct export_output *out, struct error *reterr)
{
    const struct export_options *o = out->options;
    for (size_t i = 0; !o->pcap && i < out->interface_count; i++) {
        struct export_interface *interface = &out->interfaces[i];
        const struct export_node *node = node_of(o, interface);
        if (node && is_first_of_node(out, i)) {
            uint64_t drops = node->drops.kernel + node->drops.ring + node->drops.disk;
            struct pcapng_statistics s = {.ts_ns = out->last_ns == INT64_MIN ? 0 : out->last_ns,
                                          .received = UINT64_MAX,
                                          .dropped_by_interface = UINT64_MAX,
                                          .dropped_by_os = drops};
            pcapng_put_statistics(&out->buf, (uint32_t)i, &s);
        } else if (!node && interface->has_statistics) {
            pcapng_put_statistics(&out->buf, (uint32_t)i, &interface->statistics);
        }
    }
    return output_flush(out, reterr);
}
