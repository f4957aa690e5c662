#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/json_writer.h"
#include "entries/part.h"

static const char phase[] = "entries-part";
static const char file_name[] = "parts.json";

enum {
    LIST_FORMAT = 1,
    MAX_PARTS = 100000,
    MAX_LIST_BYTES = MAX_PARTS * (PART_NAME_SIZE + 4)
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

int part_list_add(struct part_list *list, const char *name)
{
    char(*names)[PART_NAME_SIZE] = realloc(list->names, (list->count + 1) * sizeof *names);
    if (!names)
        return -ENOMEM;
    list->names = names;
    snprintf(names[list->count++], PART_NAME_SIZE, "%s", name);
    return 0;
}

bool part_list_has(const struct part_list *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->names[i], name) == 0)
            return true;
    return false;
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
        char name[PART_NAME_SIZE];
        snprintf(name, sizeof name, "%.31s", child->d_name);
        r = part_list_add(&list, name);
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

/* ── parts.json ── */

/* A part that came twice would be read twice. The order is that of the entries, not of the names.
 */
static int check_once(const struct part_list *list)
{
    if (list->count < 2)
        return 0;
    char(*sorted)[PART_NAME_SIZE] = malloc(list->count * sizeof *sorted);
    if (!sorted)
        return -ENOMEM;
    memcpy(sorted, list->names, list->count * sizeof *sorted);
    qsort(sorted, list->count, sizeof *sorted, compare_names);
    int r = 0;
    for (size_t i = 1; r == 0 && i < list->count; i++)
        r = strcmp(sorted[i], sorted[i - 1]) == 0 ? -EBADMSG : 0;
    free(sorted);
    return r;
}

static int take_names(const json_t *root, struct part_list *list, struct error *reterr)
{
    json_int_t format = json_integer_value(json_object_get(root, "format"));
    const json_t *names = json_object_get(root, "parts");
    if (format > LIST_FORMAT)
        return error_set(reterr, -EPROTONOSUPPORT,
                         "parts.json has format %lld, this version reads up to %d: dissect again.",
                         (long long)format, LIST_FORMAT);
    int r =
        format < 1 || !json_is_array(names) || json_array_size(names) > MAX_PARTS ? -EBADMSG : 0;
    for (size_t i = 0; r == 0 && i < json_array_size(names); i++) {
        const char *name = json_string_value(json_array_get(names, i));
        r = name && is_part_name(name, false) ? part_list_add(list, name) : -EBADMSG;
    }
    if (r == 0)
        r = check_once(list);
    return r < 0 ? error_set(reterr, r, "parts.json is damaged: dissect again.") : 0;
}

int part_list_read(int dir_fd, struct part_list *ret_list, struct error *reterr)
{
    struct part_list list = {0};
    struct buf text;
    buf_init(&text, MAX_LIST_BYTES);
    int r = io_read_file(dir_fd, file_name, &text);
    if (r == -ENOENT) {
        buf_done(&text);
        r = part_list_folder(dir_fd, false, ret_list);
        return r < 0 ? error_set(reterr, r, "the dissection's folder cannot be read.") : 0;
    }
    json_t *root = r == 0 ? json_loadb((const char *)text.data, text.len, 0, NULL) : NULL;
    buf_done(&text);
    r = root ? take_names(root, &list, reterr)
             : error_set(reterr, r < 0 ? r : -EBADMSG, "parts.json cannot be read: dissect again.");
    json_decref(root);
    if (r < 0)
        part_list_done(&list);
    else
        *ret_list = list;
    return r;
}

int part_list_write(int dir_fd, const struct part_list *list)
{
    struct buf out;
    struct json_writer w;
    buf_init(&out, MAX_LIST_BYTES);
    json_init(&w, &out);
    json_begin_object(&w);
    json_member_int(&w, "format", LIST_FORMAT);
    json_key(&w, "parts");
    json_begin_array(&w);
    for (size_t i = 0; i < list->count; i++)
        json_str(&w, list->names[i]);
    json_end_array(&w);
    json_end_object(&w);
    buf_append_u8(&out, '\n');
    int r = buf_failed(&out) ? buf_failed(&out)
                             : io_replace_file(phase, dir_fd, file_name, buf_slice(&out), 0600);
    buf_done(&out);
    return r;
}
