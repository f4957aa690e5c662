/* manifest.json: the evidence (docs/formats/snapshot.md). */
#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "snapshot/snapshot_json.h"
#include "snapshot/snapshot_model.h"
#include "snapshot/snapshot_read.h"

#define FORMAT "trawl-snapshot"
enum {
    VERSION = 2,        /* 2: files with packets outside of the window */
    MAX_ITEMS = 1 << 20 /* files, gaps, intervals of one node */
};

/* ── writing ── */

static void write_request(const struct snapshot_manifest *m, struct json_writer *w)
{
    json_key(w, "requested");
    json_begin_object(w);
    json_member_time(w, "from", m->requested.from_ns);
    json_member_time(w, "to", m->requested.to_ns);
    json_key(w, "nodes");
    json_begin_array(w);
    for (size_t i = 0; i < m->requested.node_count; i++)
        json_str(w, m->requested.nodes[i]);
    json_end_array(w);
    json_member_str(w, "filter", m->requested.filter);
    json_end_object(w);
}

static void write_file(const struct snapshot_file *f, struct json_writer *w)
{
    json_begin_object(w);
    json_member_str(w, "name", f->name);
    json_member_str(w, "source", f->source);
    json_member_uint(w, "sequence", f->sequence);
    json_member_uint(w, "size_bytes", f->size_bytes);
    json_member_str(w, "sha256", f->sha256);
    json_member_uint(w, "packets", f->packets);
    snapshot_member_time_or_null(w, "first", f->first_ns <= f->last_ns, f->first_ns);
    snapshot_member_time_or_null(w, "last", f->first_ns <= f->last_ns, f->last_ns);
    json_member_uint(w, "plain_bytes", f->plain_bytes);
    json_member_bool(w, "linked", f->linked);
    json_member_bool(w, "trimmed", f->trimmed);
    json_member_bool(w, "compressed", f->compressed);
    if (f->outside)
        json_member_bool(w, "outside", true);
    if (f->lead_in)
        json_member_bool(w, "lead_in", true);
    if (f->damaged)
        json_member_str(w, "damaged", f->damaged);
    json_end_object(w);
}

/* A reader that does not know of such files would count their packets as the window's. */
static bool has_outside(const struct snapshot_manifest *m)
{
    for (size_t n = 0; n < m->node_count; n++)
        for (size_t f = 0; f < m->nodes[n].file_count; f++)
            if (m->nodes[n].files[f].outside)
                return true;
    return false;
}

static void write_interface(const struct snapshot_interface *i, struct json_writer *w)
{
    json_begin_object(w);
    json_member_str(w, "name", i->name);
    json_member_uint(w, "link_type", i->link_type);
    json_member_uint(w, "snaplen", i->snaplen_bytes);
    json_member_str(w, "filter", i->filter);
    json_end_object(w);
}

static void write_node(const struct snapshot_node *n, struct json_writer *w)
{
    json_begin_object(w);
    json_member_str(w, "name", n->name);
    json_key(w, "window");
    if (n->has_window)
        snapshot_interval_write_json(n->window, w);
    else
        json_none(w);
    json_key(w, "covered");
    json_begin_array(w);
    for (size_t i = 0; i < n->covered_count; i++)
        snapshot_interval_write_json(n->covered[i], w);
    json_end_array(w);
    json_key(w, "gaps");
    json_begin_array(w);
    for (size_t i = 0; i < n->gap_count; i++)
        snapshot_gap_write_json(&n->gaps[i], w);
    json_end_array(w);
    json_member_uint(w, "packets", n->packets);
    json_member_uint(w, "captured_bytes", n->captured_bytes);
    snapshot_member_time_or_null(w, "first", n->first_ns <= n->last_ns && n->packets, n->first_ns);
    snapshot_member_time_or_null(w, "last", n->first_ns <= n->last_ns && n->packets, n->last_ns);
    json_key(w, "drops");
    snapshot_drops_write_json(&n->drops, w);
    json_member_int(w, "clock_offset_ns", n->clock_offset_ns);
    json_member_str(w, "clock_source", n->clock_source ? n->clock_source : "");
    if (n->openings_problem)
        json_member_str(w, "openings_problem", n->openings_problem);
    json_key(w, "interfaces");
    json_begin_array(w);
    for (size_t i = 0; i < n->interface_count; i++)
        write_interface(&n->interfaces[i], w);
    json_end_array(w);
    json_key(w, "files");
    json_begin_array(w);
    for (size_t i = 0; i < n->file_count; i++)
        write_file(&n->files[i], w);
    json_end_array(w);
    json_end_object(w);
}

static void write_origin(const struct snapshot_manifest *m, struct json_writer *w)
{
    json_member_str(w, "origin", m->imported ? "import" : "ring");
    if (!m->imported || !m->origin.name)
        return;
    json_key(w, "imported_from");
    json_begin_object(w);
    json_member_str(w, "name", m->origin.name);
    json_member_uint(w, "size_bytes", m->origin.size_bytes);
    json_member_str(w, "sha256", m->origin.sha256);
    json_member_uint(w, "damage", m->origin.damage);
    json_end_object(w);
}

int snapshot_manifest_write(const struct snapshot_manifest *m, struct buf *out)
{
    struct json_writer writer, *w = &writer;
    json_init(w, out);
    json_begin_object(w);
    json_member_str(w, "format", FORMAT);
    json_member_int(w, "version", has_outside(m) ? VERSION : VERSION - 1);
    json_member_str(w, "id", m->id);
    json_member_str(w, "name", m->requested.name);
    json_member_time(w, "created_at", m->created_at_ns);
    json_member_str(w, "created_by", m->requested.created_by ? m->requested.created_by : "");
    json_member_time(w, "completed_at", m->completed_at_ns);
    json_member_str(w, "tool", m->tool_version ? m->tool_version : "trawl " TRAWL_VERSION);
    write_origin(m, w);
    write_request(m, w);
    json_member_bool(w, "partial", m->partial);
    json_member_bool(w, "empty", m->empty);
    json_key(w, "missing");
    snapshot_missing_write_json(m, SIZE_MAX, w);
    json_key(w, "nodes");
    json_begin_array(w);
    for (size_t i = 0; i < m->node_count; i++)
        write_node(&m->nodes[i], w);
    json_end_array(w);
    json_key(w, "totals");
    json_begin_object(w);
    json_member_uint(w, "packets", m->packets);
    json_member_uint(w, "captured_bytes", m->captured_bytes);
    json_member_uint(w, "size_bytes", m->size_bytes);
    json_key(w, "drops");
    snapshot_drops_write_json(&m->drops, w);
    json_end_object(w);
    json_end_object(w);
    return buf_failed(out);
}

/* ── reading ── */

/* Names in a manifest are hostile (import): exactly nodes/<folder>/<file>, no dot files. */
static bool file_name_ok(const char *name)
{
    if (strncmp(name, "nodes/", 6) != 0 || strlen(name) > 3 * SNAPSHOT_MAX_NODE_NAME_BYTES + 64)
        return false;
    int parts = 0;
    const char *p = name + 6;
    for (const char *start = p;; p++) {
        if (*p && *p != '/') {
            unsigned char c = (unsigned char)*p;
            if (c <= ' ' || c >= 0x7f || c == '\\')
                return false;
            continue;
        }
        if (p == start || *start == '.')
            return false;
        parts++;
        start = p + 1;
        if (!*p)
            return parts == 2;
    }
}

static void read_file(struct snapshot_read *r, const json_t *o, struct snapshot_file *f)
{
    f->name = snapshot_read_text(r, o, "name");
    f->source = snapshot_read_optional(r, o, "source");
    f->sequence = snapshot_read_uint(r, o, "sequence");
    f->size_bytes = snapshot_read_uint(r, o, "size_bytes");
    snapshot_read_sha256(r, o, "sha256", f->sha256);
    f->packets = snapshot_read_uint(r, o, "packets");
    f->plain_bytes = snapshot_read_uint(r, o, "plain_bytes");
    f->linked = snapshot_read_bool(r, o, "linked");
    f->trimmed = snapshot_read_bool(r, o, "trimmed");
    f->compressed = snapshot_read_bool(r, o, "compressed");
    f->outside = json_object_get(o, "outside") && snapshot_read_bool(r, o, "outside");
    f->lead_in = f->outside && json_object_get(o, "lead_in") && snapshot_read_bool(r, o, "lead_in");
    f->damaged = snapshot_read_optional(r, o, "damaged");
    bool first = snapshot_read_time_or_null(r, o, "first", &f->first_ns);
    bool last = snapshot_read_time_or_null(r, o, "last", &f->last_ns);
    if (!first || !last) {
        f->first_ns = INT64_MAX;
        f->last_ns = INT64_MIN;
    }
    if (!file_name_ok(f->name))
        snapshot_read_fail(r, "files.name");
}

static void read_node_lists(struct snapshot_read *r, const json_t *o, struct snapshot_node *n)
{
    const json_t *list = snapshot_read_array(r, o, "covered", MAX_ITEMS, &n->covered_count);
    n->covered = snapshot_read_alloc(r, n->covered_count, sizeof *n->covered);
    for (size_t i = 0; !r->bad && i < n->covered_count; i++)
        n->covered[i] = snapshot_read_interval(r, json_array_get(list, i));
    list = snapshot_read_array(r, o, "gaps", MAX_ITEMS, &n->gap_count);
    n->gaps = snapshot_read_alloc(r, n->gap_count, sizeof *n->gaps);
    for (size_t i = 0; !r->bad && i < n->gap_count; i++) {
        const json_t *gap = json_array_get(list, i);
        n->gaps[i].at = snapshot_read_interval(r, gap);
        const char *reason = snapshot_read_text(r, gap, "reason");
        if (!snapshot_gap_reason_parse(slice_str(reason), &n->gaps[i].reason))
            snapshot_read_fail(r, "gaps.reason");
    }
    list = snapshot_read_array(r, o, "interfaces", 65536, &n->interface_count);
    n->interfaces = snapshot_read_alloc(r, n->interface_count, sizeof *n->interfaces);
    for (size_t i = 0; !r->bad && i < n->interface_count; i++) {
        const json_t *item = json_array_get(list, i);
        n->interfaces[i].name = snapshot_read_optional(r, item, "name");
        n->interfaces[i].link_type = (uint16_t)snapshot_read_uint(r, item, "link_type");
        n->interfaces[i].snaplen_bytes = (uint32_t)snapshot_read_uint(r, item, "snaplen");
        n->interfaces[i].filter = snapshot_read_optional(r, item, "filter");
    }
    list = snapshot_read_array(r, o, "files", MAX_ITEMS, &n->file_count);
    n->files = snapshot_read_alloc(r, n->file_count, sizeof *n->files);
    for (size_t i = 0; !r->bad && i < n->file_count; i++)
        read_file(r, json_array_get(list, i), &n->files[i]);
}

static void read_node(struct snapshot_read *r, const json_t *o, struct snapshot_node *n)
{
    n->name = snapshot_read_text(r, o, "name");
    if (strlen(n->name) > SNAPSHOT_MAX_NODE_NAME_BYTES)
        snapshot_read_fail(r, "nodes.name");
    const json_t *window = json_object_get(o, "window");
    n->has_window = json_is_object(window);
    if (n->has_window)
        n->window = snapshot_read_interval(r, window);
    n->packets = snapshot_read_uint(r, o, "packets");
    n->captured_bytes = snapshot_read_uint(r, o, "captured_bytes");
    n->drops = snapshot_read_drops(r, o, "drops");
    n->clock_offset_ns = snapshot_read_int(r, o, "clock_offset_ns");
    n->clock_source = snapshot_read_text(r, o, "clock_source");
    n->openings_problem = snapshot_read_optional(r, o, "openings_problem");
    bool first = snapshot_read_time_or_null(r, o, "first", &n->first_ns);
    bool last = snapshot_read_time_or_null(r, o, "last", &n->last_ns);
    if (!first || !last) {
        n->first_ns = INT64_MAX;
        n->last_ns = INT64_MIN;
    }
    read_node_lists(r, o, n);
}

static void read_request(struct snapshot_read *r, const json_t *root, struct snapshot_manifest *m)
{
    const json_t *o = snapshot_read_object(r, root, "requested");
    m->requested.name = snapshot_read_text(r, root, "name");
    m->requested.created_by = snapshot_read_text(r, root, "created_by");
    m->requested.from_ns = snapshot_read_time(r, o, "from");
    m->requested.to_ns = snapshot_read_time(r, o, "to");
    m->requested.filter = snapshot_read_optional(r, o, "filter");
    m->requested.nodes =
        snapshot_read_texts(r, o, "nodes", SNAPSHOT_MAX_NODES, &m->requested.node_count);
}

static void read_origin(struct snapshot_read *r, const json_t *root, struct snapshot_manifest *m)
{
    m->imported = strcmp(snapshot_read_text(r, root, "origin"), "import") == 0;
    const json_t *o = json_object_get(root, "imported_from");
    if (!o)
        return;
    m->origin.name = snapshot_read_text(r, o, "name");
    m->origin.size_bytes = snapshot_read_uint(r, o, "size_bytes");
    m->origin.damage = snapshot_read_uint(r, o, "damage");
    snapshot_read_sha256(r, o, "sha256", m->origin.sha256);
}

static void read_missing(struct snapshot_read *r, const json_t *root, struct snapshot_manifest *m)
{
    const json_t *list = snapshot_read_array(r, root, "missing", MAX_ITEMS, &m->missing_count);
    m->missing = snapshot_read_alloc(r, m->missing_count, sizeof *m->missing);
    for (size_t i = 0; !r->bad && i < m->missing_count; i++) {
        const json_t *o = json_array_get(list, i);
        m->missing[i].at = snapshot_read_interval(r, o);
        m->missing[i].node = snapshot_read_text(r, o, "node");
        m->missing[i].reason = snapshot_read_text(r, o, "reason");
    }
}

static void read_manifest(struct snapshot_read *r, const json_t *root, struct snapshot_manifest *m)
{
    const char *id = snapshot_read_text(r, root, "id");
    if (strlen(id) != SNAPSHOT_ID_SIZE - 1 ||
        strspn(id, "0123456789ABCDEFGHIJKLMNOPQRSTUV") != SNAPSHOT_ID_SIZE - 1)
        snapshot_read_fail(r, "id");
    else
        memcpy(m->id, id, SNAPSHOT_ID_SIZE);
    m->created_at_ns = snapshot_read_time(r, root, "created_at");
    m->completed_at_ns = snapshot_read_time(r, root, "completed_at");
    m->tool_version = snapshot_read_text(r, root, "tool");
    m->partial = snapshot_read_bool(r, root, "partial");
    read_origin(r, root, m);
    read_request(r, root, m);
    read_missing(r, root, m);
    const json_t *list = snapshot_read_array(r, root, "nodes", SNAPSHOT_MAX_NODES, &m->node_count);
    m->nodes = snapshot_read_alloc(r, m->node_count, sizeof *m->nodes);
    for (size_t i = 0; !r->bad && i < m->node_count; i++)
        read_node(r, json_array_get(list, i), &m->nodes[i]);
    const json_t *signature = json_object_get(root, "signature");
    if (signature)
        m->public_key = snapshot_read_text(r, signature, "public_key");
}

int snapshot_manifest_parse(struct slice json, struct snapshot_manifest **ret_manifest,
                            struct error *reterr)
{
    json_t *root = snapshot_read_document(json, FORMAT, VERSION, "manifest.json", reterr);
    if (!root)
        return -EBADMSG;
    struct snapshot_manifest *m = snapshot_manifest_new();
    if (!m) {
        json_decref(root);
        return error_set(reterr, -ENOMEM, "There is no memory for a manifest.");
    }
    struct snapshot_read r = {.arena = &m->arena};
    read_manifest(&r, root, m);
    json_decref(root);
    int result = snapshot_read_result(&r, "manifest.json", reterr);
    if (result < 0) {
        snapshot_manifest_unref(m);
        return result;
    }
    snapshot_manifest_total(m);
    *ret_manifest = m;
    return 0;
}
