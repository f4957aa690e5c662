#include "ring/ring_reader.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "ring/ring_lock.h"
#include "ring/ring_reader_internal.h"
#include "ring/ring_scan.h"

#define HEARTBEAT_MAX_AGE_NS (5 * NS_PER_S)

int ring_reader_open(int dir_fd, const char *ring_dir, struct ring_reader **ret_reader,
                     struct error *reterr)
{
    int fd = openat(dir_fd, ring_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_set(reterr, -errno, "there is no ring in %s: %s", ring_dir, strerror(errno));
    struct ring_state_map *map = NULL;
    int r = ring_state_open(fd, &map, reterr);
    ring_state_close(map);
    struct ring_reader *reader = r == -EPROTO ? NULL : calloc(1, sizeof *reader);
    if (!reader) {
        close(fd);
        return r == -EPROTO ? r : error_set(reterr, -ENOMEM, "no memory");
    }
    reader->dir_fd = fd;
    pthread_mutex_init(&reader->lock, NULL);
    *ret_reader = reader;
    return 0;
}

void ring_reader_free(struct ring_reader *reader)
{
    if (!reader)
        return;
    for (size_t i = 0; i < reader->cache_count; i++)
        free(reader->cache[i].events);
    free(reader->cache);
    pthread_mutex_destroy(&reader->lock);
    close(reader->dir_fd);
    free(reader);
}

int ring_reader_dir_fd(const struct ring_reader *reader)
{
    return reader->dir_fd;
}

/* ── looking ── */

static struct ring_cached *insert(struct ring_cached **items, size_t *count, size_t *cap,
                                  uint64_t sequence)
{
    if (*count == *cap) {
        size_t new_cap = *cap ? *cap * 2 : 64;
        struct ring_cached *grown = realloc(*items, new_cap * sizeof *grown);
        if (!grown)
            return NULL;
        *items = grown;
        *cap = new_cap;
    }
    size_t at = *count;
    while (at > 0 && (*items)[at - 1].info.sequence > sequence)
        at--;
    memmove(&(*items)[at + 1], &(*items)[at], (*count - at) * sizeof **items);
    (*count)++;
    (*items)[at] = (struct ring_cached){.info.sequence = sequence};
    return &(*items)[at];
}

static int fill_cached(struct ring_cached *cached, const char *name,
                       const struct ring_index_parts *parts)
{
    const struct ring_index_header *header = &parts->header;
    ring_index_segment_info(header, name, &cached->info);
    cached->previous_covered_to_ns = header->previous_covered_to_ns;
    cached->gap_reason = (enum ring_gap_reason)header->gap_reason;
    cached->end_reason = header->end_reason;
    cached->file_bytes = cached->info.sealed_bytes = header->size_bytes;
    cached->info.sealed_to_ns = header->covered_to_ns;
    cached->events = calloc(header->event_count + 1u, sizeof *cached->events);
    if (!cached->events)
        return -ENOMEM;
    memcpy(cached->events, parts->events, header->event_count * sizeof *cached->events);
    cached->event_count = header->event_count;
    cached->seen = true;
    return 0;
}

static struct ring_cached *find_cached(struct ring_reader *reader, const char *name,
                                       uint64_t sequence)
{
    size_t low = 0, high = reader->cache_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (reader->cache[middle].info.sequence < sequence)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < reader->cache_count && reader->cache[low].info.sequence == sequence; low++)
        if (strcmp(reader->cache[low].info.name, name) == 0)
            return &reader->cache[low];
    return NULL;
}

static void forget(struct ring_reader *reader, struct ring_cached *cached)
{
    free(cached->events);
    size_t after = (size_t)(&reader->cache[reader->cache_count] - cached) - 1;
    memmove(cached, cached + 1, after * sizeof *cached);
    reader->cache_count--;
}

/* Into the cache; -ENOENT when the segment has no good index. */
static int cache_indexed(struct ring_reader *reader, const char *name, uint64_t sequence)
{
    char index_name[RING_NAME_SIZE];
    ring_name_index(name, index_name);
    struct ring_index_image image;
    struct stat st;
    if (ring_index_read(reader->dir_fd, index_name, &image) < 0)
        return -ENOENT;
    int r = fstatat(reader->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
                    (uint64_t)st.st_size != image.parts.header.size_bytes
                ? -ENOENT
                : 0;
    struct ring_cached *cached = NULL;
    if (r == 0)
        cached = insert(&reader->cache, &reader->cache_count, &reader->cache_cap, sequence);
    if (r == 0)
        r = cached ? fill_cached(cached, name, &image.parts) : -ENOMEM;
    if (r == 0)
        cached->inode = st.st_ino;
    ring_index_image_done(&image);
    return r;
}

/* Of a segment that was sealed with more than its file holds: what it was stays from the index,
 * what it holds is what can still be read. */
static void cut_to(struct ring_index_header *header, const struct ring_index_header *found)
{
    header->size_bytes = found->size_bytes;
    header->packets = found->packets;
    header->captured_bytes = found->captured_bytes;
    header->first_ns = found->first_ns;
    header->last_ns = found->last_ns;
    if (found->covered_to_ns < header->covered_to_ns)
        header->covered_to_ns = found->covered_to_ns;
    if (header->covered_to_ns < header->covered_from_ns)
        header->covered_to_ns = header->covered_from_ns;
    memcpy(header->sha256, found->sha256, sizeof header->sha256);
}

static int insert_scanned(struct ring_reader *reader, const char *name, const struct stat *st,
                          struct ring_scan *scan)
{
    struct ring_index_image was;
    char index_name[RING_NAME_SIZE];
    ring_name_index(name, index_name);
    bool indexed = ring_index_read(reader->dir_fd, index_name, &was) == 0;
    struct ring_index_parts parts = indexed ? was.parts : scan->parts;
    uint64_t sealed_bytes = parts.header.size_bytes;
    int64_t sealed_to_ns = parts.header.covered_to_ns;
    if (indexed)
        cut_to(&parts.header, &scan->parts.header);
    (void)ring_name_parse(name, &parts.header.series, &parts.header.sequence);
    /* without an index and without a section header nothing is known of it */
    bool nothing = !indexed && parts.header.size_bytes == 0;
    struct ring_cached *cached = nothing ? NULL
                                         : insert(&reader->cache, &reader->cache_count,
                                                  &reader->cache_cap, parts.header.sequence);
    int r = cached ? fill_cached(cached, name, &parts) : nothing ? 0 : -ENOMEM;
    if (cached && r == 0) {
        cached->inode = st->st_ino;
        cached->file_bytes = (uint64_t)st->st_size;
        cached->info.sealed_bytes = indexed ? sealed_bytes : 0;
        cached->info.sealed_to_ns = sealed_to_ns;
        cached->torn = !indexed && scan->damaged;
    }
    if (indexed)
        ring_index_image_done(&was);
    return r;
}

static int cache_scanned(struct ring_reader *reader, const char *name)
{
    int fd = openat(reader->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM))
        return -errno;
    if (fd < 0) /* gone, or nobody can read it: as if it were not there */
        return 0;
    struct ring_scan scan = {0};
    struct stat st;
    int r = fstat(fd, &st) < 0 ? -errno : ring_scan_file(fd, 0, &scan, NULL);
    close(fd);
    if (r == 0 || r == -EBADMSG)
        r = insert_scanned(reader, name, &st, &scan);
    ring_scan_done(&scan);
    return r;
}

struct unindexed {
    char (*names)[RING_NAME_SIZE];
    size_t count, cap;
};

static int remember(struct unindexed *list, const char *name)
{
    if (list->count == list->cap) {
        size_t cap = list->cap ? list->cap * 2 : 8;
        char(*names)[RING_NAME_SIZE] = realloc(list->names, cap * sizeof *names);
        if (!names)
            return -ENOMEM;
        list->names = names;
        list->cap = cap;
    }
    memcpy(list->names[list->count++], name, strlen(name) + 1);
    return 0;
}

static int list_folder(struct ring_reader *reader, struct unindexed *ret_unindexed)
{
    int fd = openat(reader->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        int r = -errno;
        if (fd >= 0)
            close(fd);
        return r;
    }
    struct dirent *entry;
    int r = 0;
    while (r == 0 && (entry = readdir(dir))) {
        uint32_t series;
        uint64_t sequence;
        if (!ring_name_parse(entry->d_name, &series, &sequence))
            continue;
        struct stat st;
        bool is_file = fstatat(reader->dir_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
                       S_ISREG(st.st_mode);
        if (!is_file)
            continue;
        struct ring_cached *cached = find_cached(reader, entry->d_name, sequence);
        if (cached && cached->inode == st.st_ino && cached->file_bytes == (uint64_t)st.st_size) {
            cached->seen = true;
            continue;
        }
        if (cached)
            forget(reader, cached);
        r = cache_indexed(reader, entry->d_name, sequence);
        if (r == -ENOENT)
            r = remember(ret_unindexed, entry->d_name);
    }
    closedir(dir);
    return r;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int add_open(struct ring_look *look, const struct ring_state_open *open)
{
    struct ring_cached *cached = insert(&look->segments, &look->count, &look->cap, open->sequence);
    if (!cached)
        return -ENOMEM;
    cached->info = (struct ring_segment_info){
        .sequence = open->sequence,
        .series = open->series,
        .link_type = open->link_type,
        .size_bytes = open->length_bytes,
        .packets = open->packets,
        .captured_bytes = open->captured_bytes,
        .first_ns = open->first_ns,
        .last_ns = open->last_ns,
        .covered_from_ns = open->covered_from_ns,
        .covered_to_ns = later(open->covered_from_ns, look->state.captured_until_ns),
        .drops = {open->drops_kernel, open->drops_ring, open->drops_disk},
    };
    memcpy(cached->info.name, open->name, sizeof cached->info.name);
    cached->previous_covered_to_ns = open->previous_covered_to_ns;
    cached->gap_reason =
        open->gap_reason <= RING_GAP_CORRUPT ? (enum ring_gap_reason)open->gap_reason : 0;
    if (open->drops_kernel + open->drops_ring + open->drops_disk == 0)
        return 0;
    cached->events = calloc(1, sizeof *cached->events);
    if (!cached->events)
        return -ENOMEM;
    cached->event_count = 1;
    cached->events[0] =
        (struct ring_event_record){cached->info.covered_from_ns, cached->info.covered_to_ns,
                                   open->drops_kernel, open->drops_ring, open->drops_disk};
    return 0;
}

/* Segments without an index: open ones as the state says; made this moment: nothing to read yet;
 * else their index was lost. */
static int place_unindexed(struct ring_reader *reader, struct ring_look *look,
                           const struct unindexed *list)
{
    uint64_t newest_open = 0;
    for (size_t i = 0; i < RING_MAX_OPEN; i++)
        if (look->has_state && look->state.open[i].sequence > newest_open)
            newest_open = look->state.open[i].sequence;
    for (size_t i = 0; i < list->count; i++) {
        const char *name = list->names[i];
        const struct ring_state_open *open = NULL;
        uint32_t series;
        uint64_t sequence;
        if (!ring_name_parse(name, &series, &sequence))
            continue;
        for (size_t k = 0; look->has_state && k < RING_MAX_OPEN; k++)
            if (strcmp(look->state.open[k].name, name) == 0)
                open = &look->state.open[k];
        int r = open ? add_open(look, open) : cache_indexed(reader, name, sequence);
        if (r == -ENOENT)
            r = look->alive && sequence > newest_open ? 0 : cache_scanned(reader, name);
        if (r < 0)
            return r;
    }
    return 0;
}

static void forget_recycled(struct ring_reader *reader)
{
    size_t kept = 0;
    for (size_t i = 0; i < reader->cache_count; i++) {
        if (reader->cache[i].seen)
            reader->cache[kept++] = reader->cache[i];
        else
            free(reader->cache[i].events);
    }
    reader->cache_count = kept;
}

static int copy_cache(const struct ring_reader *reader, struct ring_look *look)
{
    for (size_t i = 0; i < reader->cache_count; i++) {
        const struct ring_cached *from = &reader->cache[i];
        struct ring_cached *to =
            insert(&look->segments, &look->count, &look->cap, from->info.sequence);
        if (!to)
            return -ENOMEM;
        *to = *from;
        to->events = calloc(from->event_count + 1u, sizeof *to->events);
        if (!to->events)
            return -ENOMEM;
        memcpy(to->events, from->events, from->event_count * sizeof *to->events);
    }
    return 0;
}

static void read_state(const struct ring_reader *reader, struct ring_look *look)
{
    struct ring_state_map *map;
    look->state_error = ring_state_open(reader->dir_fd, &map, NULL);
    if (look->state_error < 0)
        return;
    look->state_error = ring_state_read(map, &look->state);
    look->has_state = look->state_error == 0;
    ring_state_close(map);
    if (look->has_state)
        look->alive = ring_lock_held(reader->dir_fd) &&
                      clock_now_ns() - look->state.heartbeat_ns < HEARTBEAT_MAX_AGE_NS;
}

int ring_look(struct ring_reader *reader, struct ring_look *ret_look, struct error *reterr)
{
    *ret_look = (struct ring_look){0};
    struct unindexed unindexed = {0};
    pthread_mutex_lock(&reader->lock);
    for (size_t i = 0; i < reader->cache_count; i++)
        reader->cache[i].seen = false;
    int r = list_folder(reader, &unindexed);
    read_state(reader, ret_look);
    if (r == 0)
        r = place_unindexed(reader, ret_look, &unindexed);
    forget_recycled(reader);
    if (r == 0)
        r = copy_cache(reader, ret_look);
    pthread_mutex_unlock(&reader->lock);
    free(unindexed.names);
    if (r < 0) {
        ring_look_done(ret_look);
        return error_set(reterr, r, "the ring cannot be listed: %s", strerror(-r));
    }
    return 0;
}

void ring_look_done(struct ring_look *look)
{
    for (size_t i = 0; i < look->count; i++)
        free(look->segments[i].events);
    free(look->segments);
    *look = (struct ring_look){0};
}

/* ── listing ── */

static bool touches(const struct ring_segment_info *info, int64_t from_ns, int64_t to_ns)
{
    return (info->covered_from_ns < to_ns &&
            (info->covered_to_ns > from_ns || info->sealed_to_ns > from_ns)) ||
           (info->packets && info->first_ns < to_ns && info->last_ns >= from_ns);
}

static int by_time(const void *a, const void *b)
{
    const struct ring_drop_event *x = a;
    const struct ring_drop_event *y = b;
    return (x->from_ns > y->from_ns) - (x->from_ns < y->from_ns);
}

static int select_events(const struct ring_look *look, int64_t from_ns, int64_t to_ns,
                         struct ring_list *list)
{
    size_t most = 0;
    for (size_t i = 0; i < look->count; i++)
        most += look->segments[i].event_count;
    list->drop_events = calloc(most + 1, sizeof *list->drop_events);
    if (!list->drop_events)
        return -ENOMEM;
    for (size_t i = 0; i < look->count; i++)
        for (uint32_t k = 0; k < look->segments[i].event_count; k++) {
            const struct ring_event_record *event = &look->segments[i].events[k];
            if (event->from_ns >= to_ns || event->to_ns <= from_ns)
                continue;
            list->drop_events[list->drop_event_count++] = (struct ring_drop_event){
                event->from_ns, event->to_ns, {event->kernel, event->ring, event->disk}};
            list->drops.kernel += event->kernel;
            list->drops.ring += event->ring;
            list->drops.disk += event->disk;
        }
    qsort(list->drop_events, list->drop_event_count, sizeof *list->drop_events, by_time);
    return 0;
}

int ring_reader_list(struct ring_reader *reader, int64_t from_ns, int64_t to_ns,
                     struct ring_list *ret_list, struct error *reterr)
{
    struct ring_look look;
    int r = ring_look(reader, &look, reterr);
    if (r < 0)
        return r;
    *ret_list = (struct ring_list){0};
    ret_list->segments = calloc(look.count + 1, sizeof *ret_list->segments);
    r = ret_list->segments ? 0 : -ENOMEM;
    for (size_t i = 0; r == 0 && i < look.count; i++)
        if (touches(&look.segments[i].info, from_ns, to_ns))
            ret_list->segments[ret_list->segment_count++] = look.segments[i].info;
    if (r == 0)
        r = select_events(&look, from_ns, to_ns, ret_list);
    if (r == 0)
        r = ring_coverage(&look, from_ns, to_ns, ret_list);
    ring_look_done(&look);
    if (r < 0) {
        ring_list_done(ret_list);
        return error_set(reterr, r, "the ring cannot be listed: %s", strerror(-r));
    }
    return 0;
}

void ring_list_done(struct ring_list *list)
{
    free(list->segments);
    free(list->covered);
    free(list->gaps);
    free(list->drop_events);
    *list = (struct ring_list){0};
}

/* ── one segment ── */

int ring_reader_open_segment(struct ring_reader *reader, const char *name, int *ret_fd,
                             uint64_t *ret_length_bytes, struct error *reterr)
{
    uint32_t series;
    uint64_t sequence;
    if (!ring_name_parse(name, &series, &sequence))
        return error_set(reterr, -EINVAL, "not the name of a segment");
    struct ring_look look;
    int r = ring_look(reader, &look, reterr);
    if (r < 0)
        return r;
    r = -ENOENT;
    for (size_t i = 0; i < look.count; i++)
        if (strcmp(look.segments[i].info.name, name) == 0) {
            int fd = openat(reader->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
            r = fd < 0 ? -errno : 0;
            *ret_fd = fd;
            *ret_length_bytes = look.segments[i].info.size_bytes;
        }
    ring_look_done(&look);
    return r < 0 ? error_set(reterr, r, "the ring does not hold %s (any more)", name) : 0;
}

int ring_index_load(int dir_fd, const char *segment_name, const char *index_name,
                    struct ring_index *ret_index, struct error *reterr)
{
    struct ring_index_image image;
    int r = index_name ? ring_index_read(dir_fd, index_name, &image) : -ENOENT;
    if (r == 0) {
        r = ring_index_publish(&image.parts, segment_name, ret_index);
        ring_index_image_done(&image);
        return r < 0 ? error_set(reterr, r, "no memory for the index of %s", segment_name) : 0;
    }
    int fd = openat(dir_fd, segment_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return error_set(reterr, -errno, "%s cannot be opened: %s", segment_name, strerror(errno));
    struct ring_scan scan;
    struct error error;
    r = ring_scan_file(fd, 0, &scan, &error);
    close(fd);
    if (r < 0)
        return error_set(reterr, r, "%s: %s", segment_name, error.text);
    uint32_t series;
    if (ring_name_parse(segment_name, &series, &scan.parts.header.sequence))
        scan.parts.header.series = series;
    r = ring_index_publish(&scan.parts, segment_name, ret_index);
    ring_scan_done(&scan);
    return r < 0 ? error_set(reterr, r, "no memory for the index of %s", segment_name) : 0;
}

int ring_index_make(int segment_fd, int index_fd)
{
    struct ring_scan scan;
    int r = ring_scan_file(segment_fd, 0, &scan, NULL);
    if (r < 0)
        return r;
    r = scan.damaged ? -EBADMSG : ring_index_write_to(index_fd, &scan.parts);
    ring_scan_done(&scan);
    return r;
}

int ring_reader_index(struct ring_reader *reader, const char *name, struct ring_index *ret_index,
                      struct error *reterr)
{
    uint32_t series;
    uint64_t sequence;
    if (!ring_name_parse(name, &series, &sequence))
        return error_set(reterr, -EINVAL, "not the name of a segment");
    char index_name[RING_NAME_SIZE];
    ring_name_index(name, index_name);
    return ring_index_load(reader->dir_fd, name, index_name, ret_index, reterr);
}
