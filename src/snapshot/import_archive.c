/* Reads an archive: hostile input. libarchive only takes the tar apart; every name, type and size
 * is compared with what the manifest (its first member) lists before a byte is written. */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/string_map.h"
#include "base/text.h"
#include "snapshot/import_private.h"
#include "snapshot/snapshot_hash.h"
#include "snapshot/snapshot_json.h"
#include "snapshot/snapshot_key.h"
#include "snapshot/snapshot_model.h"
#include "snapshot/snapshot_store_private.h"

enum {
    READ_BYTES = 256 * 1024
};

struct intake {
    struct import_work *work;
    int in_fd;
    struct archive *tar;
    uint8_t *data;
    struct snapshot_manifest *manifest;
    struct string_map files; /* name → struct snapshot_file *, until it came */
    uint64_t written;
};

static la_ssize_t read_input(struct archive *tar, void *ctx, const void **ret_data)
{
    struct intake *in = ctx;
    *ret_data = in->data;
    ssize_t n;
    do
        n = read(in->in_fd, in->data, READ_BYTES);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        archive_set_error(tar, errno, "the input cannot be read");
    return n;
}

static int refuse(struct error *reterr, const char *name, const char *why)
{
    char shown[120];
    text_escape(slice_str(name), shown, sizeof shown);
    return error_set(reterr, -EBADMSG, "The archive is refused: \"%s\" %s.", shown, why);
}

static int tar_error(struct intake *in, struct error *reterr)
{
    char shown[160];
    const char *text = archive_error_string(in->tar);
    if (text && strncmp(text, "Truncated", 9) == 0)
        return error_set(reterr, -EBADMSG,
                         "The archive ends early: it was cut off, or did not come whole.");
    text_escape(slice_str(text ? text : "it is damaged"), shown, sizeof shown);
    return error_set(reterr, -EBADMSG, "The archive cannot be read: %s.", shown);
}

static bool is_cancelled(const struct intake *in)
{
    return in->work->cancel && __atomic_load_n(in->work->cancel, __ATOMIC_RELAXED);
}

/* ── the manifest ── */

static int read_manifest(struct intake *in, struct archive_entry *entry, struct buf *json,
                         struct error *reterr)
{
    int64_t size = archive_entry_size(entry);
    if (size <= 0 || size > SNAPSHOT_MANIFEST_MAX_BYTES)
        return refuse(reterr, "manifest.json", "has an impossible size");
    uint8_t *room = buf_reserve(json, (size_t)size);
    if (!room)
        return error_set(reterr, -ENOMEM, "There is no memory for the manifest.");
    la_ssize_t n = archive_read_data(in->tar, room, (size_t)size);
    if (n != size)
        return tar_error(in, reterr);
    json->len = (size_t)n;
    return 0;
}

static int index_files(struct intake *in, struct error *reterr)
{
    for (size_t n = 0; n < in->manifest->node_count; n++) {
        struct snapshot_node *node = &in->manifest->nodes[n];
        for (size_t f = 0; f < node->file_count; f++) {
            void *old = NULL;
            if (string_map_set(&in->files, slice_str(node->files[f].name), &node->files[f], &old) <
                0)
                return error_set(reterr, -ENOMEM, "There is no memory for the manifest.");
            if (old)
                return refuse(reterr, node->files[f].name, "is listed twice in the manifest");
        }
    }
    return 0;
}

static int take_manifest(struct intake *in, struct archive_entry *entry, struct error *reterr)
{
    struct buf json;
    buf_init(&json, SNAPSHOT_MANIFEST_MAX_BYTES);
    char signer[SNAPSHOT_KEY_TEXT_SIZE] = "", sha256[SNAPSHOT_SHA256_SIZE];
    int r = read_manifest(in, entry, &json, reterr);
    if (r == 0)
        r = snapshot_key_check(buf_slice(&json), signer, reterr);
    if (r == 0)
        r = snapshot_manifest_parse(buf_slice(&json), &in->manifest, reterr);
    if (r == 0)
        r = import_check_manifest(in->manifest, reterr);
    if (r == 0)
        r = snapshot_hash_bytes(buf_slice(&json), sha256);
    if (r == 0)
        r = index_files(in, reterr);
    uint64_t free_bytes = in->work->quota_bytes ? in->work->quota_bytes : in->work->max_bytes;
    if (r == 0 &&
        (in->manifest->size_bytes > free_bytes || json.len > free_bytes - in->manifest->size_bytes))
        r = error_set(reterr, -EDQUOT,
                      "The archive does not fit: it needs %llu bytes, %llu bytes are available.",
                      (unsigned long long)in->manifest->size_bytes + json.len,
                      (unsigned long long)free_bytes);
    if (r == 0 && in->work->on_manifest) {
        r = in->work->on_manifest(in->work->ctx, in->manifest->id, sha256, signer);
        if (r < 0)
            error_set(reterr, r, "The import was stopped.");
    }
    if (r == 0 && !in->work->check_only) {
        r = io_replace_file(SNAPSHOT_PHASE_IMPORT, in->work->dir, "manifest.json", buf_slice(&json),
                            0400);
        if (r < 0)
            error_set(reterr, r, "The manifest cannot be written: %s.", strerrordesc_np(-r));
    }
    in->written = json.len;
    buf_done(&json);
    return r;
}

/* ── data files ── */

int import_open_folder(int dir, const char *folder, struct error *reterr)
{
    int r = io_mkdir(SNAPSHOT_PHASE_IMPORT, dir, "nodes", 0700);
    int nodes = r == 0 || r == -EEXIST
                    ? openat(dir, "nodes", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
                    : -1;
    int fd = -1;
    if (nodes >= 0) {
        r = io_mkdir(SNAPSHOT_PHASE_IMPORT, nodes, folder, 0700);
        if (r == 0 || r == -EEXIST) {
            fd = openat(nodes, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
            r = fd < 0 ? -errno : 0;
        }
        close(nodes);
    } else if (r == 0 || r == -EEXIST) {
        r = -errno;
    }
    return fd >= 0 ? fd
                   : error_set(reterr, r, "A folder of the import cannot be made: %s.",
                               strerrordesc_np(-r));
}

static int copy_file(struct intake *in, int fd, const struct snapshot_file *file,
                     struct snapshot_hash *hash, struct error *reterr)
{
    uint8_t *piece = malloc(READ_BYTES);
    if (!piece)
        return error_set(reterr, -ENOMEM, "There is no memory to import with.");
    uint64_t left = file->size_bytes;
    int r = 0;
    while (r == 0 && left > 0) {
        size_t want = left < READ_BYTES ? (size_t)left : READ_BYTES;
        la_ssize_t n = archive_read_data(in->tar, piece, want);
        if (n > 0 && in->written + (uint64_t)n > in->work->max_bytes) {
            r = error_set(reterr, -EBADMSG, "The archive is longer than it was said to be.");
        } else if (n <= 0) {
            r = n < 0 ? tar_error(in, reterr) : refuse(reterr, file->name, "ends early");
        } else if (is_cancelled(in)) {
            r = error_set(reterr, -ECANCELED, "It was cancelled.");
        } else {
            snapshot_hash_add(hash, piece, (size_t)n);
            r = fd < 0 ? 0 : io_write(SNAPSHOT_PHASE_IMPORT, fd, piece, (size_t)n);
            if (r < 0)
                error_set(reterr, r, "Writing the import failed: %s.", strerrordesc_np(-r));
            left -= (uint64_t)n;
            in->written += (uint64_t)n;
        }
    }
    free(piece);
    return r;
}

/* Into fd (−1: nowhere), and compares. */
static int take_data(struct intake *in, int fd, const struct snapshot_file *file,
                     struct error *reterr)
{
    static const char wrong[] = "does not match its SHA-256";
    struct snapshot_hash hash = {0};
    char got[SNAPSHOT_SHA256_SIZE];
    int r = snapshot_hash_begin(&hash);
    if (r < 0)
        error_set(reterr, r, "There is no memory to import with.");
    else
        r = copy_file(in, fd, file, &hash, reterr);
    if (r == 0 && (snapshot_hash_end(&hash, got) < 0 || strcmp(got, file->sha256) != 0)) {
        r = in->work->check_only ? in->work->on_damage(in->work->ctx, file->name, wrong) : -EBADMSG;
        if (r < 0 && in->work->check_only)
            error_set(reterr, r, "The result of the check cannot be told.");
        else if (r < 0)
            r = refuse(reterr, file->name, wrong);
    }
    snapshot_hash_done(&hash);
    in->work->files += r == 0;
    return r;
}

static int take_file(struct intake *in, const struct snapshot_file *file, struct error *reterr)
{
    if (in->work->check_only)
        return take_data(in, -1, file, reterr);
    /* the manifest's parser has made sure of nodes/<folder>/<file> without dots in front */
    const char *folder_end = strrchr(file->name, '/');
    char folder[1024];
    snprintf(folder, sizeof folder, "%.*s", (int)(folder_end - file->name - 6), file->name + 6);
    int dir = import_open_folder(in->work->dir, folder, reterr);
    if (dir < 0)
        return dir;
    int fd = io_create(SNAPSHOT_PHASE_IMPORT, dir, folder_end + 1,
                       O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    int r = fd < 0 ? error_set(reterr, fd, "A file of the import cannot be made: %s.",
                               strerrordesc_np(-fd))
                   : 0;
    if (r == 0)
        r = take_data(in, fd, file, reterr);
    if (r == 0) {
        r = io_fsync(SNAPSHOT_PHASE_IMPORT, fd);
        if (r == 0)
            r = io_fsync(SNAPSHOT_PHASE_IMPORT, dir);
        if (r < 0)
            error_set(reterr, r, "The import cannot be synced: %s.", strerrordesc_np(-r));
    }
    if (fd >= 0)
        close(fd);
    close(dir);
    return r;
}

static int take_member(struct intake *in, struct archive_entry *entry, struct error *reterr)
{
    const char *name = archive_entry_pathname(entry);
    if (!name || !name[0])
        return refuse(reterr, "", "has no name");
    if (name[0] == '/')
        return refuse(reterr, name, "is an absolute path");
    if (archive_entry_hardlink(entry) || archive_entry_symlink(entry))
        return refuse(reterr, name, "is a link");
    if (archive_entry_filetype(entry) != AE_IFREG)
        return refuse(reterr, name, "is no regular file");
    if (archive_entry_sparse_count(entry) > 0)
        return refuse(reterr, name, "is a sparse file");
    if (!archive_entry_size_is_set(entry))
        return refuse(reterr, name, "has no size");
    if (!in->manifest)
        return strcmp(name, "manifest.json") == 0
                   ? take_manifest(in, entry, reterr)
                   : refuse(reterr, name,
                            "comes before manifest.json: this is no archive of a "
                            "snapshot");
    const struct snapshot_file *file = string_map_remove(&in->files, slice_str(name));
    if (!file)
        return refuse(reterr, name, "is not listed in the manifest, or comes twice");
    if (archive_entry_size(entry) < 0 || (uint64_t)archive_entry_size(entry) != file->size_bytes)
        return refuse(reterr, name, "has another size than the manifest says");
    return take_file(in, file, reterr);
}

static int take_members(struct intake *in, struct error *reterr)
{
    for (;;) {
        struct archive_entry *entry;
        int r = archive_read_next_header(in->tar, &entry);
        if (r == ARCHIVE_EOF)
            break;
        if (r != ARCHIVE_OK)
            return tar_error(in, reterr);
        r = take_member(in, entry, reterr);
        if (r < 0)
            return r;
    }
    if (!in->manifest)
        return error_set(reterr, -EBADMSG, "The archive is empty.");
    size_t pos = 0;
    const struct string_map_entry *absent = string_map_next(&in->files, &pos);
    return absent ? refuse(reterr, absent->key, "is listed in the manifest but missing") : 0;
}

static int sync_nodes(const struct intake *in, struct error *reterr)
{
    int nodes = openat(in->work->dir, "nodes", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (nodes < 0)
        return 0; /* an empty snapshot */
    int r = io_fsync(SNAPSHOT_PHASE_IMPORT, nodes);
    close(nodes);
    return r < 0 ? error_set(reterr, r, "The import cannot be synced: %s.", strerrordesc_np(-r))
                 : 0;
}

int import_archive(struct import_work *work, int in_fd, struct error *reterr)
{
    struct intake in = {.work = work, .in_fd = in_fd};
    string_map_init(&in.files);
    in.data = malloc(READ_BYTES);
    in.tar = archive_read_new();
    int r = in.data && in.tar ? 0 : error_set(reterr, -ENOMEM, "There is no memory to import.");
    if (r == 0 && (archive_read_support_format_tar(in.tar) != ARCHIVE_OK ||
                   archive_read_open(in.tar, &in, NULL, read_input, NULL) != ARCHIVE_OK))
        r = tar_error(&in, reterr);
    if (r == 0)
        r = take_members(&in, reterr);
    if (r == 0 && !work->check_only)
        r = sync_nodes(&in, reterr);
    work->is_archive = true;
    work->bytes = in.written;
    work->files += in.manifest != NULL;
    archive_read_free(in.tar);
    snapshot_manifest_unref(in.manifest);
    string_map_done(&in.files, NULL);
    free(in.data);
    return r;
}
