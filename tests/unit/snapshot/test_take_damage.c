/* What was sealed is not what comes: damage of the source is said, and what can be read is kept. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "packet/packet.h"
#include "snapshot/snapshot_changed.h"
#include "unit/snapshot/support_take.h"
#include "unit/unit_test.h"

static struct snapshot_verify verify_it(struct fixture *f, const char *id)
{
    struct snapshot_verify v = {0};
    struct error e = {.text = ""};
    assert_int_equal(snapshot_verify(f->store, id, &v, &e), 0);
    return v;
}

/* Damage that was there before: said in the manifest, by verify and in what lists show. */
static void expect_source_damage(struct fixture *f, const struct snapshot *s, size_t file,
                                 const char *sentence)
{
    const struct snapshot_file *damaged = &s->manifest->nodes[0].files[file];
    assert_true(s->manifest->partial);
    bool said = false;
    for (size_t i = 0; i < s->manifest->missing_count; i++)
        said |= strstr(s->manifest->missing[i].reason, sentence) != NULL;
    assert_true(said);
    assert_non_null(damaged->damaged);
    assert_non_null(strstr(damaged->damaged, sentence));
    assert_int_equal(snapshot_damaged_files(s), 1);
    struct snapshot_verify v = verify_it(f, s->id);
    assert_false(v.ok);
    assert_int_equal(v.problem_count, 1);
    assert_string_equal(v.problems[0].file, damaged->name);
    assert_non_null(strstr(v.problems[0].text, sentence));
    snapshot_verify_done(&v);
    struct buf json;
    struct json_writer w;
    buf_init(&json, 1 << 20);
    json_init(&w, &json);
    snapshot_write_json(s, &w);
    buf_append_u8(&json, 0);
    assert_non_null(strstr((const char *)json.data, "\"damaged\":\"damaged: segment"));
    assert_non_null(strstr((const char *)json.data, "file comes from damaged segments"));
    buf_done(&json);
}

/* What came is not what was sealed, and twice so: what can be read is kept and named damaged. */
static void changed_remote_segment_is_declared(void **state)
{
    struct fixture *f = *state;
    f->ring.remote = true;
    f->ring.corrupt = 1;
    char id[SNAPSHOT_ID_SIZE];
    struct error e;
    assert_int_equal(take_window(f, fake_time(&f->ring, 0), fake_time(&f->ring, 3000), id, &e), 0);
    struct snapshot *s = get(f, id);
    assert_int_equal(s->manifest->nodes[0].file_count, 3);
    assert_true(s->manifest->packets >= 2990); /* a block that was hit costs its packet */
    expect_source_damage(f, s, 1, "SHA-256");
    snapshot_unref(s);
}

static void change_byte(struct fixture *f, size_t segment, off_t at, uint8_t with)
{
    char path[1200];
    snprintf(path, sizeof path, "%s/%s", f->ring_dir, f->ring.segments[segment].name);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    uint8_t byte;
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= with;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

struct place {
    uint64_t number, offset;
};

static void find_place(void *ctx, const struct packet *packet)
{
    struct place *place = ctx;
    if (packet_number(packet) == place->number)
        place->offset = packet->offset;
}

/* Where the block of a packet begins in its segment. */
static off_t block_of(struct fixture *f, size_t segment, uint64_t number)
{
    char path[1200];
    struct place place = {.number = number};
    snprintf(path, sizeof path, "%s/%.31s", f->ring_dir, f->ring.segments[segment].name);
    assert_int_equal(read_packets(path, find_place, &place), PER_SEGMENT);
    assert_true(place.offset > 0);
    return (off_t)place.offset;
}

/* A bit within a packet: no block is broken, and only the source's own sum tells. */
static void changed_bytes_of_an_edge(void **state)
{
    struct fixture *f = *state;
    change_byte(f, 1, block_of(f, 1, 1500) + 100, 0x10);
    char id[SNAPSHOT_ID_SIZE];
    struct error e;
    assert_int_equal(take_window(f, fake_time(&f->ring, 1200), fake_time(&f->ring, 1300), id, &e),
                     0);
    struct snapshot *s = get(f, id);
    assert_int_equal(s->manifest->packets, 100);
    expect_source_damage(f, s, 0, "does not match the SHA-256 it was sealed with");
    snapshot_unref(s);
}

/* A length that contradicts itself: the block is lost, the others are there. */
static void broken_block_of_an_edge(void **state)
{
    struct fixture *f = *state;
    off_t block = block_of(f, 1, 1250);
    change_byte(f, 1, block + 4, 0x55); /* the block's length */
    char id[SNAPSHOT_ID_SIZE];
    struct error e;
    assert_int_equal(take_window(f, fake_time(&f->ring, 1200), fake_time(&f->ring, 1300), id, &e),
                     0);
    struct snapshot *s = get(f, id);
    assert_int_equal(s->manifest->packets, 99);
    expect_source_damage(f, s, 0, "1 of its places could not be read, the first at byte");
    char offset[40];
    snprintf(offset, sizeof offset, "byte %lld", (long long)block);
    assert_non_null(strstr(s->manifest->nodes[0].files[0].damaged, offset));
    snapshot_unref(s);
}

/* Cut after it was listed, in the middle of the window: never "recycled", never lost whole. */
static void cut_inner_segment_gives_what_is_left(void **state)
{
    struct fixture *f = *state;
    char path[1200];
    snprintf(path, sizeof path, "%s/%s", f->ring_dir, f->ring.segments[1].name);
    assert_int_equal(truncate(path, (off_t)f->ring.segments[1].size_bytes / 2), 0);
    char id[SNAPSHOT_ID_SIZE];
    struct error e;
    assert_int_equal(take_window(f, fake_time(&f->ring, 500), fake_time(&f->ring, 2500), id, &e),
                     0);
    struct snapshot *s = get(f, id);
    assert_true(s->manifest->packets > 1450 && s->manifest->packets < 1550);
    assert_true(s->manifest->nodes[0].files[1].trimmed);
    expect_source_damage(f, s, 1, "could not be read");
    for (size_t i = 0; i < s->manifest->missing_count; i++)
        assert_null(strstr(s->manifest->missing[i].reason, "recycled"));
    snapshot_unref(s);
}

/* The node's list says that a segment has lost its end. */
static void cut_segment_says_so(void **state)
{
    struct fixture *f = *state;
    struct ring_segment_info *cut = &f->ring.segments[1];
    cut->sealed_bytes = cut->size_bytes;
    cut->sealed_to_ns = cut->covered_to_ns;
    off_t left = block_of(f, 1, 1600);
    char path[1200];
    snprintf(path, sizeof path, "%s/%.31s", f->ring_dir, cut->name);
    assert_int_equal(truncate(path, left), 0);
    cut->size_bytes = (uint64_t)left;
    cut->packets = 600;
    cut->last_ns = fake_time(&f->ring, 1599);
    cut->covered_to_ns = fake_time(&f->ring, 1599);
    cut->has_sha256 = false;
    char id[SNAPSHOT_ID_SIZE];
    struct error e;
    assert_int_equal(take_window(f, fake_time(&f->ring, 500), fake_time(&f->ring, 2500), id, &e),
                     0);
    struct snapshot *s = get(f, id);
    const struct snapshot_node *node = &s->manifest->nodes[0];
    assert_int_equal(s->manifest->packets, 500 + 600 + 500);
    assert_int_equal(node->gap_count, 1);
    assert_int_equal(node->gaps[0].reason, SNAPSHOT_GAP_CORRUPT);
    assert_int_equal(node->gaps[0].at.from_ns, fake_time(&f->ring, 1599));
    assert_int_equal(node->gaps[0].at.to_ns, fake_time(&f->ring, 2000));
    assert_int_equal(s->manifest->missing_count, 1);
    assert_non_null(strstr(s->manifest->missing[0].reason, "was cut short"));
    snapshot_unref(s);
}

/* A linked segment keeps the recorder's sum, and lists say at once that it does not match. */
static void changed_linked_segment_is_found_at_once(void **state)
{
    struct fixture *f = *state;
    change_byte(f, 2, block_of(f, 2, 2500) + 100, 0x10);
    char id[SNAPSHOT_ID_SIZE];
    struct error e;
    assert_int_equal(take_window(f, fake_time(&f->ring, 1000), fake_time(&f->ring, 4000), id, &e),
                     0);
    struct snapshot *s = get(f, id);
    assert_int_equal(s->manifest->packets, 3000);
    assert_true(s->manifest->nodes[0].files[1].linked);
    assert_true(s->verified.at_ns > 0);
    assert_false(s->verified.ok);
    assert_string_equal(s->verified.problems[0].file, s->manifest->nodes[0].files[1].name);
    struct snapshot_verify v = verify_it(f, id);
    assert_false(v.ok);
    snapshot_verify_done(&v);
    snapshot_unref(s);
}

static void flipped_bit_is_found(void **state)
{
    struct fixture *f = *state;
    f->ring.remote = true;
    char id[SNAPSHOT_ID_SIZE], path[1200];
    struct error e;
    assert_int_equal(take_window(f, RING_T0, fake_time(&f->ring, 4000), id, &e), 0);
    struct snapshot *s = get(f, id);
    const struct snapshot_file *file = &s->manifest->nodes[0].files[1];
    snprintf(path, sizeof path, "%s/snapshots/%s/%s", f->data, id, file->name);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    uint8_t byte;
    off_t at = (off_t)file->size_bytes / 2;
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
    struct snapshot_verify v = {0};
    assert_int_equal(snapshot_verify(f->store, id, &v, &e), 0);
    assert_false(v.ok);
    assert_int_equal(v.problem_count, 1);
    assert_string_equal(v.problems[0].file, file->name);
    assert_true(v.problems[0].offset <= at && at < v.problems[0].offset + 65536);
    assert_int_equal(v.files, 5);
    snapshot_verify_done(&v);
    /* the manifest is evidence too */
    snprintf(path, sizeof path, "%s/snapshots/%s/manifest.json", f->data, id);
    assert_int_equal(chmod(path, 0600), 0);
    fd = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(pread(fd, &byte, 1, 200), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, 200), 1);
    close(fd);
    v = (struct snapshot_verify){0};
    assert_int_equal(snapshot_verify(f->store, id, &v, &e), 0);
    assert_int_equal(v.problem_count, 3); /* its sum, its signature, and the file */
    snapshot_verify_done(&v);
    snapshot_unref(s);
}

struct deletion {
    struct fixture *f;
    const char *id;
    bool done;
};

static void delete_it(void *ctx, uint64_t done, uint64_t total)
{
    struct deletion *d = ctx;
    uint64_t freed = 0;
    (void)done;
    (void)total;
    if (!d->done)
        assert_int_equal(snapshot_store_delete(d->f->store, d->id, &freed, NULL), 0);
    d->done = true;
}

/* Files that are deleted while they are compared are no damage. */
static void deleted_while_it_is_verified(void **state)
{
    struct fixture *f = *state;
    struct error e = {.text = ""};
    char id[SNAPSHOT_ID_SIZE];
    assert_int_equal(take_window(f, fake_time(&f->ring, 500), fake_time(&f->ring, 5500), id, &e),
                     0);
    struct deletion d = {.f = f, .id = id};
    struct snapshot_verify v = {.on_progress = delete_it, .ctx = &d};
    assert_int_equal(snapshot_verify(f->store, id, &v, &e), -ESTALE);
    assert_string_equal(e.text, "The snapshot was deleted meanwhile.");
    assert_true(d.done);
    snapshot_verify_done(&v);
}

static void write_at(int dir, const char *name, struct slice bytes, bool older)
{
    assert_int_equal(io_replace_file("test", dir, name, bytes, 0600), 0);
    const struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    if (older)
        assert_int_equal(utimensat(dir, name, times, 0), 0);
}

/* Cheaply: the size, the time, and only for a younger file the sum. */
static void changed_files_are_noticed(void **state)
{
    struct fixture *f = *state;
    struct error e = {.text = ""};
    char id[SNAPSHOT_ID_SIZE];
    assert_int_equal(take_window(f, fake_time(&f->ring, 500), fake_time(&f->ring, 5500), id, &e),
                     0);
    struct snapshot *s = get(f, id);
    const struct snapshot_file *file = &s->manifest->nodes[0].files[2];
    int dir = snapshot_store_open_dir(f->store, id, &e);
    assert_true(dir >= 0);
    assert_int_equal(snapshot_file_check(s, dir, file, &e), 0);
    struct buf bytes;
    buf_init(&bytes, 64 << 20);
    assert_int_equal(io_read_file(dir, file->name, &bytes), 0);
    write_at(dir, file->name, buf_slice(&bytes), false); /* restored: younger, and the same */
    assert_int_equal(snapshot_file_check(s, dir, file, &e), 0);
    bytes.data[bytes.len / 2] ^= 1;
    write_at(dir, file->name, buf_slice(&bytes), false);
    for (int i = 0; i < 2; i++) { /* read, and remembered */
        assert_int_equal(snapshot_file_check(s, dir, file, &e), -EBADMSG);
        assert_non_null(strstr(e.text, "no longer matches its SHA-256"));
        assert_non_null(strstr(e.text, file->name));
    }
    write_at(dir, file->name, buf_slice(&bytes), true); /* hidden: verify finds it, not this */
    assert_int_equal(snapshot_file_check(s, dir, file, &e), 0);
    write_at(dir, file->name, slice_sub(buf_slice(&bytes), 0, bytes.len - 1), true);
    assert_int_equal(snapshot_file_check(s, dir, file, &e), -EBADMSG);
    assert_non_null(strstr(e.text, "it has another size"));
    const struct snapshot_files_check before = {.from_ns = INT64_MIN,
                                                .to_ns = fake_time(&f->ring, 600)},
                                      all = {.from_ns = INT64_MIN, .to_ns = INT64_MAX};
    assert_int_equal(snapshot_files_check(f->store, s, &before, &e), 0);
    assert_int_equal(snapshot_files_check(f->store, s, &all, &e), -EBADMSG);
    assert_int_equal(unlinkat(dir, file->name, 0), 0);
    assert_int_equal(snapshot_file_check(s, dir, file, &e), -ESTALE);
    assert_int_equal(snapshot_files_check(f->store, s, &before, &e), 0);
    assert_int_equal(snapshot_files_check(f->store, s, &all, &e), -ESTALE);
    buf_done(&bytes);
    close(dir);
    snapshot_unref(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(changed_remote_segment_is_declared, take_setup,
                                        take_teardown),
        cmocka_unit_test_setup_teardown(changed_bytes_of_an_edge, take_setup, take_teardown),
        cmocka_unit_test_setup_teardown(broken_block_of_an_edge, take_setup, take_teardown),
        cmocka_unit_test_setup_teardown(cut_inner_segment_gives_what_is_left, take_setup,
                                        take_teardown),
        cmocka_unit_test_setup_teardown(cut_segment_says_so, take_setup, take_teardown),
        cmocka_unit_test_setup_teardown(changed_linked_segment_is_found_at_once, take_setup,
                                        take_teardown),
        cmocka_unit_test_setup_teardown(flipped_bit_is_found, take_setup, take_teardown),
        cmocka_unit_test_setup_teardown(deleted_while_it_is_verified, take_setup, take_teardown),
        cmocka_unit_test_setup_teardown(changed_files_are_noticed, take_setup, take_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
