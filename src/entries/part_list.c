#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "entries/part.h"

enum {
    MAX_PARTS = 100000
};

/* "part-000001" or "part-000001.tmp". */
static bool is_part_name(const char *name, bool unsealed)
{
    if (strncmp(name, "part-", 5) != 0)
        return false;
    size_t digits = strspn(name + 5, "0123456789");
    return digits >= 6 && digits < 10 && strcmp(name + 5 + digits, unsealed ? ".tmp" : "") == 0;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(a, b);
}

int part_list_folder(int dir_fd, bool unsealed, struct part_list *ret_list)
{
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = fd < 0 ? NULL : fdopendir(fd);
    if (!stream) {
        int r = -errno;
        if (fd >= 0)
            close(fd);
        return r;
    }
    struct part_list list = {0};
    int r = 0;
    const struct dirent *child;
    while (r == 0 && (child = readdir(stream)) !=
                         NULL) { // NOLINT(concurrency-mt-unsafe): a stream of our own
        if (!is_part_name(child->d_name, unsealed) || list.count == MAX_PARTS)
            continue;
        char(*names)[PART_NAME_SIZE] = realloc(list.names, (list.count + 1) * sizeof *names);
        if (!names) {
            r = -ENOMEM;
            break;
        }
        list.names = names;
        snprintf(names[list.count++], PART_NAME_SIZE, "%.31s", child->d_name);
    }
    closedir(stream);
    if (list.count)
        qsort(list.names, list.count, sizeof *list.names, compare_names);
    if (r < 0)
        part_list_done(&list);
    else
        *ret_list = list;
    return r;
}

void part_list_done(struct part_list *list)
{
    free(list->names);
    *list = (struct part_list){0};
}
