#include "ring/ring_store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/io.h"
#include "ring/ring_pins.h"

enum {
    PIN_DISK_BYTES = 4096
};

void ring_store_done(struct ring_store *store)
{
    free(store->items);
    store->items = NULL;
    store->count = store->cap = 0;
}

uint64_t ring_store_used(const struct ring_store *store)
{
    return store->sealed_bytes + store->open_bytes + store->openings_bytes + RING_OVERHEAD_BYTES;
}

uint64_t ring_store_file_bytes(int dir_fd, const char *name)
{
    struct stat st;
    return fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ? 0 : (uint64_t)st.st_blocks * 512;
}

int ring_store_add(struct ring_store *store, const struct ring_stored *item)
{
    if (store->count == store->cap) {
        size_t cap = store->cap ? store->cap * 2 : 64;
        struct ring_stored *items = realloc(store->items, cap * sizeof *items);
        if (!items)
            return -ENOMEM;
        store->items = items;
        store->cap = cap;
    }
    size_t at = store->count;
    while (at > 0 && store->items[at - 1].sequence > item->sequence)
        at--;
    memmove(&store->items[at + 1], &store->items[at], (store->count - at) * sizeof *store->items);
    store->items[at] = *item;
    store->count++;
    store->sealed_bytes += item->disk_bytes;
    return 0;
}

static void recycle(struct ring_store *store, size_t at)
{
    struct ring_stored *item = &store->items[at];
    char index_name[RING_NAME_SIZE];
    ring_name_index(item->name, index_name);
    (void)io_unlink("ring-recycle", store->dir_fd, item->name, 0);
    (void)io_unlink("ring-recycle", store->dir_fd, index_name, 0);
    uint64_t left = ring_store_file_bytes(store->dir_fd, item->name) +
                    ring_store_file_bytes(store->dir_fd, index_name);
    store->sealed_bytes -= item->disk_bytes;
    store->recycling = true;
    if (item->to_ns > store->recycled_until_ns)
        store->recycled_until_ns = item->to_ns;
    if (left) { /* it could not be removed: it still counts, and is tried again */
        item->disk_bytes = left;
        store->sealed_bytes += left;
        return;
    }
    store->count--;
    memmove(&store->items[at], &store->items[at + 1], (store->count - at) * sizeof *store->items);
}

static bool held(const struct ring_stored *item, const struct ring_pin *pins, size_t pin_count)
{
    for (size_t i = 0; i < pin_count; i++)
        if (item->from_ns < pins[i].to_ns && item->to_ns >= pins[i].from_ns)
            return true;
    return false;
}

/* Breaks the oldest pins until the rest hold at most 75 % of the budget. */
static size_t limit_pins(struct ring_store *store, struct ring_pin *pins, size_t pin_count)
{
    while (pin_count > 0) {
        uint64_t bytes = 0;
        for (size_t i = 0; i < store->count; i++)
            if (held(&store->items[i], pins, pin_count))
                bytes += store->items[i].disk_bytes;
        if (bytes <= store->budget_bytes / 4 * 3)
            break;
        ring_pins_break(store->pins_fd, pins[0].id);
        memmove(&pins[0], &pins[1], --pin_count * sizeof *pins);
    }
    return pin_count;
}

static bool is_linked(const struct ring_store *store, const struct ring_stored *item)
{
    struct stat st;
    return fstatat(store->dir_fd, item->name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_nlink > 1;
}

/* Recycles one segment. False when there is none left that helps. */
static bool recycle_one(struct ring_store *store, struct ring_pin *pins, size_t *pin_count,
                        bool must_free_disk)
{
    for (;;) {
        for (size_t i = 0; i < store->count; i++) {
            const struct ring_stored *item = &store->items[i];
            if (held(item, pins, *pin_count) || (must_free_disk && is_linked(store, item)))
                continue;
            size_t before = store->count;
            recycle(store, i);
            if (store->count < before)
                return true;
        }
        if (*pin_count == 0)
            return false;
        ring_pins_break(store->pins_fd, pins[0].id);
        memmove(&pins[0], &pins[1], --*pin_count * sizeof *pins);
    }
}

static bool over_budget(const struct ring_store *store, uint64_t bytes, size_t pin_count)
{
    return ring_store_used(store) + pin_count * PIN_DISK_BYTES + bytes > store->budget_bytes;
}

static bool under_floor(const struct ring_store *store, uint64_t bytes)
{
    struct statvfs fs;
    if (fstatvfs(store->dir_fd, &fs) < 0)
        return false;
    uint64_t total = (uint64_t)fs.f_blocks * fs.f_frsize;
    uint64_t floor = store->floor_bytes;
    if (!floor)
        floor = total / 20 < UINT64_C(1) << 30 ? total / 20 : UINT64_C(1) << 30;
    return (uint64_t)fs.f_bavail * fs.f_frsize < floor + bytes;
}

int ring_store_make_room(struct ring_store *store, uint64_t bytes, int64_t mono_ns)
{
    if (!over_budget(store, bytes, RING_MAX_PINS) && !under_floor(store, bytes))
        return 0;
    int lock = ring_pins_lock(store->pins_fd);
    struct ring_pin pins[RING_MAX_PINS];
    size_t pin_count = ring_pins_load(store->pins_fd, mono_ns, pins);
    pin_count = limit_pins(store, pins, pin_count);
    int r = 0;
    while (r == 0 && over_budget(store, bytes, pin_count))
        r = recycle_one(store, pins, &pin_count, false) ? 0 : -ENOSPC;
    while (r == 0 && under_floor(store, bytes))
        r = recycle_one(store, pins, &pin_count, true) ? 0 : -ENOSPC;
    if (lock >= 0)
        close(lock);
    return r;
}
