#include "ring/ring_recover.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "ring/ring_scan.h"

static int store_segment(struct ring_store *store, const char *name,
                         const struct ring_index_header *header, struct ring_recovered *recovered)
{
    char index_name[RING_NAME_SIZE];
    ring_name_index(name, index_name);
    struct ring_stored stored = {.sequence = header->sequence,
                                 .disk_bytes = ring_store_file_bytes(store->dir_fd, name) +
                                               ring_store_file_bytes(store->dir_fd, index_name),
                                 .from_ns = header->covered_from_ns,
                                 .to_ns = header->covered_to_ns};
    memcpy(stored.name, name, strlen(name) + 1);
    if (header->packets && header->first_ns < stored.from_ns)
        stored.from_ns = header->first_ns;
    if (header->packets && header->last_ns > stored.to_ns)
        stored.to_ns = header->last_ns;
    if (header->covered_to_ns > recovered->covered_to_ns)
        recovered->covered_to_ns = header->covered_to_ns;
    if (!recovered->oldest_sequence || header->sequence < recovered->oldest_sequence) {
        recovered->oldest_sequence = header->sequence;
        recovered->oldest_from_ns = header->covered_from_ns;
        recovered->oldest_previous_ns = header->previous_covered_to_ns;
    }
    return ring_store_add(store, &stored);
}

/* The index says exactly this file's size. */
static bool indexed(struct ring_store *store, const char *name, off_t size,
                    struct ring_recovered *recovered, int *ret_result)
{
    char index_name[RING_NAME_SIZE];
    ring_name_index(name, index_name);
    struct ring_index_image image;
    if (ring_index_read(store->dir_fd, index_name, &image) < 0)
        return false;
    bool fits = image.parts.header.size_bytes == (uint64_t)size;
    if (fits)
        *ret_result = store_segment(store, name, &image.parts.header, recovered);
    ring_index_image_done(&image);
    return fits;
}

static void extend_coverage(struct ring_index_header *header, const char *name,
                            const struct ring_state_body *old)
{
    for (size_t i = 0; i < RING_MAX_OPEN; i++)
        if (strcmp(old->open[i].name, name) == 0 &&
            old->open[i].length_bytes <= header->size_bytes &&
            old->captured_until_ns > header->covered_to_ns)
            header->covered_to_ns = old->captured_until_ns;
}

/* It was sealed with more than can be read of it now: what it covered and covers no longer is not
 * recycled, it is damage. */
static void remember_damage(struct ring_store *store, const char *name,
                            struct ring_index_header *header, struct ring_recovered *recovered)
{
    char index_name[RING_NAME_SIZE];
    struct ring_index_image was;
    ring_name_index(name, index_name);
    if (ring_index_read(store->dir_fd, index_name, &was) < 0)
        return;
    const struct ring_index_header *sealed = &was.parts.header;
    if (sealed->size_bytes > header->size_bytes && sealed->covered_to_ns > header->covered_to_ns) {
        header->end_reason = RING_GAP_CORRUPT + 1;
        if (sealed->covered_to_ns > recovered->covered_to_ns)
            recovered->covered_to_ns = sealed->covered_to_ns;
    }
    ring_index_image_done(&was);
}

static int rebuild(struct ring_store *store, const char *name, const struct ring_state_body *old,
                   struct ring_recovered *recovered)
{
    int fd = openat(store->dir_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && (errno == EACCES || errno == EPERM || errno == EIO)) {
        recovered->left++; /* one that cannot be read must not keep the others from going on */
        return 0;
    }
    if (fd < 0)
        return -errno;
    struct stat st;
    struct ring_scan scan;
    int r = fstat(fd, &st) < 0 ? -errno : ring_scan_file(fd, 0, &scan, NULL);
    if (r == -EBADMSG) {
        recovered->removed++;
        close(fd);
        return io_unlink("ring-recover", store->dir_fd, name, 0);
    }
    if (r == 0) {
        struct ring_index_header *header = &scan.parts.header;
        uint32_t series;
        (void)ring_name_parse(name, &series, &header->sequence);
        header->series = series;
        extend_coverage(header, name, old);
        remember_damage(store, name, header, recovered);
        if (header->size_bytes < (uint64_t)st.st_size)
            recovered->cut++;
        /* also frees what was reserved beyond the end; a whole sealed file has neither */
        if (header->size_bytes < (uint64_t)st.st_size ||
            (uint64_t)st.st_blocks * 512 > header->size_bytes + RING_CHUNK_BYTES)
            r = io_ftruncate("ring-recover", fd, (off_t)header->size_bytes);
        char index_name[RING_NAME_SIZE];
        ring_name_index(name, index_name);
        if (r == 0)
            (void)ring_index_write(store->dir_fd, index_name, &scan.parts);
        if (r == 0)
            r = store_segment(store, name, header, recovered);
        recovered->rebuilt++;
        ring_scan_done(&scan);
    }
    close(fd);
    return r;
}

static bool ends_with(const char *name, const char *suffix)
{
    size_t n = strlen(name), m = strlen(suffix);
    return n >= m && strcmp(name + n - m, suffix) == 0;
}

/* `….idx` without its segment, `….tmp`. */
static void remove_leftover(struct ring_store *store, const char *name)
{
    struct stat st;
    char segment[RING_NAME_SIZE] = "";
    if (ends_with(name, RING_IDX_SUFFIX) && strlen(name) == 16 + strlen(RING_IDX_SUFFIX)) {
        memcpy(segment, name, 16);
        memcpy(segment + 16, ".pcapng", sizeof ".pcapng");
        uint32_t series;
        uint64_t sequence;
        if (!ring_name_parse(segment, &series, &sequence) ||
            fstatat(store->dir_fd, segment, &st, AT_SYMLINK_NOFOLLOW) == 0)
            return;
    } else if (!ends_with(name, ".idx.tmp")) {
        return;
    }
    (void)io_unlink("ring-recover", store->dir_fd, name, 0);
}

static int recover_entry(struct ring_store *store, const char *name,
                         const struct ring_state_body *old, struct ring_recovered *recovered)
{
    uint32_t series;
    uint64_t sequence;
    struct stat st;
    if (!ring_name_parse(name, &series, &sequence)) {
        remove_leftover(store, name);
        return 0;
    }
    if (fstatat(store->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
        return 0;
    if (sequence >= recovered->next_sequence)
        recovered->next_sequence = sequence + 1;
    int r = 0;
    if (!indexed(store, name, st.st_size, recovered, &r))
        r = rebuild(store, name, old, recovered);
    return r;
}

int ring_recover(struct ring_store *store, const struct ring_state_body *old,
                 struct ring_recovered *ret_recovered, struct error *reterr)
{
    *ret_recovered = (struct ring_recovered){.next_sequence = 1};
    int fd = openat(store->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        int r = -errno;
        if (fd >= 0)
            close(fd);
        return error_set(reterr, r, "the ring folder cannot be listed: %s", strerror(-r));
    }
    struct dirent *entry;
    int r = 0;
    while (r == 0 && (entry = readdir(dir))) {
        r = recover_entry(store, entry->d_name, old, ret_recovered);
        if (r < 0)
            error_set(reterr, r, "the segment %.31s cannot be recovered: %s", entry->d_name,
                      strerror(-r));
    }
    closedir(dir);
    return r;
}
