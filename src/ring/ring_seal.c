/* How a segment ends. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "ring/ring_disk_internal.h"
#include "ring/ring_index_file.h"
#include "ring/ring_scan.h"

static void parts_of(const struct ring_segment *segment, const struct ring_segment_figures *figures,
                     struct ring_index_parts *parts)
{
    *parts = (struct ring_index_parts){
        .header = {.magic = RING_INDEX_MAGIC,
                   .version = RING_INDEX_VERSION,
                   .header_bytes = sizeof parts->header,
                   .sequence = segment->sequence,
                   .series = segment->series,
                   .link_type = segment->link_type,
                   .gap_reason = (uint8_t)segment->gap_reason,
                   .size_bytes = figures->length_bytes,
                   .packets = figures->packets,
                   .captured_bytes = figures->captured_bytes,
                   .first_ns = figures->first_ns,
                   .last_ns = figures->last_ns,
                   .covered_from_ns = segment->covered_from_ns,
                   .covered_to_ns = figures->covered_to_ns,
                   .previous_covered_to_ns = segment->previous_covered_to_ns,
                   .drops_kernel = figures->drops.kernel,
                   .drops_ring = figures->drops.ring,
                   .drops_disk = figures->drops.disk,
                   .event_count = segment->event_count,
                   .chunk_count = segment->chunk_count,
                   .flow_count = segment->flows.count,
                   .owner_count = segment->owners.count,
                   .owner_bytes = (uint32_t)segment->owners.processes.len,
                   .flags = segment->unsorted ? 0 : RING_INDEX_SORTED},
        .events = segment->events,
        .chunks = segment->chunks,
        .flows = segment->flows.records,
        .owners = segment->owners.processes.data};
    memcpy(parts->header.sha256, segment->sha256, sizeof parts->header.sha256);
}

/* Writes the index (a missing one is made by whoever needs it) and joins the store. */
static void keep(struct ring_disk *disk, const struct ring_segment *segment,
                 const struct ring_index_parts *parts)
{
    char index_name[RING_NAME_SIZE];
    ring_name_index(segment->name, index_name);
    uint64_t segment_bytes = ring_store_file_bytes(disk->dir_fd, segment->name);
    disk->store.open_bytes += segment_bytes; /* until it has its place among the sealed */
    uint64_t index_bytes = ring_index_file_bytes(&parts->header) + 2 * RING_SECTOR_BYTES;
    if (ring_store_make_room(&disk->store, index_bytes, clock_mono_ns()) == 0)
        (void)ring_index_write(disk->dir_fd, index_name, parts);
    disk->store.open_bytes -= segment_bytes;
    const struct ring_index_header *header = &parts->header;
    struct ring_stored stored = {.sequence = segment->sequence,
                                 .disk_bytes = segment_bytes +
                                               ring_store_file_bytes(disk->dir_fd, index_name),
                                 .from_ns = header->covered_from_ns,
                                 .to_ns = header->covered_to_ns};
    memcpy(stored.name, segment->name, sizeof stored.name);
    if (header->packets && header->first_ns < stored.from_ns)
        stored.from_ns = header->first_ns;
    if (header->packets && header->last_ns > stored.to_ns)
        stored.to_ns = header->last_ns;
    (void)ring_store_add(&disk->store, &stored);
}

static void seal_good(struct ring_disk *disk, struct ring_segment *segment,
                      const struct ring_segment_figures *figures)
{
    unsigned n = 0;
    EVP_DigestFinal_ex(segment->sha, segment->sha256, &n);
    ring_flows_sort(&segment->flows);
    struct ring_index_parts parts;
    parts_of(segment, figures, &parts);
    keep(disk, segment, &parts);
}

/* The declarations that were in the lost part have to be made again. */
static void declare_again(struct ring_disk *disk, const struct ring_segment *segment,
                          const struct ring_segment_figures *figures)
{
    pthread_mutex_lock(&disk->lock);
    struct ring_drops *again = &disk->lost.again;
    const struct ring_drops *written = &segment->written_drops;
    uint64_t before = again->kernel + again->ring + again->disk;
    again->kernel += figures->drops.kernel - written->kernel;
    again->ring += figures->drops.ring - written->ring;
    again->disk += figures->drops.disk - written->disk;
    if (again->kernel + again->ring + again->disk > before)
        ring_lost_extend(&disk->lost,
                         segment->written_covered_to_ns ? segment->written_covered_to_ns
                                                        : segment->covered_from_ns,
                         figures->covered_to_ns);
    pthread_mutex_unlock(&disk->lock);
}

static void seal_failed(struct ring_disk *disk, struct ring_segment *segment,
                        const struct ring_segment_figures *figures)
{
    declare_again(disk, segment, figures);
    struct ring_scan scan;
    int fd = segment->written_bytes
                 ? openat(disk->dir_fd, segment->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
                 : -1;
    if (fd >= 0 && ring_scan_file(fd, segment->written_bytes, &scan, NULL) == 0) {
        struct ring_index_header *header = &scan.parts.header;
        header->sequence = segment->sequence;
        header->series = segment->series;
        header->end_reason = RING_GAP_DISK + 1;
        if (segment->written_covered_to_ns > header->covered_to_ns)
            header->covered_to_ns = segment->written_covered_to_ns;
        keep(disk, segment, &scan.parts);
        ring_scan_done(&scan);
    } else if (segment->opened) {
        (void)io_unlink("ring-segment", disk->dir_fd, segment->name, 0);
    }
    if (fd >= 0)
        close(fd);
}

void ring_disk_seal(struct ring_disk *disk, struct ring_segment *segment,
                    const struct ring_segment_figures *figures)
{
    if (segment->opened) {
        /* frees what was reserved beyond, and takes the padding off */
        int r = io_ftruncate("ring-segment", segment->fd, (off_t)segment->written_bytes);
        ring_disk_forget_open(disk, segment);
        if (r < 0)
            segment->failed = true;
    }
    if (segment->failed)
        seal_failed(disk, segment, figures);
    else if (segment->opened)
        seal_good(disk, segment, figures);
    if (segment->opened)
        ring_disk_keep_for_sync(disk, segment->fd);
    segment->fd = -1;
}
