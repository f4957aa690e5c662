#include "ring/ring_index_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/io.h"

enum {
    CHECKSUM_BYTES = 8,
    MAX_INDEX_BYTES = 64 * 1024 * 1024
};

uint64_t ring_index_file_bytes(const struct ring_index_header *header)
{
    return header->header_bytes + header->event_count * sizeof(struct ring_event_record) +
           header->chunk_count * sizeof(struct ring_chunk_record) +
           (uint64_t)header->flow_count * sizeof(struct ring_flow_record) + header->owner_bytes +
           CHECKSUM_BYTES;
}

static int encode(const struct ring_index_parts *parts, struct buf *out)
{
    const struct ring_index_header *header = &parts->header;
    buf_append(out, header, sizeof *header);
    buf_append(out, parts->events, header->event_count * sizeof *parts->events);
    buf_append(out, parts->chunks, header->chunk_count * sizeof *parts->chunks);
    buf_append(out, parts->flows, header->flow_count * sizeof *parts->flows);
    buf_append(out, parts->owners, header->owner_bytes);
    if (buf_failed(out))
        return buf_failed(out);
    uint64_t sum = hash_bytes(hash_fixed_key, out->data, out->len);
    return buf_append(out, &sum, sizeof sum);
}

int ring_index_write_to(int fd, const struct ring_index_parts *parts)
{
    struct buf out;
    buf_init(&out, MAX_INDEX_BYTES);
    int r = encode(parts, &out);
    if (r == 0)
        r = io_write("snapshot-data", fd, out.data, out.len);
    buf_done(&out);
    return r;
}

int ring_index_write(int dir_fd, const char *index_name, const struct ring_index_parts *parts)
{
    struct buf out;
    buf_init(&out, MAX_INDEX_BYTES);
    int r = encode(parts, &out);
    char temporary[RING_NAME_SIZE + 8];
    snprintf(temporary, sizeof temporary, "%s.tmp", index_name);
    int fd = -1;
    if (r == 0) {
        fd = io_create("ring-index", dir_fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW,
                       0640);
        r = fd < 0 ? fd : io_write("ring-index", fd, out.data, out.len);
    }
    if (fd >= 0)
        close(fd);
    if (r == 0)
        r = io_rename("ring-index", dir_fd, temporary, dir_fd, index_name);
    if (r < 0)
        (void)io_unlink("ring-index", dir_fd, temporary, 0);
    buf_done(&out);
    return r;
}

static int check(struct ring_index_image *image)
{
    struct ring_index_parts *parts = &image->parts;
    struct ring_index_header *header = &parts->header;
    if (image->bytes.len < RING_INDEX_HEADER_BYTES_1 + CHECKSUM_BYTES)
        return -EBADMSG;
    memcpy(header, image->bytes.data, RING_INDEX_HEADER_BYTES_1);
    if (memcmp(header->magic, RING_INDEX_MAGIC, 8) != 0)
        return -EBADMSG;
    bool first = header->version == 1 && header->header_bytes == RING_INDEX_HEADER_BYTES_1;
    if (first)
        header->owner_count = 0;
    else if (header->version != RING_INDEX_VERSION || header->header_bytes != sizeof *header ||
             image->bytes.len < sizeof *header + CHECKSUM_BYTES)
        return -EBADMSG;
    else
        memcpy(header, image->bytes.data, sizeof *header);
    if (ring_index_file_bytes(header) != image->bytes.len)
        return -EBADMSG;
    uint64_t sum;
    memcpy(&sum, image->bytes.data + image->bytes.len - CHECKSUM_BYTES, sizeof sum);
    if (sum != hash_bytes(hash_fixed_key, image->bytes.data, image->bytes.len - CHECKSUM_BYTES))
        return -EBADMSG;
    uint8_t *p = image->bytes.data + header->header_bytes;
    parts->events = (struct ring_event_record *)(void *)p;
    p += header->event_count * sizeof *parts->events;
    parts->chunks = (struct ring_chunk_record *)(void *)p;
    p += header->chunk_count * sizeof *parts->chunks;
    parts->flows = (struct ring_flow_record *)(void *)p;
    parts->owners = p + header->flow_count * sizeof *parts->flows;
    return 0;
}

int ring_index_read(int dir_fd, const char *index_name, struct ring_index_image *ret_image)
{
    *ret_image = (struct ring_index_image){0};
    buf_init(&ret_image->bytes, MAX_INDEX_BYTES);
    int r = io_read_file(dir_fd, index_name, &ret_image->bytes);
    if (r == 0)
        r = check(ret_image);
    if (r < 0)
        ring_index_image_done(ret_image);
    return r;
}

void ring_index_image_done(struct ring_index_image *image)
{
    buf_done(&image->bytes);
    *image = (struct ring_index_image){0};
}

void ring_index_segment_info(const struct ring_index_header *header, const char *segment_name,
                             struct ring_segment_info *ret_info)
{
    *ret_info = (struct ring_segment_info){
        .sequence = header->sequence,
        .series = header->series,
        .link_type = header->link_type,
        .sealed = true,
        .has_sha256 = true,
        .size_bytes = header->size_bytes,
        .packets = header->packets,
        .captured_bytes = header->captured_bytes,
        .first_ns = header->first_ns,
        .last_ns = header->last_ns,
        .covered_from_ns = header->covered_from_ns,
        .covered_to_ns = header->covered_to_ns,
        .drops = {header->drops_kernel, header->drops_ring, header->drops_disk},
    };
    snprintf(ret_info->name, sizeof ret_info->name, "%s", segment_name);
    memcpy(ret_info->sha256, header->sha256, sizeof ret_info->sha256);
}

static const struct owner_process *owner_at(const struct ring_index *index, uint16_t number)
{
    return number && number <= index->owner_count ? &index->owners[number - 1] : NULL;
}

/* The texts are kept in the same piece of memory. */
static int copy_owners(const struct ring_index_parts *parts, struct ring_index *index)
{
    size_t table = (parts->header.owner_count + 1u) * sizeof *index->owners;
    size_t bytes = parts->header.owner_bytes;
    if (parts->header.owner_count > bytes / 64)
        return -EBADMSG;
    index->owners = calloc(1, table + bytes);
    if (!index->owners)
        return -ENOMEM;
    uint8_t *texts = (uint8_t *)index->owners + table;
    if (bytes)
        memcpy(texts, parts->owners, bytes);
    for (size_t at = 0; index->owner_count < parts->header.owner_count;) {
        struct owner_note note;
        size_t n;
        if (owner_note_read(slice_of(texts + at, bytes - at), &note, &n) < 0)
            break;
        index->owners[index->owner_count++] = note.process;
        at += n;
    }
    return 0;
}

static void copy_flows(const struct ring_index_parts *parts, struct ring_index *index)
{
    for (size_t i = 0; i < index->flow_count; i++) {
        const struct ring_flow_record *record = &parts->flows[i];
        struct ring_flow *flow = &index->flows[i];
        *flow = (struct ring_flow){.ip_version = record->ip_version,
                                   .ip_protocol = record->ip_protocol,
                                   .port_a = record->port_a,
                                   .port_b = record->port_b,
                                   .owner_a = owner_at(index, record->owner_a),
                                   .owner_b = owner_at(index, record->owner_b),
                                   .first_ns = record->first_ns,
                                   .last_ns = record->last_ns,
                                   .packets = record->packets,
                                   .bytes = record->bytes,
                                   .first_offset = record->first_offset};
        memcpy(flow->ip_a, record->ip_a, sizeof flow->ip_a);
        memcpy(flow->ip_b, record->ip_b, sizeof flow->ip_b);
    }
}

int ring_index_publish(const struct ring_index_parts *parts, const char *segment_name,
                       struct ring_index *ret_index)
{
    const struct ring_index_header *header = &parts->header;
    struct ring_index index = {
        .flow_count = header->flow_count,
        .chunk_count = header->chunk_count,
        .drop_event_count = header->event_count,
        .previous_covered_to_ns = header->previous_covered_to_ns,
        .gap_reason = (enum ring_gap_reason)header->gap_reason,
    };
    ring_index_segment_info(header, segment_name, &index.segment);
    index.flows = calloc(index.flow_count + 1, sizeof *index.flows);
    index.chunks = calloc(index.chunk_count + 1, sizeof *index.chunks);
    index.drop_events = calloc(index.drop_event_count + 1, sizeof *index.drop_events);
    int r = index.flows && index.chunks && index.drop_events ? copy_owners(parts, &index) : -ENOMEM;
    if (r < 0) {
        ring_index_done(&index);
        return r;
    }
    index.sorted = header->flags & RING_INDEX_SORTED;
    copy_flows(parts, &index);
    for (size_t i = 0; i < index.chunk_count; i++)
        index.chunks[i] = (struct ring_chunk){parts->chunks[i].offset, parts->chunks[i].min_ns,
                                              parts->chunks[i].max_ns, parts->chunks[i].packets};
    for (size_t i = 0; i < index.drop_event_count; i++) {
        const struct ring_event_record *event = &parts->events[i];
        index.drop_events[i] = (struct ring_drop_event){
            event->from_ns, event->to_ns, {event->kernel, event->ring, event->disk}};
    }
    *ret_index = index;
    return 0;
}

void ring_index_done(struct ring_index *index)
{
    free(index->flows);
    free(index->chunks);
    free(index->drop_events);
    free(index->owners);
    *index = (struct ring_index){0};
}

const struct ring_flow *ring_index_find(const struct ring_index *index, const struct ring_flow *key)
{
    struct ring_flow_record wanted = {.port_a = key->port_a,
                                      .port_b = key->port_b,
                                      .ip_version = key->ip_version,
                                      .ip_protocol = key->ip_protocol};
    int order = memcmp(key->ip_a, key->ip_b, sizeof key->ip_a);
    bool swap = order > 0 || (order == 0 && key->port_a > key->port_b);
    memcpy(wanted.ip_a, swap ? key->ip_b : key->ip_a, sizeof wanted.ip_a);
    memcpy(wanted.ip_b, swap ? key->ip_a : key->ip_b, sizeof wanted.ip_b);
    if (swap) {
        wanted.port_a = key->port_b;
        wanted.port_b = key->port_a;
    }
    size_t low = 0, high = index->flow_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct ring_flow *flow = &index->flows[middle];
        struct ring_flow_record record = {.port_a = flow->port_a,
                                          .port_b = flow->port_b,
                                          .ip_version = flow->ip_version,
                                          .ip_protocol = flow->ip_protocol};
        memcpy(record.ip_a, flow->ip_a, sizeof record.ip_a);
        memcpy(record.ip_b, flow->ip_b, sizeof record.ip_b);
        int c = ring_flow_record_cmp(&record, &wanted);
        if (c == 0)
            return flow;
        if (c < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}
