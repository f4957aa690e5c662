/* What stands in a snapshot's folder or comes with an archive: manifest, state, signature. A
 * manifest that was accepted is written and read again: the same must come. */
#include <stdlib.h>
#include <string.h>

#include "snapshot/snapshot_json.h"
#include "snapshot/snapshot_key.h"
#include "snapshot/snapshot_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void try_manifest(struct slice json)
{
    struct snapshot_manifest *m = NULL, *again = NULL;
    struct error e = {.text = ""};
    if (snapshot_manifest_parse(json, &m, &e) < 0) {
        check(e.text[0]);
        return;
    }
    for (size_t n = 0; n < m->node_count; n++)
        for (size_t f = 0; f < m->nodes[n].file_count; f++) {
            const char *name = m->nodes[n].files[f].name;
            check(strncmp(name, "nodes/", 6) == 0 && !strstr(name, "/.") && !strstr(name, "//"));
        }
    struct buf first, second;
    buf_init(&first, 64 << 20);
    buf_init(&second, 64 << 20);
    check(snapshot_manifest_write(m, &first) == 0);
    if (snapshot_manifest_parse(buf_slice(&first), &again, &e) == 0) {
        check(snapshot_manifest_write(again, &second) == 0);
        check(slice_eq(buf_slice(&first), buf_slice(&second)));
    }
    buf_done(&first);
    buf_done(&second);
    snapshot_manifest_unref(again);
    snapshot_manifest_unref(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice json = slice_of(data, size);
    try_manifest(json);
    struct snapshot *s = NULL;
    struct error e;
    if (snapshot_state_parse(json, &s, &e) == 0)
        snapshot_unref(s);
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct snapshot_dissection d;
    (void)snapshot_dissection_state_parse(json, &arena, &d, &e);
    arena_done(&arena);
    char signer[SNAPSHOT_KEY_TEXT_SIZE];
    (void)snapshot_key_check(json, signer, &e);
    return 0;
}
