#include "unit/hub/support_store.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/io.h"
#include "snapshot/import.h"
#include "unit/unit_test.h"

void support_folder(char path[200])
{
    snprintf(path, 200, "/tmp/trawl_unit_hub_XXXXXX");
    assert_non_null(mkdtemp(path));
}

void support_folder_done(const char *path)
{
    assert_int_equal(io_remove_tree("test", AT_FDCWD, path), 0);
}

struct snapshot_store *support_store_open(const char *data_dir)
{
    struct snapshot_store *store = NULL;
    struct error e = {.text = ""};
    struct snapshot_store_options options = {.data_dir = data_dir, .free_floor_bytes = 1};
    if (snapshot_store_open(&options, &store, &e) < 0)
        fail_msg("%s", e.text);
    return store;
}

void support_store_fill(struct snapshot_store *store, char ret_id[SNAPSHOT_ID_SIZE])
{
    static const uint8_t capture[] = {
        0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 1, 0, 0, 0,
        /* a packet of 20 bytes */
        0x00, 0xf1, 0x53, 0x65, 0, 0, 0, 0, 20, 0, 0, 0, 20, 0, 0, 0, /* stamp, lengths */
        1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0x08, 0x06, 0, 1, 8, 0, 6, 4};
    int fd = memfd_create("capture", MFD_CLOEXEC);
    assert_int_equal(write(fd, capture, sizeof capture), sizeof capture);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    struct snapshot_import import = {
        .store = store, .in_fd = fd, .file_name = "one.pcap", .in_process = true};
    struct error e = {.text = ""};
    if (snapshot_import_run(&import, &e) < 0)
        fail_msg("%s", e.text);
    close(fd);
    memcpy(ret_id, import.id, SNAPSHOT_ID_SIZE);
}

int support_job_main(int argc, char **argv, const struct job_kind *kind)
{
    static char program[512];
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    if (n < 0)
        return 1;
    program[n] = '\0';
    job_set_program(program);
    if (argc != 3 || strcmp(argv[1], "job") != 0)
        return -1;
    struct job_context ctx;
    struct error err = {.offset = ERROR_NO_OFFSET};
    if (strcmp(argv[2], kind->name) != 0 || job_context_init(&ctx, argv[2], &err) < 0)
        return 2;
    int code = kind->run(&ctx);
    job_context_done(&ctx);
    return code;
}
