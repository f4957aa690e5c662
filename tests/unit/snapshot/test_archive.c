/* Archives and imports: round trips, other programs' eyes, and hostile input. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "packet/packet.h"
#include "snapshot/archive.h"
#include "snapshot/import.h"
#include "snapshot/import_private.h"
#include "snapshot/snapshot_extract.h"
#include "snapshot/snapshot_hash.h"
#include "snapshot/snapshot_pcap.h"
#include "snapshot/snapshot_verify.h"
#include "unit/snapshot/support_ring.h"
#include "unit/unit_test.h"

static bool in_process = true; /* false in the second round: real jobs */

struct fixture {
    char dir[512], archive[600];
    struct fake_ring ring;
    struct snapshot_store *store, *other; /* two hubs */
    char id[SNAPSHOT_ID_SIZE];
};

static struct snapshot_store *open_store(const struct fixture *f, const char *name, uint64_t quota)
{
    char data[600];
    snprintf(data, sizeof data, "%s/%s", f->dir, name);
    struct snapshot_store_options options = {
        .data_dir = data, .quota_bytes = quota, .free_floor_bytes = 1};
    struct snapshot_store *store = NULL;
    struct error e = {.text = ""};
    if (snapshot_store_open(&options, &store, &e) < 0)
        fail_msg("%s", e.text);
    return store;
}

static struct snapshot *get(struct snapshot_store *store, const char *ref)
{
    struct snapshot *s = NULL;
    assert_int_equal(snapshot_store_get(store, ref, &s, NULL), 0);
    return s;
}

static int to_fd(void *ctx, const uint8_t *data, size_t n)
{
    return io_write("test", *(int *)ctx, data, n);
}

static void save_archive(struct fixture *f)
{
    struct error e = {.text = ""};
    struct snapshot *s = get(f->store, f->id);
    int fd = open(f->archive, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    struct archive_output output = {.write = to_fd, .ctx = &fd};
    uint64_t length = 0;
    assert_int_equal(archive_length(f->store, s, &length, &e), 0);
    if (archive_write(f->store, s, &output, &e) < 0)
        fail_msg("%s", e.text);
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_size, length);
    close(fd);
    snapshot_unref(s);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    char ring[600];
    make_folder(f->dir);
    snprintf(ring, sizeof ring, "%s/ring", f->dir);
    snprintf(f->archive, sizeof f->archive, "%s/archive.tar", f->dir);
    fake_ring_init(&f->ring, ring, 3, 500);
    f->ring.remote = true;
    f->store = open_store(f, "hub", 0);
    f->other = open_store(f, "laptop", 0);
    char name[] = "evidence", node[] = "node-1";
    char *nodes[] = {node};
    struct snapshot_request request = {.name = name,
                                       .from_ns = fake_time(&f->ring, 100),
                                       .to_ns = fake_time(&f->ring, 1400),
                                       .nodes = nodes,
                                       .node_count = 1};
    assert_int_equal(snapshot_store_create(f->store, &request, f->id, NULL), 0);
    struct snapshot_take_node who = {.name = "node-1", .source = &f->ring.source};
    struct snapshot_take_options options = {
        .store = f->store, .id = f->id, .nodes = &who, .node_count = 1, .in_process = in_process};
    struct error e = {.text = ""};
    if (snapshot_take(&options, &e) < 0)
        fail_msg("%s", e.text);
    save_archive(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    snapshot_store_free(f->store);
    snapshot_store_free(f->other);
    remove_folder(f->dir);
    free(f);
    return 0;
}

static int import_file(struct snapshot_store *store, const char *path,
                       struct snapshot_import *import, struct error *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    struct stat st;
    fstat(fd, &st);
    import->store = store;
    import->in_fd = fd;
    import->file_name = path;
    import->in_process = in_process;
    if (!import->declared_bytes)
        import->declared_bytes = (uint64_t)st.st_size;
    *e = (struct error){.text = ""};
    int r = snapshot_import_run(import, e);
    close(fd);
    return r;
}

static void expect_verified(struct snapshot_store *store, const char *id, bool own)
{
    struct snapshot_verify v = {0};
    assert_int_equal(snapshot_verify(store, id, &v, NULL), 0);
    if (!v.ok)
        fail_msg("%s: %s", v.problems[0].file, v.problems[0].text);
    assert_int_equal(v.own_signature, own);
    snapshot_verify_done(&v);
}

static void expect_nothing(const struct fixture *f, struct snapshot_store *store)
{
    struct snapshot_list list;
    assert_int_equal(snapshot_store_list(store, NULL, NULL, &list, NULL), 0);
    assert_int_equal(list.count, 0);
    snapshot_list_done(&list);
    char path[700], out[1000];
    snprintf(path, sizeof path, "%s/laptop/snapshots", f->dir);
    char *argv[] = {"find", path, "-mindepth", "1", NULL};
    assert_int_equal(run_program(argv, out, sizeof out), 0);
    assert_string_equal(out, "");
    struct snapshot_quota quota;
    snapshot_store_quota(store, &quota);
    assert_int_equal(quota.reserved_bytes, 0);
}

/* ── good archives ── */

static void other_programs_read_it(void **state)
{
    struct fixture *f = *state;
    char out[8192], into[600];
    char *list[] = {"tar", "-tvf", f->archive, NULL};
    assert_int_equal(run_program(list, out, sizeof out), 0);
    const char *first = strstr(out, "manifest.json"), *second = strstr(out, "nodes/");
    assert_true(first && second && first < second);
    snprintf(into, sizeof into, "%s/unpacked", f->dir);
    assert_int_equal(mkdir(into, 0700), 0);
    char *unpack[] = {"tar", "-xf", f->archive, "-C", into, NULL};
    assert_int_equal(run_program(unpack, out, sizeof out), 0);
    struct snapshot *s = get(f->store, f->id);
    for (size_t i = 0; i < s->manifest->nodes[0].file_count; i++) {
        char path[1300];
        snprintf(path, sizeof path, "%s/%s", into, s->manifest->nodes[0].files[i].name);
        char *sum[] = {"sha256sum", path, NULL};
        assert_int_equal(run_program(sum, out, sizeof out), 0);
        assert_memory_equal(out, s->manifest->nodes[0].files[i].sha256, 64);
    }
    snapshot_unref(s);
}

static void round_trip(void **state)
{
    struct fixture *f = *state;
    struct snapshot_import import = {.by = "tester"};
    struct error e;
    if (import_file(f->other, f->archive, &import, &e) < 0)
        fail_msg("%s", e.text);
    assert_string_equal(import.id, f->id);
    assert_false(import.already_here);
    struct snapshot *s = get(f->other, f->id), *o = get(f->store, f->id);
    assert_string_equal(s->request.name, "evidence");
    assert_string_equal(snapshot_status_text(s), "Completed");
    assert_string_equal(s->manifest_sha256, o->manifest_sha256);
    assert_int_equal(s->manifest->packets, 1300);
    assert_int_equal(s->manifest->nodes[0].file_count, o->manifest->nodes[0].file_count);
    expect_verified(f->other, f->id, false);
    snapshot_unref(o);
    snapshot_unref(s);
    /* again: it is here; with a new id: a second one */
    struct snapshot_import again = {0};
    assert_int_equal(import_file(f->other, f->archive, &again, &e), 0);
    assert_true(again.already_here);
    assert_string_equal(again.id, f->id);
    struct snapshot_import twin = {.new_id = true, .name = "twin"};
    assert_int_equal(import_file(f->other, f->archive, &twin, &e), 0);
    assert_string_not_equal(twin.id, f->id);
    expect_verified(f->other, twin.id, false);
    /* both are there after a restart */
    snapshot_store_free(f->other);
    f->other = open_store(f, "laptop", 0);
    s = get(f->other, "twin");
    assert_string_equal(s->id, twin.id);
    snapshot_unref(s);
    s = get(f->other, "evidence");
    assert_string_equal(s->manifest_sha256, s->manifest_sha256);
    snapshot_unref(s);
}

static void a_range_of_it(void **state)
{
    struct fixture *f = *state;
    struct snapshot *s = get(f->store, f->id);
    struct buf whole;
    buf_init(&whole, 100 << 20);
    assert_int_equal(io_read_file(AT_FDCWD, f->archive, &whole), 0);
    for (size_t from = 1; from < whole.len; from += whole.len / 13 + 1) {
        char path[600];
        snprintf(path, sizeof path, "%s/rest", f->dir);
        int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        struct archive_output output = {.write = to_fd, .ctx = &fd, .from = from};
        assert_int_equal(archive_write(f->store, s, &output, NULL), 0);
        close(fd);
        struct buf rest;
        buf_init(&rest, 100 << 20);
        assert_int_equal(io_read_file(AT_FDCWD, path, &rest), 0);
        assert_int_equal(rest.len, whole.len - from);
        assert_memory_equal(rest.data, whole.data + from, rest.len);
        buf_done(&rest);
    }
    buf_done(&whole);
    snapshot_unref(s);
}

/* ── hostile archives ── */

struct tar {
    struct buf bytes;
};

static void add_member(struct tar *t, const char *name, char type, const char *link,
                       const void *data, size_t size)
{
    uint8_t h[512] = {0};
    snprintf((char *)h, 100, "%s", name);
    memcpy(h + 100, "0000644", 8);
    memcpy(h + 108, "0000000", 8);
    memcpy(h + 116, "0000000", 8);
    snprintf((char *)h + 124, 12, "%011zo", size);
    memcpy(h + 136, "00000000000", 12);
    memset(h + 148, ' ', 8);
    h[156] = (uint8_t)type;
    if (link)
        snprintf((char *)h + 157, 100, "%s", link);
    memcpy(h + 257, "ustar\00000", 8);
    unsigned sum = 0;
    for (int i = 0; i < 512; i++)
        sum += h[i];
    snprintf((char *)h + 148, 8, "%06o", sum);
    buf_append(&t->bytes, h, 512);
    if (data) {
        buf_append(&t->bytes, data, size);
        buf_append_fill(&t->bytes, 0, (512 - size % 512) % 512);
    }
}

struct parts { /* of the good archive */
    struct buf manifest;
    struct buf files[8];
    const struct snapshot_file *listed[8];
    size_t count;
    struct snapshot *snapshot;
};

static void load_parts(struct fixture *f, struct parts *p)
{
    char path[1300];
    *p = (struct parts){.snapshot = get(f->store, f->id)};
    snprintf(path, sizeof path, "%s/hub/snapshots/%s/manifest.json", f->dir, f->id);
    buf_init(&p->manifest, 1 << 20);
    assert_int_equal(io_read_file(AT_FDCWD, path, &p->manifest), 0);
    const struct snapshot_node *node = &p->snapshot->manifest->nodes[0];
    for (size_t i = 0; i < node->file_count; i++) {
        snprintf(path, sizeof path, "%s/hub/snapshots/%s/%s", f->dir, f->id, node->files[i].name);
        buf_init(&p->files[i], 10 << 20);
        assert_int_equal(io_read_file(AT_FDCWD, path, &p->files[i]), 0);
        p->listed[i] = &node->files[i];
        p->count++;
    }
}

static void free_parts(struct parts *p)
{
    buf_done(&p->manifest);
    for (size_t i = 0; i < p->count; i++)
        buf_done(&p->files[i]);
    snapshot_unref(p->snapshot);
}

static void add_manifest(struct tar *t, const struct parts *p)
{
    add_member(t, "manifest.json", '0', NULL, p->manifest.data, p->manifest.len);
}

static void add_file(struct tar *t, const struct parts *p, size_t i)
{
    add_member(t, p->listed[i]->name, '0', NULL, p->files[i].data, p->files[i].len);
}

/* Nothing appears, and the sentence holds the word. */
static void expect_refused(struct fixture *f, struct tar *t, bool end, const char *word)
{
    char path[600];
    snprintf(path, sizeof path, "%s/hostile.tar", f->dir);
    if (end)
        buf_append_fill(&t->bytes, 0, 1024);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_int_equal(io_write("test", fd, t->bytes.data, t->bytes.len), 0);
    close(fd);
    struct snapshot_import import = {0};
    struct error e;
    int r = import_file(f->other, path, &import, &e);
    if (r >= 0)
        fail_msg("accepted, but \"%s\" was expected", word);
    if (!strstr(e.text, word))
        fail_msg("\"%s\" does not say \"%s\"", e.text, word);
    expect_nothing(f, f->other);
    buf_reset(&t->bytes);
}

static void hostile_names_and_types(void **state)
{
    struct fixture *f = *state;
    struct parts p;
    load_parts(f, &p);
    struct tar t;
    buf_init(&t.bytes, 100 << 20);
    add_file(&t, &p, 0);
    add_manifest(&t, &p);
    expect_refused(f, &t, true, "comes before manifest.json");
    static const struct {
        const char *name, *link, *word;
        char type;
    } cases[] = {
        {"/etc/cron.d/evil", NULL, "absolute path", '0'},
        {"../../evil", NULL, "not listed", '0'},
        {"nodes/../../evil", NULL, "not listed", '0'},
        {"nodes/node-1/000001.pcapng.zst", "/etc/passwd", "link", '2'},
        {"nodes/node-1/000001.pcapng.zst", "manifest.json", "link", '1'},
        {"nodes/node-1", NULL, "no regular file", '5'},
        {"nodes/node-1/000001.pcapng.zst", NULL, "no regular file", '3'},
        {"nodes/node-1/000001.pcapng.zst", NULL, "no regular file", '4'},
        {"nodes/node-1/000001.pcapng.zst", NULL, "no regular file", '6'},
        {"nodes/node-1/extra.pcapng", NULL, "not listed", '0'},
        {"state.json", NULL, "not listed", '0'},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        add_manifest(&t, &p);
        add_member(&t, cases[i].name, cases[i].type, cases[i].link, "", 0);
        expect_refused(f, &t, true, cases[i].word);
    }
    buf_done(&t.bytes);
    free_parts(&p);
}

static void hostile_content(void **state)
{
    struct fixture *f = *state;
    struct parts p;
    load_parts(f, &p);
    struct tar t;
    buf_init(&t.bytes, 100 << 20);
    /* a file is missing */
    add_manifest(&t, &p);
    add_file(&t, &p, 0);
    expect_refused(f, &t, true, "missing");
    /* a file comes twice */
    add_manifest(&t, &p);
    for (size_t i = 0; i < p.count; i++)
        add_file(&t, &p, i);
    add_file(&t, &p, 0);
    expect_refused(f, &t, true, "comes twice");
    /* a second manifest */
    add_manifest(&t, &p);
    add_manifest(&t, &p);
    expect_refused(f, &t, true, "not listed");
    /* a wrong byte */
    p.files[1].data[p.files[1].len / 2] ^= 1;
    add_manifest(&t, &p);
    for (size_t i = 0; i < p.count; i++)
        add_file(&t, &p, i);
    expect_refused(f, &t, true, "SHA-256");
    /* a wrong size */
    add_manifest(&t, &p);
    add_member(&t, p.listed[0]->name, '0', NULL, p.files[0].data, p.files[0].len - 1);
    expect_refused(f, &t, true, "another size");
    /* a manifest of our own making */
    p.manifest.data[p.manifest.len / 2] ^= 1;
    add_manifest(&t, &p);
    expect_refused(f, &t, true, "altered");
    add_member(&t, "manifest.json", '0', NULL, "{}", 2);
    expect_refused(f, &t, true, "signature");
    /* a size that is a lie */
    add_member(&t, "manifest.json", '0', NULL, NULL, 060000000000);
    expect_refused(f, &t, true, "impossible size");
    buf_done(&t.bytes);
    free_parts(&p);
}

static void truncated_everywhere(void **state)
{
    struct fixture *f = *state;
    struct buf whole;
    buf_init(&whole, 100 << 20);
    assert_int_equal(io_read_file(AT_FDCWD, f->archive, &whole), 0);
    /* the two blocks of zeros at the end are all that may be missing */
    for (size_t n = 512; n + 1024 < whole.len; n += in_process ? 1777 : 17777) {
        struct tar t;
        buf_init(&t.bytes, 100 << 20);
        buf_append(&t.bytes, whole.data, n);
        expect_refused(f, &t, false, "");
        buf_done(&t.bytes);
    }
    struct tar t; /* in the middle of the last file */
    buf_init(&t.bytes, 100 << 20);
    buf_append(&t.bytes, whole.data, whole.len - 2048);
    expect_refused(f, &t, false, "ends early");
    buf_done(&t.bytes);
    buf_done(&whole);
}

/* Where the snapshot is already: a damaged archive of it is no import of it. */
static void a_damaged_archive_of_what_is_here(void **state)
{
    struct fixture *f = *state;
    struct buf whole;
    struct error e;
    char path[600];
    buf_init(&whole, 100 << 20);
    assert_int_equal(io_read_file(AT_FDCWD, f->archive, &whole), 0);
    snprintf(path, sizeof path, "%s/damaged", f->dir);
    for (unsigned i = 0; i < 4; i++) {
        struct buf bytes;
        buf_init(&bytes, 100 << 20);
        size_t n = i == 3 ? whole.len : whole.len * (i + 1) / 4;
        buf_append(&bytes, whole.data, n);
        bytes.data[i == 3 ? n / 2 : 0] ^= i == 3; /* the last one is whole but for a bit */
        assert_int_equal(io_replace_file("test", AT_FDCWD, path, buf_slice(&bytes), 0600), 0);
        buf_done(&bytes);
        struct snapshot_import import = {0};
        assert_true(import_file(f->store, path, &import, &e) < 0);
        assert_false(import.already_here);
        assert_string_equal(import.id, "");
    }
    buf_done(&whole);
    struct snapshot_import again = {0};
    assert_int_equal(import_file(f->store, f->archive, &again, &e), 0);
    assert_true(again.already_here);
    assert_string_equal(again.id, f->id);
    expect_verified(f->store, f->id, true);
}

/* What is reserved for an upload follows from its length. An archive that came short is not said to
 * lack room, and one that is longer than it said stays within what is reserved. */
static void less_than_it_declares(void **state)
{
    struct fixture *f = *state;
    struct buf whole;
    buf_init(&whole, 100 << 20);
    assert_int_equal(io_read_file(AT_FDCWD, f->archive, &whole), 0);
    for (int cut = 0; cut < 2; cut++) {
        char path[600], folder[600];
        snprintf(path, sizeof path, "%s/cut%d", f->dir, cut);
        snprintf(folder, sizeof folder, "%s/staged%d", f->dir, cut);
        size_t n = cut ? whole.len / 2 : whole.len;
        struct slice bytes = {.data = whole.data, .len = n};
        assert_int_equal(io_replace_file("test", AT_FDCWD, path, bytes, 0600), 0);
        assert_int_equal(mkdir(folder, 0700), 0);
        struct import_work work = {.in_fd = open(path, O_RDONLY | O_CLOEXEC),
                                   .dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
                                   .max_bytes = cut ? n : n / 2,
                                   .quota_bytes = 1ULL << 40,
                                   .file_name = "x",
                                   .node = "x"};
        struct error e = {.text = ""};
        assert_int_equal(import_archive(&work, work.in_fd, &e), -EBADMSG);
        assert_non_null(strstr(e.text, cut ? "ends early" : "longer than it was said"));
        close(work.in_fd);
        close(work.dir);
    }
    buf_done(&whole);
}

/* A manifest that is signed and parses, but says what none can say. */
static void absurd_manifests(void **state)
{
    (void)state;
    static const struct snapshot_gap good[] = {{{1, 2}, 0}, {{2, 4}, 0}},
                                     twice[] = {{{1, 2}, 0}, {{1, 2}, 0}},
                                     backwards[] = {{{2, 1}, 0}},
                                     unsorted[] = {{{3, 4}, 0}, {{1, 2}, 0}};
    static const struct snapshot_interval overlap[] = {{1, 5}, {4, 9}};
    static const struct snapshot_file fine[] = {{.sequence = 1, .size_bytes = 100, .packets = 2},
                                                {.sequence = 3, .size_bytes = 9}},
                                      same[] = {{.sequence = 2}, {.sequence = 2}},
                                      many[] = {{.sequence = 1,
                                                 .size_bytes = 100,
                                                 .packets = 1ULL << 62}},
                                      large[] = {{.sequence = 1, .size_bytes = 1ULL << 62}};
#define GAPS(list) \
    .gaps = (struct snapshot_gap *)(uintptr_t)(list), .gap_count = sizeof(list) / sizeof *(list)
#define FILES(list) \
    .files = (struct snapshot_file *)(uintptr_t)(list), .file_count = sizeof(list) / sizeof *(list)
    struct {
        struct snapshot_node node;
        const char *word; /* NULL: fine */
    } cases[] = {
        {{GAPS(good), FILES(fine)}, NULL},
        {{GAPS(twice)}, "gaps overlap"},
        {{GAPS(backwards)}, "gaps overlap"},
        {{GAPS(unsorted)}, "out of order"},
        {{.covered = (struct snapshot_interval *)(uintptr_t)overlap, .covered_count = 2},
         "covered times overlap"},
        {{FILES(same)}, "one sequence"},
        {{FILES(many)}, "more packets than fit"},
        {{FILES(large)}, "larger than any"},
        {{.packets = 1ULL << 62}, "more packets than there can be"},
        {{GAPS(good), .interface_count = 65537}, "more than"},
        {{.gap_count = 300000}, "more than"},
        {{.file_count = 300000}, "more than"},
    };
#undef GAPS
#undef FILES
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cases[i].node.name = (char[]){"n1"};
        struct snapshot_manifest m = {.nodes = &cases[i].node, .node_count = 1};
        struct error e = {.text = ""};
        assert_int_equal(import_check_manifest(&m, &e), cases[i].word ? -EBADMSG : 0);
        if (cases[i].word && !strstr(e.text, cases[i].word))
            fail_msg("\"%s\" does not say \"%s\"", e.text, cases[i].word);
    }
}

/* One snapshot does not fill the list of all. */
static void many_gaps_in_the_list(void **state)
{
    (void)state;
    struct snapshot_gap *gaps = calloc(5000, sizeof *gaps);
    struct snapshot_node node = {.name = (char[]){"n1"}, .gaps = gaps, .gap_count = 5000};
    struct snapshot_manifest m = {.nodes = &node, .node_count = 1};
    struct snapshot s = {.manifest = &m, .status = SNAPSHOT_COMPLETED};
    s.request.name = (char[]){"many"};
    struct buf json;
    struct json_writer w;
    buf_init(&json, 1 << 20);
    json_init(&w, &json);
    snapshot_write_json(&s, &w);
    json_t *root = json_loadb((const char *)json.data, json.len, 0, NULL);
    const json_t *shown = json_array_get(json_object_get(root, "nodes"), 0);
    assert_int_equal(json_array_size(json_object_get(shown, "gaps")), 1000);
    assert_int_equal(json_integer_value(json_object_get(shown, "gap_count")), 5000);
    json_decref(root);
    buf_done(&json);
    free(gaps);
}

static void more_than_the_quota(void **state)
{
    struct fixture *f = *state;
    snapshot_store_free(f->other);
    f->other = open_store(f, "laptop", 1000);
    struct snapshot_import import = {0};
    struct error e;
    assert_int_equal(import_file(f->other, f->archive, &import, &e), -EDQUOT);
    assert_non_null(strstr(e.text, "1000 bytes"));
    expect_nothing(f, f->other);
    /* the length is a lie */
    struct snapshot_import liar = {.declared_bytes = 10};
    assert_true(import_file(f->other, f->archive, &liar, &e) < 0);
    expect_nothing(f, f->other);
}

static void another_with_the_same_id(void **state)
{
    struct fixture *f = *state;
    struct error e;
    uint64_t freed;
    struct snapshot_import import = {0};
    assert_int_equal(import_file(f->other, f->archive, &import, &e), 0);
    /* the hub's own manifest differs after it was made again under the same id: simulated by a
     * store whose copy was signed by another key */
    char path[1300], copy[600];
    snprintf(path, sizeof path, "%s/laptop/snapshots/%s/state.json", f->dir, f->id);
    snprintf(copy, sizeof copy, "%s/state", f->dir);
    char script[2600];
    snprintf(script, sizeof script,
             "sed -i 's/\"manifest_sha256\":\"[0-9a-f]/\"manifest_sha256\":\"x/;s/:\"x/:\"0/' %s",
             path);
    char *argv[] = {"sh", "-c", script, NULL};
    assert_int_equal(run_program(argv, NULL, 0), 0);
    snapshot_store_free(f->other);
    f->other = open_store(f, "laptop", 0);
    struct snapshot *s = get(f->other, f->id);
    bool changed = strcmp(snapshot_status_text(s), "Failed") == 0;
    snapshot_unref(s);
    if (!changed) /* its first digit was 0 already */
        return;
    struct snapshot_import second = {0};
    assert_int_equal(import_file(f->other, f->archive, &second, &e), -EEXIST);
    assert_non_null(strstr(e.text, "new id"));
    struct snapshot_import third = {.new_id = true};
    assert_int_equal(import_file(f->other, f->archive, &third, &e), 0);
    assert_int_equal(snapshot_store_delete(f->other, f->id, &freed, &e), 0);
}

/* ── bare captures ── */

struct seen {
    uint64_t count, sum;
};

static void see(void *ctx, const struct packet *packet)
{
    struct seen *s = ctx;
    s->count++;
    s->sum =
        s->sum * 31 + (uint64_t)packet->ts_ns + packet->captured_bytes + packet->original_bytes;
    for (uint32_t i = 0; i < packet->captured_bytes; i += 7)
        s->sum += packet->data[i];
}

static void import_capture_as(struct fixture *f, const char *path)
{
    struct seen before = {0}, after = {0};
    read_packets(path, see, &before);
    struct snapshot_import import = {.by = "tester"};
    struct error e;
    if (import_file(f->other, path, &import, &e) < 0)
        fail_msg("%s: %s", path, e.text);
    struct snapshot *s = get(f->other, import.id);
    const struct snapshot_manifest *m = s->manifest;
    assert_true(s->imported && m->imported);
    assert_int_equal(m->node_count, 1);
    assert_int_equal(m->packets, before.count);
    assert_int_equal(m->nodes[0].covered_count, 1);
    assert_string_equal(m->nodes[0].clock_source, "file");
    for (size_t i = 0; i < m->nodes[0].file_count; i++) {
        char file[1300];
        snprintf(file, sizeof file, "%s/laptop/snapshots/%s/%s", f->dir, import.id,
                 m->nodes[0].files[i].name);
        read_packets(file, see, &after);
    }
    assert_int_equal(before.count, after.count);
    assert_true(before.sum == after.sum);
    char out[200];
    union {
        const char *in;
        char *out;
    } text = {.in = path};
    char *argv[] = {"sha256sum", text.out, NULL};
    assert_int_equal(run_program(argv, out, sizeof out), 0);
    assert_memory_equal(out, m->origin.sha256, 64);
    expect_verified(f->other, import.id, true);
    snapshot_unref(s);
}

static void bare_captures(void **state)
{
    struct fixture *f = *state;
    char segment[700], gz[700], lz4[700], zst[700], script[8000], pcap[700];
    snprintf(segment, sizeof segment, "%s/%s", f->ring.dir, f->ring.segments[0].name);
    snprintf(gz, sizeof gz, "%s/a b.pcapng.gz", f->dir);
    snprintf(lz4, sizeof lz4, "%s/x.lz4", f->dir);
    snprintf(zst, sizeof zst, "%s/x.zst", f->dir);
    snprintf(pcap, sizeof pcap, "%s/x.pcap", f->dir);
    snprintf(script, sizeof script,
             "gzip -c '%s' > '%s' && zstd -qc '%s' > '%s' && "
             "editcap -F nsecpcap '%s' '%s' && (lz4 -qc '%s' > '%s' || true)",
             segment, gz, segment, zst, segment, pcap, segment, lz4);
    char *argv[] = {"sh", "-c", script, NULL};
    assert_int_equal(run_program(argv, NULL, 0), 0);
    import_capture_as(f, segment);
    import_capture_as(f, gz);
    import_capture_as(f, zst);
    import_capture_as(f, pcap);
    struct stat st;
    if (stat(lz4, &st) == 0 && st.st_size > 0)
        import_capture_as(f, lz4);
    struct snapshot_list list;
    assert_int_equal(snapshot_store_list(f->other, "a b.pcapng.gz", NULL, &list, NULL), 0);
    assert_int_equal(list.count, 1);
    assert_string_equal(list.items[0]->manifest->nodes[0].name, "a-b");
    snapshot_list_done(&list);
}

static void no_captures(void **state)
{
    struct fixture *f = *state;
    char path[600];
    snprintf(path, sizeof path, "%s/none", f->dir);
    static const char *const contents[] = {"", "hello", "#!/bin/sh\nrm -rf /\n",
                                           "\x0a\x0d\x0d\x0a\xff\xff\xff\xff"};
    for (size_t i = 0; i < sizeof contents / sizeof *contents; i++) {
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        assert_int_equal(io_write("test", fd, contents[i], strlen(contents[i])), 0);
        close(fd);
        struct snapshot_import import = {.declared_bytes = 100};
        struct error e;
        assert_true(import_file(f->other, path, &import, &e) < 0);
        assert_true(e.text[0] != '\0');
        expect_nothing(f, f->other);
    }
}

static void damaged_capture_is_declared(void **state)
{
    struct fixture *f = *state;
    char segment[700], path[600];
    snprintf(segment, sizeof segment, "%s/%s", f->ring.dir, f->ring.segments[0].name);
    snprintf(path, sizeof path, "%s/damaged.pcapng", f->dir);
    struct buf bytes;
    buf_init(&bytes, 10 << 20);
    assert_int_equal(io_read_file(AT_FDCWD, segment, &bytes), 0);
    memset(bytes.data + bytes.len / 2, 0xff, 300);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_int_equal(io_write("test", fd, bytes.data, bytes.len), 0);
    close(fd);
    buf_done(&bytes);
    struct snapshot_import import = {0};
    struct error e;
    assert_int_equal(import_file(f->other, path, &import, &e), 0);
    struct snapshot *s = get(f->other, import.id);
    assert_true(s->manifest->partial);
    assert_true(s->manifest->origin.damage > 0);
    assert_non_null(strstr(s->manifest->missing[0].reason, "corrupt"));
    assert_true(s->manifest->packets > 490 && s->manifest->packets < 500);
    snapshot_unref(s);
}

/* ── the hub's other jobs, on the same snapshot ── */

static void pcap_and_packets(void **state)
{
    struct fixture *f = *state;
    if (in_process)
        return; /* these have no other way than a job */
    struct error e = {.text = ""};
    struct snapshot *s = get(f->store, f->id);
    char path[600], out[8192];
    snprintf(path, sizeof path, "%s/out.pcapng", f->dir);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    struct snapshot_pcap_request request = {.bpf = "udp port domain or udp port 8080"};
    if (snapshot_pcap_run(f->store, s, &request, fd, NULL, &e) < 0)
        fail_msg("%s", e.text);
    close(fd);
    assert_int_equal(read_packets(path, NULL, NULL), 1300);
    char *argv[] = {"capinfos", "-c", "-o", path, NULL};
    assert_int_equal(run_program(argv, out, sizeof out), 0);
    assert_non_null(strstr(out, "Strict time order:   True"));
    /* flows: two of ten */
    struct selection *selection = NULL;
    assert_int_equal(selection_new(SELECT_FLOWS, &selection), 0);
    for (uint16_t port = 0x9c41; port <= 0x9c42; port++) {
        struct selection_flow flow = {.ip_version = 4,
                                      .ip_protocol = 17,
                                      .ip_a = {10, 0, 0, 2},
                                      .ip_b = {10, 0, 0, 1},
                                      .port_a = 8080,
                                      .port_b = port};
        assert_int_equal(selection_add_flow(selection, &flow), 0);
    }
    assert_int_equal(selection_seal(selection), 0);
    fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    struct snapshot_pcap_request flows = {.selection = selection};
    if (snapshot_pcap_run(f->store, s, &flows, fd, NULL, &e) < 0)
        fail_msg("%s", e.text);
    close(fd);
    selection_free(selection);
    assert_int_equal(read_packets(path, NULL, NULL), 260);
    /* packets of an entry */
    struct snapshot_packet_ref refs[] = {{"node-1", 1, 0, true},
                                         {"node-1", 1, 0, false},
                                         {"node-1", 99, 0, false},
                                         {"other", 1, 0, false}};
    struct buf json;
    buf_init(&json, 1 << 20);
    /* the offsets of the first two packets of the first file */
    uint64_t first = 0, step = 32 + 200 + 12;
    const struct snapshot_file *file = &s->manifest->nodes[0].files[0];
    first = file->plain_bytes - file->packets * step;
    refs[0].offset = first + step;
    refs[1].offset = first;
    if (snapshot_packets(f->store, s, refs, 4, 100, &json, &e) < 0)
        fail_msg("%s", e.text);
    buf_append_u8(&json, 0);
    const char *text = (const char *)json.data;
    assert_non_null(strstr(text, "\"no\":1,\"timestamp\":\"2023-11-14T22:13:20.100000000Z\""));
    assert_non_null(strstr(text, "\"no\":2,\"timestamp\":\"2023-11-14T22:13:20.101000000Z\""));
    assert_non_null(strstr(text, "UDP 40000 → 8080"));
    assert_non_null(strstr(text, "\"direction\":\"server\""));
    assert_null(strstr(text, "\"no\":3"));
    buf_done(&json);
    snapshot_unref(s);
}

/* This program is its own job. */
static int run_job(const char *kind)
{
    static const struct job_kind *const kinds[] = {&job_kind_export, &job_kind_extract,
                                                   &job_kind_import, &job_kind_packets};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(kinds[i]->name, kind) != 0)
            continue;
        struct job_context ctx;
        struct error e = {.offset = ERROR_NO_OFFSET};
        int code = job_context_init(&ctx, kinds[i]->name, &e) < 0 ? job_fail(&ctx, &e)
                                                                  : kinds[i]->run(&ctx);
        job_context_done(&ctx);
        return code;
    }
    return 2;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "job") == 0)
        return run_job(argv[2]);
    sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(other_programs_read_it, setup, teardown),
        cmocka_unit_test_setup_teardown(round_trip, setup, teardown),
        cmocka_unit_test_setup_teardown(a_range_of_it, setup, teardown),
        cmocka_unit_test_setup_teardown(hostile_names_and_types, setup, teardown),
        cmocka_unit_test_setup_teardown(hostile_content, setup, teardown),
        cmocka_unit_test_setup_teardown(truncated_everywhere, setup, teardown),
        cmocka_unit_test_setup_teardown(a_damaged_archive_of_what_is_here, setup, teardown),
        cmocka_unit_test_setup_teardown(less_than_it_declares, setup, teardown),
        cmocka_unit_test(absurd_manifests),
        cmocka_unit_test(many_gaps_in_the_list),
        cmocka_unit_test_setup_teardown(more_than_the_quota, setup, teardown),
        cmocka_unit_test_setup_teardown(another_with_the_same_id, setup, teardown),
        cmocka_unit_test_setup_teardown(bare_captures, setup, teardown),
        cmocka_unit_test_setup_teardown(no_captures, setup, teardown),
        cmocka_unit_test_setup_teardown(damaged_capture_is_declared, setup, teardown),
        cmocka_unit_test_setup_teardown(pcap_and_packets, setup, teardown),
    };
    int failed = cmocka_run_group_tests_name("in this process", tests, NULL, NULL);
    in_process = false;
    return failed + cmocka_run_group_tests_name("in sandboxed jobs", tests, NULL, NULL);
}
