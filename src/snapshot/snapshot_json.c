/* The JSON that the API serves: `Snapshot` and `Dissection` of web/src/api/types.ts. */
#include "snapshot/snapshot_json.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/text.h"
#include "snapshot/snapshot.h"
#include "snapshot/snapshot_hash.h"

enum {
    MAX_SHOWN = 1000 /* covered times, gaps, files of a node, what is missing: one snapshot is not
                        to fill every list */
};

void snapshot_interval_write_json(struct snapshot_interval at, struct json_writer *w)
{
    json_begin_object(w);
    json_member_time(w, "from", at.from_ns);
    json_member_time(w, "to", at.to_ns);
    json_end_object(w);
}

void snapshot_gap_write_json(const struct snapshot_gap *gap, struct json_writer *w)
{
    json_begin_object(w);
    json_member_time(w, "from", gap->at.from_ns);
    json_member_time(w, "to", gap->at.to_ns);
    json_member_str(w, "reason", snapshot_gap_reason_text(gap->reason));
    json_end_object(w);
}

void snapshot_drops_write_json(const struct snapshot_drops *drops, struct json_writer *w)
{
    json_begin_object(w);
    json_member_uint(w, "kernel", drops->kernel);
    json_member_uint(w, "ring", drops->ring);
    json_member_uint(w, "disk", drops->disk);
    json_end_object(w);
}

void snapshot_member_time_or_null(struct json_writer *w, const char *key, bool known, int64_t ns)
{
    json_key(w, key);
    if (known)
        json_time(w, ns);
    else
        json_none(w);
}

void snapshot_missing_write_json(const struct snapshot_manifest *m, size_t max,
                                 struct json_writer *w)
{
    json_begin_array(w);
    for (size_t i = 0; m && i < m->missing_count && i < max; i++) {
        json_begin_object(w);
        json_member_str(w, "node", m->missing[i].node);
        json_member_time(w, "from", m->missing[i].at.from_ns);
        json_member_time(w, "to", m->missing[i].at.to_ns);
        json_member_str(w, "reason", m->missing[i].reason);
        json_end_object(w);
    }
    json_end_array(w);
}

static void eta(struct json_writer *w, int64_t eta_ns)
{
    json_key(w, "eta_s");
    if (eta_ns < 0)
        json_none(w);
    else
        json_int(w, (eta_ns + NS_PER_S - 1) / NS_PER_S);
}

static void node_json(const struct snapshot_node *node, struct json_writer *w)
{
    json_begin_object(w);
    json_member_str(w, "name", node->name);
    json_key(w, "window");
    if (node->has_window)
        snapshot_interval_write_json(node->window, w);
    else
        json_none(w);
    json_key(w, "covered");
    json_begin_array(w);
    for (size_t i = 0; i < node->covered_count && i < MAX_SHOWN; i++)
        snapshot_interval_write_json(node->covered[i], w);
    json_end_array(w);
    json_key(w, "gaps");
    json_begin_array(w);
    for (size_t i = 0; i < node->gap_count && i < MAX_SHOWN; i++)
        snapshot_gap_write_json(&node->gaps[i], w);
    json_end_array(w);
    json_member_uint(w, "gap_count", node->gap_count);
    json_member_uint(w, "packets", node->packets);
    json_member_uint(w, "captured_bytes", node->captured_bytes);
    json_key(w, "drops");
    snapshot_drops_write_json(&node->drops, w);
    json_member_int(w, "clock_offset_ns", node->clock_offset_ns);
    json_member_str(w, "clock_source", node->clock_source ? node->clock_source : "");
    json_key(w, "files");
    json_begin_array(w);
    for (size_t i = 0; i < node->file_count && i < MAX_SHOWN; i++) {
        json_begin_object(w);
        json_member_str(w, "name", node->files[i].name);
        json_member_uint(w, "size_bytes", node->files[i].size_bytes);
        json_member_str(w, "sha256", node->files[i].sha256);
        if (node->files[i].damaged)
            json_member_str(w, "damaged", node->files[i].damaged);
        json_end_object(w);
    }
    json_end_array(w);
    json_member_uint(w, "file_count", node->file_count);
    json_end_object(w);
}

static void nodes_json(const struct snapshot *s, struct json_writer *w)
{
    json_begin_array(w);
    if (s->manifest)
        for (size_t i = 0; i < s->manifest->node_count; i++)
            node_json(&s->manifest->nodes[i], w);
    else
        for (size_t i = 0; i < s->request.node_count; i++)
            node_json(&(struct snapshot_node){.name = s->request.nodes[i]}, w);
    json_end_array(w);
}

static void progress_json(const struct snapshot *s, struct json_writer *w)
{
    struct snapshot_progress p = s->progress;
    if (s->manifest)
        p = (struct snapshot_progress){.nodes_done = (unsigned)s->manifest->node_count,
                                       .nodes_total = (unsigned)s->manifest->node_count,
                                       .bytes = s->manifest->size_bytes,
                                       .bytes_total = s->manifest->size_bytes};
    json_begin_object(w);
    json_member_uint(w, "nodes_done", p.nodes_done);
    json_member_uint(w, "nodes_total", p.nodes_total);
    json_member_uint(w, "bytes", p.bytes);
    json_member_uint(w, "bytes_total", p.bytes_total);
    eta(w, p.eta_ns);
    json_end_object(w);
}

static const char *const dissection_states[] = {"running", "done", "failed", "cancelled"};

static void redo_json(const struct snapshot_redo *redo, struct json_writer *w)
{
    if (!redo->present)
        return;
    json_key(w, "redo");
    json_begin_object(w);
    json_member_str(w, "state", dissection_states[redo->state]);
    if (redo->reason)
        json_member_str(w, "reason", redo->reason);
    json_key(w, "percent");
    json_double(w, redo->percent);
    json_member_uint(w, "packets", redo->packets);
    json_member_uint(w, "bytes", redo->bytes);
    json_member_uint(w, "entries", redo->entries);
    eta(w, redo->eta_ns);
    json_member_time(w, "started_at", redo->started_at_ns);
    snapshot_member_time_or_null(w, "finished_at", redo->finished_at_ns != 0, redo->finished_at_ns);
    json_end_object(w);
}

void snapshot_dissection_write_json(const struct snapshot_dissection *d, struct json_writer *w)
{
    json_begin_object(w);
    json_member_str(w, "name", d->name);
    json_member_str(w, "state", dissection_states[d->state]);
    if (d->reason)
        json_member_str(w, "reason", d->reason);
    json_key(w, "progress");
    json_begin_object(w);
    json_key(w, "percent");
    json_double(w, d->percent);
    json_member_uint(w, "packets", d->packets);
    json_member_uint(w, "bytes", d->bytes);
    json_member_uint(w, "entries", d->entries);
    eta(w, d->eta_ns);
    json_key(w, "per_protocol");
    json_begin_object(w);
    for (size_t i = 0; i < d->protocol_count; i++)
        json_member_uint(w, d->protocols[i].protocol, d->protocols[i].entries);
    json_end_object(w);
    json_end_object(w);
    json_member_time(w, "started_at", d->started_at_ns);
    snapshot_member_time_or_null(w, "finished_at", d->finished_at_ns != 0, d->finished_at_ns);
    json_member_uint(w, "damage", d->damage);
    redo_json(&d->redo, w);
    json_end_object(w);
}

static void times_json(const struct snapshot *s, struct json_writer *w)
{
    const struct snapshot_manifest *m = s->manifest;
    int64_t first = INT64_MAX, last = INT64_MIN, gaps_ns = 0;
    for (size_t i = 0; m && i < m->node_count; i++) {
        const struct snapshot_node *node = &m->nodes[i];
        if (node->packets && node->first_ns < first)
            first = node->first_ns;
        if (node->packets && node->last_ns > last)
            last = node->last_ns;
        for (size_t g = 0; g < node->gap_count; g++)
            gaps_ns += node->gaps[g].at.to_ns - node->gaps[g].at.from_ns;
    }
    json_member_time(w, "from", s->request.from_ns);
    json_member_time(w, "to", s->request.to_ns);
    snapshot_member_time_or_null(w, "start", first <= last, first);
    snapshot_member_time_or_null(w, "end", first <= last, last);
    json_member_int(w, "gaps_total_ns", gaps_ns);
}

/* ── what state.json holds in the same form ── */

void snapshot_problems_write_json(const struct snapshot_problem *problems, size_t count,
                                  struct json_writer *w)
{
    json_begin_array(w);
    for (size_t i = 0; i < count; i++) {
        json_begin_object(w);
        json_member_str(w, "file", problems[i].file);
        json_key(w, "offset");
        if (problems[i].offset < 0)
            json_none(w);
        else
            json_int(w, problems[i].offset);
        json_member_str(w, "text", problems[i].text);
        json_end_object(w);
    }
    json_end_array(w);
}

void snapshot_verification_write_json(const struct snapshot_verification *v, struct json_writer *w)
{
    if (!v->at_ns) {
        json_none(w);
        return;
    }
    json_begin_object(w);
    json_member_time(w, "at", v->at_ns);
    json_member_bool(w, "ok", v->ok);
    json_member_uint(w, "files", v->files);
    json_member_uint(w, "bytes", v->bytes);
    json_member_uint(w, "problems", v->problems_total);
    json_key(w, "errors");
    snapshot_problems_write_json(v->problems, v->problem_count, w);
    json_end_object(w);
}

void snapshot_history_write_json(const struct snapshot *s, struct json_writer *w)
{
    json_begin_array(w);
    for (size_t i = 0; i < s->history_count; i++) {
        json_begin_object(w);
        json_member_time(w, "at", s->history[i].at_ns);
        json_member_str(w, "status", s->history[i].status);
        json_member_str(w, "text", s->history[i].text);
        json_end_object(w);
    }
    json_end_array(w);
}

void snapshot_tags_write_json(const struct snapshot *s, struct json_writer *w)
{
    json_begin_array(w);
    for (size_t i = 0; i < s->tag_count; i++)
        json_str(w, s->tags[i]);
    json_end_array(w);
}

/* ── what needs a person's eye ── */

static void damage_json(const struct snapshot_verification *v, struct json_writer *w)
{
    char text[1024], place[48] = "", more[48] = "", at[CLOCK_TEXT_SIZE];
    const struct snapshot_problem *p = v->problems;
    if (!v->at_ns || v->ok || !v->problem_count)
        return;
    if (p->offset >= 0)
        snprintf(place, sizeof place, " at byte %lld", (long long)p->offset);
    if (v->problems_total > 1)
        snprintf(more, sizeof more, " and %llu more", (unsigned long long)v->problems_total - 1);
    snprintf(text, sizeof text, "Damaged: %.500s%s%s (verified %s)", p->file, place, more,
             clock_format(v->at_ns, at));
    json_str(w, text);
}

void snapshot_signature_write_json(const char *public_key, bool is_own, struct json_writer *w)
{
    struct buf raw;
    char fingerprint[SNAPSHOT_SHA256_SIZE];
    buf_init(&raw, 64);
    /* a manifest's key is a stranger's text until it has the size of a key */
    bool good = public_key && text_base64_decode(slice_str(public_key), &raw) == 0 &&
                raw.len == 32 && snapshot_hash_bytes(buf_slice(&raw), fingerprint) == 0;
    buf_done(&raw);
    if (!good) {
        json_none(w);
        return;
    }
    json_begin_object(w);
    json_member_str(w, "key", public_key);
    json_member_str(w, "fingerprint", fingerprint);
    json_member_str(w, "by", is_own ? "own" : "foreign");
    json_end_object(w);
}

static const char *first_damage(const struct snapshot_manifest *m)
{
    for (size_t n = 0; n < m->node_count; n++)
        for (size_t i = 0; i < m->nodes[n].file_count; i++)
            if (m->nodes[n].files[i].damaged)
                return m->nodes[n].files[i].damaged;
    return "";
}

/* Damage from before it was taken: the files themselves are as they were written. */
static void source_damage_json(const struct snapshot *s, struct json_writer *w)
{
    char text[600];
    size_t count = snapshot_damaged_files(s);
    if (!count)
        return;
    snprintf(text, sizeof text, "%zu %s from damaged segments: %.400s.", count,
             count == 1 ? "file comes" : "files come", first_damage(s->manifest));
    json_str(w, text);
}

static void openings_json(const struct snapshot *s, struct json_writer *w)
{
    char text[600];
    for (size_t i = 0; s->manifest && i < s->manifest->node_count; i++) {
        const struct snapshot_node *node = &s->manifest->nodes[i];
        if (!node->openings_problem)
            continue;
        snprintf(text, sizeof text,
                 "The openings of connections older than the window are missing for node %.120s: "
                 "%.400s",
                 node->name, node->openings_problem);
        json_str(w, text);
    }
}

static void warnings_json(const struct snapshot *s, struct json_writer *w)
{
    char text[1024];
    json_begin_array(w);
    damage_json(&s->verified, w);
    source_damage_json(s, w);
    openings_json(s, w);
    for (size_t i = 0; i < s->dissection_count; i++) {
        const struct snapshot_dissection *d = &s->dissections[i];
        bool redo_failed = d->redo.present && d->redo.state == SNAPSHOT_DISSECTION_FAILED;
        if (d->state != SNAPSHOT_DISSECTION_FAILED && !redo_failed)
            continue;
        const char *reason = redo_failed ? d->redo.reason : d->reason;
        snprintf(text, sizeof text, "The dissection \"%s\" failed%s: %.700s", d->name,
                 redo_failed ? " when it was made again; its earlier result stays" : "",
                 reason ? reason : "");
        json_str(w, text);
    }
    json_end_array(w);
}

static void remarks_json(const struct snapshot *s, struct json_writer *w)
{
    json_key(w, "dissections");
    json_begin_array(w);
    for (size_t i = 0; i < s->dissection_count; i++)
        snapshot_dissection_write_json(&s->dissections[i], w);
    json_end_array(w);
    json_key(w, "verified");
    snapshot_verification_write_json(&s->verified, w);
    json_key(w, "warnings");
    warnings_json(s, w);
    json_key(w, "history");
    snapshot_history_write_json(s, w);
    json_member_str(w, "note", s->note ? s->note : "");
    json_key(w, "tags");
    snapshot_tags_write_json(s, w);
    json_member_bool(w, "locked", s->locked);
}

void snapshot_write_json(const struct snapshot *s, struct json_writer *w)
{
    static const struct snapshot_drops none;
    const struct snapshot_manifest *m = s->manifest;
    json_begin_object(w);
    json_member_str(w, "id", s->id);
    json_member_str(w, "name", s->request.name);
    json_member_str(w, "status", snapshot_status_text(s));
    json_member_str(w, "status_detail", s->status_detail ? s->status_detail : "");
    json_member_bool(w, "partial", m && m->partial);
    json_member_bool(w, "empty", m && m->empty);
    json_key(w, "missing");
    snapshot_missing_write_json(m, MAX_SHOWN, w);
    json_member_uint(w, "missing_count", m ? m->missing_count : 0);
    json_member_uint(w, "size_bytes", snapshot_size_bytes(s));
    json_member_uint(w, "captured_bytes", m ? m->captured_bytes : 0);
    json_member_uint(w, "packets", m ? m->packets : 0);
    times_json(s, w);
    json_member_time(w, "created_at", s->created_at_ns);
    json_member_str(w, "created_by", s->request.created_by ? s->request.created_by : "");
    json_member_str(w, "origin", s->imported ? "import" : "ring");
    json_key(w, "nodes");
    nodes_json(s, w);
    json_key(w, "drops");
    snapshot_drops_write_json(m ? &m->drops : &none, w);
    json_key(w, "coverage");
    json_double(w, snapshot_coverage(s));
    json_key(w, "progress");
    progress_json(s, w);
    remarks_json(s, w);
    json_key(w, "signature");
    snapshot_signature_write_json(m ? m->public_key : NULL, s->signed_here, w);
    json_key(w, "manifest_sha256");
    json_str(w, s->manifest_sha256[0] ? s->manifest_sha256 : NULL);
    json_end_object(w);
}
