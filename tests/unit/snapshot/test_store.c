/* The store: names, lookup, changes, JSON, dissections, recovery of many. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "snapshot/snapshot_key.h"
#include "snapshot/snapshot_sums.h"
#include "snapshot/snapshot_verify.h"
#include "snapshot/snapshot_xxh64.h"
#include "unit/snapshot/support_ring.h"
#include "unit/unit_test.h"

struct fixture {
    char dir[512], data[600];
    struct fake_ring ring;
    struct snapshot_store *store;
    unsigned changes;
};

static void on_change(void *ctx, const char *id, const struct snapshot *snapshot)
{
    struct fixture *f = ctx;
    (void)id;
    (void)snapshot;
    __atomic_add_fetch(&f->changes, 1, __ATOMIC_RELAXED);
}

static void reopen(struct fixture *f)
{
    snapshot_store_free(f->store);
    struct snapshot_store_options options = {
        .data_dir = f->data, .free_floor_bytes = 1, .on_change = on_change, .ctx = f};
    struct error e = {.text = ""};
    if (snapshot_store_open(&options, &f->store, &e) < 0)
        fail_msg("%s", e.text);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    char ring[600];
    make_folder(f->dir);
    snprintf(f->data, sizeof f->data, "%s/hub", f->dir);
    snprintf(ring, sizeof ring, "%s/ring", f->dir);
    fake_ring_init(&f->ring, ring, 2, 100);
    reopen(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    snapshot_store_free(f->store);
    remove_folder(f->dir);
    free(f);
    return 0;
}

static int create(struct fixture *f, const char *name, char id[SNAPSHOT_ID_SIZE], struct error *e)
{
    char copy[400], node[] = "node-1";
    snprintf(copy, sizeof copy, "%s", name);
    char *nodes[] = {node};
    struct snapshot_request request = {.name = copy,
                                       .from_ns = fake_time(&f->ring, 10),
                                       .to_ns = fake_time(&f->ring, 150),
                                       .nodes = nodes,
                                       .node_count = 1};
    return snapshot_store_create(f->store, &request, id, e);
}

static void take(struct fixture *f, const char *name, char id[SNAPSHOT_ID_SIZE])
{
    struct error e = {.text = ""};
    assert_int_equal(create(f, name, id, &e), 0);
    struct snapshot_take_node who = {.name = "node-1", .source = &f->ring.source};
    struct snapshot_take_options options = {.store = f->store,
                                            .id = id,
                                            .nodes = &who,
                                            .node_count = 1,
                                            .in_process = true,
                                            .lead_in_ns = -1};
    if (snapshot_take(&options, &e) < 0)
        fail_msg("%s", e.text);
}

static void names(void **state)
{
    struct fixture *f = *state;
    char id[SNAPSHOT_ID_SIZE], longest[300];
    memset(longest, 'x', sizeof longest);
    longest[200] = '\0';
    static const char *const good[] = {
        "incident 2024-02-01", "Prüfung 検査", "a", "..", "-rf", "<b>&"};
    static const char *const bad[] = {
        "",           "a/b",       "..\\..",  "line\nbreak",    "\x1b[31mred",
        "bidi\u202e", "tab\there", "@latest", "\xff\xfe",       "zero\u200bwidth",
        " in front",  "behind ",   " ",       "no-break\u00a0", "\u3000wide"};
    struct error e;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_int_equal(create(f, good[i], id, &e), 0);
    assert_int_equal(create(f, longest, id, &e), 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        e.text[0] = '\0';
        assert_int_equal(create(f, bad[i], id, &e), -EINVAL);
        assert_true(strlen(e.text) > 10);
    }
    longest[200] = 'x';
    longest[201] = '\0';
    assert_int_equal(create(f, longest, id, &e), -EINVAL);
}

static void wrong_requests(void **state)
{
    struct fixture *f = *state;
    char id[SNAPSHOT_ID_SIZE], name[] = "x", node[] = "n", filter[] = "host example.com";
    char *twice[] = {node, node};
    struct error e;
    struct snapshot_request empty = {.name = name, .from_ns = 5, .to_ns = 5};
    assert_int_equal(snapshot_store_create(f->store, &empty, id, &e), -EINVAL);
    struct snapshot_request backwards = {.name = name, .from_ns = 5, .to_ns = 4};
    assert_int_equal(snapshot_store_create(f->store, &backwards, id, &e), -EINVAL);
    struct snapshot_request doubled = {
        .name = name, .from_ns = 1, .to_ns = 4, .nodes = twice, .node_count = 2};
    assert_int_equal(snapshot_store_create(f->store, &doubled, id, &e), -EINVAL);
    struct snapshot_request filtered = {.name = name, .from_ns = 1, .to_ns = 4, .filter = filter};
    assert_int_equal(snapshot_store_create(f->store, &filtered, id, &e), -EINVAL);
    assert_non_null(strstr(e.text, "example.com"));
}

static void lookup(void **state)
{
    struct fixture *f = *state;
    char a[SNAPSHOT_ID_SIZE], b[SNAPSHOT_ID_SIZE], c[SNAPSHOT_ID_SIZE];
    struct error e;
    struct snapshot *s = NULL;
    assert_int_equal(snapshot_store_get(f->store, "@latest", &s, &e), -ENOENT);
    create(f, "first", a, &e);
    create(f, "second", b, &e);
    create(f, "second", c, &e);
    assert_true(strcmp(a, b) < 0 && strcmp(b, c) < 0);
    struct {
        const char *ref, *id;
        int r;
    } cases[] = {{a, a, 0},
                 {"first", a, 0},
                 {"@latest", c, 0},
                 {"second", NULL, -ENOTUNIQ},
                 {"third", NULL, -ENOENT},
                 {"", NULL, -ENOENT}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(snapshot_store_get(f->store, cases[i].ref, &s, &e), cases[i].r);
        if (cases[i].r == 0) {
            assert_string_equal(s->id, cases[i].id);
            snapshot_unref(s);
        }
    }
    /* the shortest prefix that is unique, in lower case */
    char prefix[SNAPSHOT_ID_SIZE];
    size_t n = 0;
    while (a[n] == b[n] || a[n] == c[n])
        n++;
    snprintf(prefix, sizeof prefix, "%.*s", (int)n + 1, a);
    for (char *p = prefix; *p; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p - 'A' + 'a');
    assert_int_equal(snapshot_store_get(f->store, prefix, &s, &e), 0);
    assert_string_equal(s->id, a);
    snapshot_unref(s);
    prefix[1] = '\0';
    assert_int_equal(snapshot_store_get(f->store, prefix, &s, &e), -ENOTUNIQ);
}

static void changes_survive(void **state)
{
    struct fixture *f = *state;
    char id[SNAPSHOT_ID_SIZE];
    take(f, "before", id);
    const char *tags[] = {"prod", "checkout", NULL};
    bool yes = true, no = false;
    struct error e = {.text = ""};
    struct snapshot_changes changes = {
        .name = "after", .note = "seen by me", .tags = tags, .locked = &yes, .by = "ann"};
    unsigned before = f->changes;
    assert_int_equal(snapshot_store_change(f->store, id, &changes, &e), 0);
    assert_int_equal(f->changes, before + 1);
    reopen(f);
    struct snapshot *s = NULL;
    assert_int_equal(snapshot_store_get(f->store, "after", &s, &e), 0);
    assert_string_equal(s->id, id);
    assert_string_equal(s->note, "seen by me");
    assert_int_equal(s->tag_count, 2);
    assert_string_equal(s->tags[1], "checkout");
    assert_true(s->locked);
    assert_string_equal(s->history[s->history_count - 1].text,
                        "renamed, note, tags, locked by ann");
    /* the evidence keeps the first name */
    assert_string_equal(s->manifest->requested.name, "before");
    snapshot_unref(s);
    uint64_t freed;
    assert_int_equal(snapshot_store_delete(f->store, id, &freed, &e), -EPERM);
    assert_int_equal(
        snapshot_store_change(f->store, id, &(struct snapshot_changes){.locked = &no}, &e), 0);
    assert_int_equal(snapshot_store_delete(f->store, id, &freed, &e), 0);
    assert_true(freed > 0);
    assert_int_equal(snapshot_store_delete(f->store, id, &freed, &e), -ENOENT);
    assert_int_equal(
        snapshot_store_change(f->store, id, &(struct snapshot_changes){.name = "x"}, &e), -ENOENT);
}

static void search(void **state)
{
    struct fixture *f = *state;
    char id[SNAPSHOT_ID_SIZE];
    struct error e;
    create(f, "Checkout is slow", id, &e);
    take(f, "payments", id);
    snapshot_store_change(f->store, id, &(struct snapshot_changes){.note = "see ticket 7"}, &e);
    static const struct {
        const char *search, *status;
        size_t count;
    } cases[] = {{NULL, NULL, 2},         {"checkout", NULL, 1}, {"TICKET", NULL, 1},
                 {"nothing", NULL, 0},    {NULL, "Pending", 1},  {NULL, "Completed", 1},
                 {"slow", "Completed", 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct snapshot_list list;
        assert_int_equal(snapshot_store_list(f->store, cases[i].search, cases[i].status, &list, &e),
                         0);
        assert_int_equal(list.count, cases[i].count);
        if (list.count == 2)
            assert_string_equal(list.items[0]->request.name, "payments"); /* newest first */
        snapshot_list_done(&list);
    }
}

/* The members of `interface NAME` in types.ts. */
static void expect_members(const char *interface, const json_t *object, size_t optional)
{
    struct buf types;
    buf_init(&types, 1 << 20);
    assert_int_equal(io_read_file(AT_FDCWD, TRAWL_SOURCE_DIR "/web/src/api/types.ts", &types), 0);
    buf_append_u8(&types, 0);
    char head[80];
    snprintf(head, sizeof head, "export interface %s {", interface);
    const char *p = strstr((const char *)types.data, head);
    assert_non_null(p);
    p += strlen(head);
    size_t found = 0, skipped = 0;
    int depth = 0;
    bool name_next = true;
    for (; *p && !(depth == 0 && *p == '}'); p++) {
        if (p[0] == '/' && p[1] == '/')
            while (*p && *p != '\n')
                p++;
        if (*p == '{')
            depth++;
        if (*p == '}')
            depth--;
        if (*p == ';' && depth == 0)
            name_next = true;
        if (!name_next || depth || !((*p >= 'a' && *p <= 'z') || *p == '_'))
            continue;
        char name[64] = "";
        size_t n = strspn(p, "abcdefghijklmnopqrstuvwxyz_0123456789");
        memcpy(name, p, n < 63 ? n : 63);
        p += n;
        bool may_be_absent = *p == '?';
        name_next = false;
        if (json_object_get(object, name))
            found++;
        else if (may_be_absent)
            skipped++;
        else
            fail_msg("%s lacks \"%s\"", interface, name);
    }
    assert_int_equal(found, json_object_size(object));
    assert_true(found > 3);
    assert_true(skipped <= optional);
    buf_done(&types);
}

static json_t *to_json(const struct snapshot *s)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    struct json_writer w;
    json_init(&w, &out);
    snapshot_write_json(s, &w);
    assert_int_equal(buf_failed(&out), 0);
    json_error_t error;
    json_t *root = json_loadb((const char *)out.data, out.len, JSON_REJECT_DUPLICATES, &error);
    if (!root)
        fail_msg("%s", error.text);
    buf_done(&out);
    return root;
}

static void dissections_and_json(void **state)
{
    struct fixture *f = *state;
    char id[SNAPSHOT_ID_SIZE], name[] = "default", other[] = "other", path[1400];
    struct error e = {.text = ""};
    take(f, "json", id);
    struct snapshot_protocol_count counts[] = {{"http", 5}, {"dns", 2}};
    struct snapshot_dissection d = {.name = name,
                                    .state = SNAPSHOT_DISSECTION_RUNNING,
                                    .percent = 12.5,
                                    .eta_ns = -1,
                                    .protocols = counts,
                                    .protocol_count = 2,
                                    .started_at_ns = RING_T0};
    assert_int_equal(snapshot_store_put_dissection(f->store, id, &d, true, &e), 0);
    uint64_t freed;
    assert_int_equal(snapshot_store_delete(f->store, id, &freed, &e), -EBUSY);
    d.percent = 50;
    assert_int_equal(snapshot_store_put_dissection(f->store, id, &d, false, &e), 0);
    struct snapshot *s = NULL;
    assert_int_equal(snapshot_store_get(f->store, id, &s, &e), 0);
    assert_string_equal(snapshot_status_text(s), "Completed");
    json_t *root = to_json(s);
    expect_members("Snapshot", root, 0);
    assert_true(json_is_null(json_object_get(root, "verified")));
    assert_int_equal(json_array_size(json_object_get(root, "warnings")), 0);
    expect_members("SnapshotNode", json_array_get(json_object_get(root, "nodes"), 0), 0);
    expect_members("Dissection", json_array_get(json_object_get(root, "dissections"), 0), 2);
    assert_int_equal(json_integer_value(json_object_get(root, "packets")), 140);
    assert_true(json_number_value(json_object_get(root, "coverage")) == 1.0);
    json_decref(root);
    snapshot_unref(s);
    d.state = SNAPSHOT_DISSECTION_DONE;
    d.percent = 100;
    d.entries = 7;
    d.size_bytes = 1000;
    d.finished_at_ns = RING_T0 + 5;
    assert_int_equal(snapshot_store_put_dissection(f->store, id, &d, true, &e), 0);
    d.name = other;
    d.state = SNAPSHOT_DISSECTION_RUNNING;
    assert_int_equal(snapshot_store_put_dissection(f->store, id, &d, true, &e), 0);
    struct snapshot_quota before, after;
    snapshot_store_quota(f->store, &before);
    reopen(f);
    assert_int_equal(snapshot_store_get(f->store, id, &s, &e), 0);
    assert_string_equal(snapshot_status_text(s), "Dissected");
    assert_int_equal(s->dissection_count, 2);
    assert_int_equal(s->dissections[0].entries, 7);
    assert_string_equal(s->dissections[0].protocols[1].protocol, "dns");
    assert_int_equal(s->dissections[1].state, SNAPSHOT_DISSECTION_FAILED);
    assert_non_null(strstr(s->dissections[1].reason, "stopped"));
    root = to_json(s);
    const char *warning = json_string_value(json_array_get(json_object_get(root, "warnings"), 0));
    assert_non_null(warning);
    assert_non_null(strstr(warning, "\"other\" failed: "));
    assert_non_null(strstr(warning, "stopped"));
    json_decref(root);
    snapshot_unref(s);
    snapshot_store_quota(f->store, &after);
    assert_int_equal(before.used_bytes, after.used_bytes);
    assert_int_equal(snapshot_store_delete_dissection(f->store, id, other, &e), 0);
    assert_int_equal(snapshot_store_delete_dissection(f->store, id, other, &e), -ENOENT);
    assert_int_equal(snapshot_store_delete_dissection(f->store, id, "../..", &e), -EINVAL);
    assert_int_equal(snapshot_store_dissection_path(f->store, id, other, 0, path, sizeof path), 0);
    assert_int_equal(access(path, F_OK), -1);
}

/* One byte of a data file is another for as long as the test wants. */
static void flip(const struct fixture *f, const char *id)
{
    char path[1400];
    snprintf(path, sizeof path, "%s/snapshots/%s/nodes/node-1/000001.pcapng", f->data, id);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    uint8_t byte;
    assert_int_equal(pread(fd, &byte, 1, 300), 1);
    byte ^= 0x40;
    assert_int_equal(pwrite(fd, &byte, 1, 300), 1);
    close(fd);
}

static void verify_and_keep(struct fixture *f, const char *id, bool ok)
{
    struct snapshot_verify v = {0};
    struct error e = {.text = ""};
    assert_int_equal(snapshot_verify(f->store, id, &v, &e), 0);
    assert_int_equal(v.ok, ok);
    assert_int_equal(snapshot_verify_keep(f->store, id, &v, &e), 0);
    snapshot_verify_done(&v);
}

/* What list and show say of the damage; none: the first warning is NULL. */
static void expect_damage(struct fixture *f, const char *id, bool damaged)
{
    struct snapshot_list list;
    assert_int_equal(snapshot_store_list(f->store, NULL, NULL, &list, NULL), 0);
    assert_int_equal(list.count, 1);
    assert_string_equal(list.items[0]->id, id);
    json_t *root = to_json(list.items[0]);
    const json_t *verified = json_object_get(root, "verified");
    expect_members("Verification", verified, 0);
    assert_string_equal(json_string_value(json_object_get(root, "status")), "Completed");
    assert_int_equal(json_is_true(json_object_get(verified, "ok")), !damaged);
    assert_int_equal(json_integer_value(json_object_get(verified, "problems")), damaged);
    assert_int_equal(json_array_size(json_object_get(verified, "errors")), damaged);
    const json_t *warnings = json_object_get(root, "warnings");
    assert_int_equal(json_array_size(warnings), damaged);
    if (damaged) {
        const char *text = json_string_value(json_array_get(warnings, 0));
        assert_non_null(strstr(text, "Damaged: nodes/node-1/000001.pcapng at byte 0 (verified 2"));
    }
    json_decref(root);
    snapshot_list_done(&list);
}

static void what_verify_found_is_kept(void **state)
{
    struct fixture *f = *state;
    char id[SNAPSHOT_ID_SIZE];
    take(f, "verified", id);
    struct error e;
    assert_int_equal(snapshot_sums_write(f->store, id, NULL, &e), 0);
    flip(f, id);
    verify_and_keep(f, id, false);
    expect_damage(f, id, true);
    verify_and_keep(f, id, false);
    reopen(f);
    expect_damage(f, id, true);
    struct snapshot *s = NULL;
    assert_int_equal(snapshot_store_get(f->store, id, &s, &e), 0);
    /* it is said once, however often it is found */
    const struct snapshot_history *last = &s->history[s->history_count - 1];
    assert_string_equal(last->text, "verified: damaged in 1 place");
    assert_null(strstr(last[-1].text, "verified"));
    snapshot_unref(s);
    flip(f, id); /* the disk was repaired */
    verify_and_keep(f, id, true);
    expect_damage(f, id, false);
    reopen(f);
    expect_damage(f, id, false);
}

static void the_signature(void **state)
{
    struct fixture *f = *state;
    char id[SNAPSHOT_ID_SIZE], path[1400], public_key[SNAPSHOT_KEY_TEXT_SIZE];
    take(f, "signed", id);
    snprintf(path, sizeof path, "%s/snapshots/%s/manifest.json", f->data, id);
    struct buf json;
    buf_init(&json, 1 << 20);
    assert_int_equal(io_read_file(AT_FDCWD, path, &json), 0);
    struct error e;
    assert_int_equal(snapshot_key_check(buf_slice(&json), public_key, &e), 0);
    assert_string_equal(public_key, snapshot_key_public(snapshot_store_key(f->store)));
    for (size_t i = 0; i + 1 < json.len; i += 13) {
        json.data[i] ^= 4;
        assert_true(snapshot_key_check(buf_slice(&json), NULL, &e) < 0);
        json.data[i] ^= 4;
    }
    buf_done(&json);
    /* the key is the hub's, kept, and for nobody else to read */
    struct stat st;
    snprintf(path, sizeof path, "%s/hub.key", f->data);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    reopen(f);
    assert_string_equal(public_key, snapshot_key_public(snapshot_store_key(f->store)));
}

static void damaged_folders(void **state)
{
    struct fixture *f = *state;
    char a[SNAPSHOT_ID_SIZE], b[SNAPSHOT_ID_SIZE], script[4000];
    take(f, "lost state", a);
    take(f, "lost manifest", b);
    snprintf(script, sizeof script,
             "cd %s/snapshots && echo garbage > %s/state.json && rm -f %s/manifest.json && "
             "mkdir 000000000000000000000000AA && mkdir nonsense && touch file && "
             "mkdir %s.deleting x.import",
             f->data, a, b, b);
    char *argv[] = {"sh", "-c", script, NULL};
    assert_int_equal(run_program(argv, NULL, 0), 0);
    reopen(f);
    struct snapshot *s = NULL;
    struct error e;
    assert_int_equal(snapshot_store_get(f->store, a, &s, &e), 0);
    assert_string_equal(snapshot_status_text(s), "Completed");
    assert_string_equal(s->request.name, "lost state");
    snapshot_unref(s);
    assert_int_equal(snapshot_store_get(f->store, b, &s, &e), 0);
    assert_string_equal(snapshot_status_text(s), "Failed");
    assert_non_null(strstr(s->status_detail, "manifest.json"));
    snapshot_unref(s);
    struct snapshot_list list;
    assert_int_equal(snapshot_store_list(f->store, NULL, NULL, &list, &e), 0);
    assert_int_equal(list.count, 2);
    snapshot_list_done(&list);
    assert_non_null(strstr(snapshot_store_recovery_report(f->store), "rebuilt"));
    /* a newer format is refused by name */
    snprintf(script, sizeof script,
             "sed -i 's/\"version\":1/\"version\":9/' %s/snapshots/%s/state.json "
             "&& chmod u+w %s/snapshots/%s/manifest.json "
             "&& sed -i 's/\"version\":1/\"version\":9/' %s/snapshots/%s/manifest.json",
             f->data, a, f->data, a, f->data, a);
    assert_int_equal(run_program(argv, NULL, 0), 0);
    reopen(f);
    assert_int_equal(snapshot_store_get(f->store, a, &s, &e), 0);
    assert_string_equal(snapshot_status_text(s), "Failed");
    assert_non_null(strstr(s->status_detail, "version 9"));
    snapshot_unref(s);
}

static void *change_thread(void *arg)
{
    struct fixture *f = arg;
    for (int i = 0; i < 20; i++) {
        char id[SNAPSHOT_ID_SIZE];
        struct error e;
        uint64_t freed;
        if (create(f, "thread", id, &e) < 0)
            return NULL;
        snapshot_store_change(f->store, id, &(struct snapshot_changes){.note = "n"}, &e);
        struct snapshot_list list;
        if (snapshot_store_list(f->store, NULL, NULL, &list, &e) == 0)
            snapshot_list_done(&list);
        if (snapshot_store_delete(f->store, id, &freed, &e) < 0)
            return NULL;
    }
    return arg;
}

static void many_threads(void **state)
{
    struct fixture *f = *state;
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, change_thread, f), 0);
    for (int i = 0; i < 4; i++) {
        void *good = NULL;
        pthread_join(threads[i], &good);
        assert_non_null(good);
    }
    struct snapshot_list list;
    assert_int_equal(snapshot_store_list(f->store, NULL, NULL, &list, NULL), 0);
    assert_int_equal(list.count, 0);
    snapshot_list_done(&list);
}

static void a_thousand_are_opened(void **state)
{
    struct fixture *f = *state;
    char id[SNAPSHOT_ID_SIZE], script[2000];
    take(f, "one of many", id);
    snapshot_store_free(f->store);
    f->store = NULL;
    /* ids of 26 characters; the content may be shared */
    snprintf(script, sizeof script,
             "cd %s/snapshots && i=1000; while [ $i -lt 2000 ]; do "
             "cp -al %s 00000000000000000000${i}AA; i=$((i+1)); done",
             f->data, id);
    char *argv[] = {"sh", "-c", script, NULL};
    assert_int_equal(run_program(argv, NULL, 0), 0);
    reopen(f);
    struct snapshot_list list;
    assert_int_equal(snapshot_store_list(f->store, NULL, "Completed", &list, NULL), 0);
    assert_int_equal(list.count, 1001);
    snapshot_list_done(&list);
}

/* With too few descriptors the store opens whole or not at all, and nothing on the disk changes. */
static void few_descriptors(void **state)
{
    struct fixture *f = *state;
    char ids[4][SNAPSHOT_ID_SIZE];
    struct error e;
    for (size_t i = 0; i < 4; i++)
        take(f, "kept", ids[i]);
    char name[] = "default";
    struct snapshot_dissection d = {
        .name = name, .state = SNAPSHOT_DISSECTION_DONE, .started_at_ns = RING_T0};
    assert_int_equal(snapshot_store_put_dissection(f->store, ids[1], &d, true, &e), 0);
    snapshot_store_free(f->store);
    f->store = NULL;
    struct rlimit before;
    getrlimit(RLIMIT_NOFILE, &before);
    unsigned refused = 0, opened = 0;
    for (rlim_t limit = 4; limit < 40; limit++) {
        struct snapshot_store *store = NULL;
        struct snapshot_store_options options = {.data_dir = f->data, .free_floor_bytes = 1};
        struct rlimit few = {limit, before.rlim_max};
        setrlimit(RLIMIT_NOFILE, &few);
        int r = snapshot_store_open(&options, &store, &e);
        setrlimit(RLIMIT_NOFILE, &before);
        refused += r < 0;
        opened += r == 0;
        for (size_t i = 0; r == 0 && i < 4; i++) {
            struct snapshot *s = NULL;
            assert_int_equal(snapshot_store_get(store, ids[i], &s, &e), 0);
            assert_int_equal(s->status, SNAPSHOT_COMPLETED);
            assert_int_equal(s->dissection_count, i == 1);
            snapshot_unref(s);
        }
        snapshot_store_free(store);
    }
    assert_true(refused > 0 && opened > 0);
    reopen(f);
}

static void xxh64_known_answers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t sum;
    } cases[] = {{"", 0xEF46DB3751D8E999ULL},
                 {"a", 0xD24EC4F1A98C6E5BULL},
                 {"abc", 0x44BC2CF5AD770999ULL},
                 {"Nobody inspects the spammish repetition", 0xFBCEA83C8A378BF1ULL}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_true(snapshot_xxh64(cases[i].text, strlen(cases[i].text)) == cases[i].sum);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(names, setup, teardown),
        cmocka_unit_test_setup_teardown(wrong_requests, setup, teardown),
        cmocka_unit_test_setup_teardown(lookup, setup, teardown),
        cmocka_unit_test_setup_teardown(changes_survive, setup, teardown),
        cmocka_unit_test_setup_teardown(search, setup, teardown),
        cmocka_unit_test_setup_teardown(dissections_and_json, setup, teardown),
        cmocka_unit_test_setup_teardown(what_verify_found_is_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(the_signature, setup, teardown),
        cmocka_unit_test_setup_teardown(damaged_folders, setup, teardown),
        cmocka_unit_test_setup_teardown(few_descriptors, setup, teardown),
        cmocka_unit_test_setup_teardown(many_threads, setup, teardown),
        cmocka_unit_test(xxh64_known_answers),
        cmocka_unit_test_setup_teardown(a_thousand_are_opened, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
