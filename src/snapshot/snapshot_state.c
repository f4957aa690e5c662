/* state.json of a snapshot and of a dissection: what may change (docs/formats/snapshot.md). */
#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "snapshot/snapshot_json.h"
#include "snapshot/snapshot_model.h"
#include "snapshot/snapshot_read.h"

#define FORMAT            "trawl-snapshot-state"
#define DISSECTION_FORMAT "trawl-dissection-state"
enum {
    VERSION = 1,
    DISSECTION_VERSION = 2, /* 1 where the parts are in the folder itself */
    MAX_PROTOCOLS = 256
};

static const char *const statuses[] = {[SNAPSHOT_PENDING] = "Pending",
                                       [SNAPSHOT_IN_PROGRESS] = "In Progress",
                                       [SNAPSHOT_COMPLETED] = "Completed",
                                       [SNAPSHOT_FAILED] = "Failed"};
static const char *const dissection_states[] = {"running", "done", "failed", "cancelled"};

static bool lookup(const char *text, const char *const *names, size_t count, unsigned *ret)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(text, names[i]) == 0) {
            *ret = (unsigned)i;
            return true;
        }
    return false;
}

static void write_request(const struct snapshot_request *q, struct json_writer *w)
{
    json_key(w, "request");
    json_begin_object(w);
    json_member_time(w, "from", q->from_ns);
    json_member_time(w, "to", q->to_ns);
    json_key(w, "nodes");
    json_begin_array(w);
    for (size_t i = 0; i < q->node_count; i++)
        json_str(w, q->nodes[i]);
    json_end_array(w);
    json_member_str(w, "filter", q->filter);
    json_member_bool(w, "auto_dissect", q->auto_dissect);
    json_member_bool(w, "allow_partial", q->allow_partial);
    json_member_uint(w, "estimate_bytes", q->estimate_bytes);
    json_end_object(w);
}

int snapshot_state_write(const struct snapshot *s, struct buf *out)
{
    struct json_writer writer, *w = &writer;
    json_init(w, out);
    json_begin_object(w);
    json_member_str(w, "format", FORMAT);
    json_member_int(w, "version", VERSION);
    json_member_str(w, "id", s->id);
    json_member_str(w, "name", s->request.name);
    json_member_str(w, "status", statuses[s->status]);
    json_member_str(w, "detail", s->status_detail);
    json_member_time(w, "created_at", s->created_at_ns);
    json_member_str(w, "created_by", s->request.created_by);
    json_member_str(w, "origin", s->imported ? "import" : "ring");
    write_request(&s->request, w);
    json_member_str(w, "manifest_sha256", s->manifest_sha256[0] ? s->manifest_sha256 : NULL);
    json_member_str(w, "note", s->note);
    json_key(w, "tags");
    snapshot_tags_write_json(s, w);
    json_member_bool(w, "locked", s->locked);
    json_member_uint(w, "attempts", s->attempts);
    json_key(w, "verified");
    snapshot_verification_write_json(&s->verified, w);
    json_key(w, "history");
    snapshot_history_write_json(s, w);
    json_end_object(w);
    buf_append_u8(out, '\n');
    return buf_failed(out);
}

static void read_request(struct snapshot_read *r, const json_t *root, struct snapshot_request *q)
{
    const json_t *o = snapshot_read_object(r, root, "request");
    q->name = snapshot_read_text(r, root, "name");
    q->created_by = snapshot_read_text(r, root, "created_by");
    q->from_ns = snapshot_read_time(r, o, "from");
    q->to_ns = snapshot_read_time(r, o, "to");
    q->filter = snapshot_read_optional(r, o, "filter");
    q->auto_dissect = snapshot_read_bool(r, o, "auto_dissect");
    q->allow_partial = snapshot_read_bool(r, o, "allow_partial");
    q->estimate_bytes = snapshot_read_uint(r, o, "estimate_bytes");
    q->nodes = snapshot_read_texts(r, o, "nodes", SNAPSHOT_MAX_NODES, &q->node_count);
}

/* Absent in states of versions that did not keep it. */
static void read_verification(struct snapshot_read *r, const json_t *root,
                              struct snapshot_verification *v)
{
    const json_t *o = json_object_get(root, "verified");
    if (!o || json_is_null(o))
        return;
    v->at_ns = snapshot_read_time(r, o, "at");
    v->ok = snapshot_read_bool(r, o, "ok");
    v->files = snapshot_read_uint(r, o, "files");
    v->bytes = snapshot_read_uint(r, o, "bytes");
    v->problems_total = snapshot_read_uint(r, o, "problems");
    const json_t *list =
        snapshot_read_array(r, o, "errors", SNAPSHOT_MAX_PROBLEMS, &v->problem_count);
    v->problems = snapshot_read_alloc(r, v->problem_count, sizeof *v->problems);
    for (size_t i = 0; !r->bad && i < v->problem_count; i++) {
        const json_t *p = json_array_get(list, i);
        v->problems[i].file = snapshot_read_text(r, p, "file");
        v->problems[i].text = snapshot_read_text(r, p, "text");
        v->problems[i].offset =
            json_is_null(json_object_get(p, "offset")) ? -1 : snapshot_read_int(r, p, "offset");
    }
}

static void read_state(struct snapshot_read *r, const json_t *root, struct snapshot *s)
{
    const char *id = snapshot_read_text(r, root, "id");
    if (strlen(id) != SNAPSHOT_ID_SIZE - 1)
        snapshot_read_fail(r, "id");
    else
        memcpy(s->id, id, SNAPSHOT_ID_SIZE);
    unsigned status = 0;
    if (!lookup(snapshot_read_text(r, root, "status"), statuses, 4, &status))
        snapshot_read_fail(r, "status");
    s->status = (enum snapshot_status)status;
    s->status_detail = snapshot_read_text(r, root, "detail");
    s->created_at_ns = snapshot_read_time(r, root, "created_at");
    s->imported = strcmp(snapshot_read_text(r, root, "origin"), "import") == 0;
    read_request(r, root, &s->request);
    if (!json_is_null(json_object_get(root, "manifest_sha256")))
        snapshot_read_sha256(r, root, "manifest_sha256", s->manifest_sha256);
    s->note = snapshot_read_text(r, root, "note");
    s->tags = snapshot_read_texts(r, root, "tags", SNAPSHOT_MAX_TAGS, &s->tag_count);
    s->locked = snapshot_read_bool(r, root, "locked");
    s->attempts = (unsigned)snapshot_read_uint(r, root, "attempts");
    read_verification(r, root, &s->verified);
    const json_t *list =
        snapshot_read_array(r, root, "history", SNAPSHOT_MAX_HISTORY, &s->history_count);
    s->history = snapshot_read_alloc(r, s->history_count, sizeof *s->history);
    for (size_t i = 0; !r->bad && i < s->history_count; i++) {
        const json_t *o = json_array_get(list, i);
        s->history[i].at_ns = snapshot_read_time(r, o, "at");
        s->history[i].status = snapshot_read_text(r, o, "status");
        s->history[i].text = snapshot_read_text(r, o, "text");
    }
}

int snapshot_state_parse(struct slice json, struct snapshot **ret_snapshot, struct error *reterr)
{
    json_t *root = snapshot_read_document(json, FORMAT, VERSION, "state.json", reterr);
    if (!root)
        return -EBADMSG;
    struct snapshot *s = snapshot_new();
    if (!s) {
        json_decref(root);
        return error_set(reterr, -ENOMEM, "There is no memory for a snapshot.");
    }
    struct snapshot_read r = {.arena = &s->arena};
    read_state(&r, root, s);
    json_decref(root);
    int result = snapshot_read_result(&r, "state.json", reterr);
    if (result < 0) {
        snapshot_unref(s);
        return result;
    }
    *ret_snapshot = s;
    return 0;
}

static void write_redo(const struct snapshot_redo *redo, struct json_writer *w)
{
    if (!redo->present)
        return;
    json_key(w, "redo");
    json_begin_object(w);
    json_member_str(w, "state", dissection_states[redo->state]);
    json_member_str(w, "reason", redo->reason);
    json_member_time(w, "started_at", redo->started_at_ns);
    snapshot_member_time_or_null(w, "finished_at", redo->finished_at_ns != 0, redo->finished_at_ns);
    json_end_object(w);
}

int snapshot_dissection_state_write(const struct snapshot_dissection *d, struct buf *out)
{
    struct json_writer writer, *w = &writer;
    json_init(w, out);
    json_begin_object(w);
    json_member_str(w, "format", DISSECTION_FORMAT);
    json_member_int(w, "version", d->run ? DISSECTION_VERSION : VERSION);
    json_member_str(w, "name", d->name);
    json_member_str(w, "state", dissection_states[d->state]);
    json_member_str(w, "reason", d->reason);
    json_member_uint(w, "packets", d->packets);
    json_member_uint(w, "bytes", d->bytes);
    json_member_uint(w, "entries", d->entries);
    json_member_uint(w, "damage", d->damage);
    json_key(w, "protocols");
    json_begin_array(w);
    for (size_t i = 0; i < d->protocol_count; i++) {
        json_begin_object(w);
        json_member_str(w, "protocol", d->protocols[i].protocol);
        json_member_uint(w, "entries", d->protocols[i].entries);
        json_end_object(w);
    }
    json_end_array(w);
    json_member_time(w, "started_at", d->started_at_ns);
    snapshot_member_time_or_null(w, "finished_at", d->finished_at_ns != 0, d->finished_at_ns);
    json_member_uint(w, "size_bytes", d->size_bytes);
    json_member_uint(w, "attempts", d->attempts);
    if (d->run)
        json_member_uint(w, "run", d->run);
    write_redo(&d->redo, w);
    json_end_object(w);
    buf_append_u8(out, '\n');
    return buf_failed(out);
}

static void read_redo(struct snapshot_read *r, const json_t *root, struct snapshot_redo *redo)
{
    const json_t *o = json_object_get(root, "redo");
    unsigned state = 0;
    if (!o)
        return;
    if (!lookup(snapshot_read_text(r, o, "state"), dissection_states, 4, &state) ||
        state == SNAPSHOT_DISSECTION_DONE)
        snapshot_read_fail(r, "redo.state");
    redo->present = true;
    redo->state = (enum snapshot_dissection_state)state;
    redo->reason = snapshot_read_optional(r, o, "reason");
    redo->started_at_ns = snapshot_read_time(r, o, "started_at");
    snapshot_read_time_or_null(r, o, "finished_at", &redo->finished_at_ns);
    redo->eta_ns = -1;
}

static void read_dissection(struct snapshot_read *r, const json_t *root,
                            struct snapshot_dissection *d)
{
    unsigned state = 0;
    d->name = snapshot_read_text(r, root, "name");
    if (!lookup(snapshot_read_text(r, root, "state"), dissection_states, 4, &state))
        snapshot_read_fail(r, "state");
    d->state = (enum snapshot_dissection_state)state;
    d->reason = snapshot_read_optional(r, root, "reason");
    d->packets = snapshot_read_uint(r, root, "packets");
    d->bytes = snapshot_read_uint(r, root, "bytes");
    d->entries = snapshot_read_uint(r, root, "entries");
    d->damage = snapshot_read_uint(r, root, "damage");
    d->started_at_ns = snapshot_read_time(r, root, "started_at");
    snapshot_read_time_or_null(r, root, "finished_at", &d->finished_at_ns);
    d->size_bytes = snapshot_read_uint(r, root, "size_bytes");
    d->attempts = (unsigned)snapshot_read_uint(r, root, "attempts");
    if (json_object_get(root, "run"))
        d->run = snapshot_read_uint(r, root, "run");
    read_redo(r, root, &d->redo);
    d->percent = d->state == SNAPSHOT_DISSECTION_DONE ? 100 : 0;
    d->eta_ns = -1;
    const json_t *list =
        snapshot_read_array(r, root, "protocols", MAX_PROTOCOLS, &d->protocol_count);
    d->protocols = snapshot_read_alloc(r, d->protocol_count, sizeof *d->protocols);
    for (size_t i = 0; !r->bad && i < d->protocol_count; i++) {
        const json_t *o = json_array_get(list, i);
        snprintf(d->protocols[i].protocol, sizeof d->protocols[i].protocol, "%s",
                 snapshot_read_text(r, o, "protocol"));
        d->protocols[i].entries = snapshot_read_uint(r, o, "entries");
    }
}

int snapshot_dissection_state_parse(struct slice json, struct arena *arena,
                                    struct snapshot_dissection *ret_dissection,
                                    struct error *reterr)
{
    json_t *root = snapshot_read_document(json, DISSECTION_FORMAT, DISSECTION_VERSION,
                                          "a dissection's state.json", reterr);
    if (!root)
        return -EBADMSG;
    struct snapshot_read r = {.arena = arena};
    *ret_dissection = (struct snapshot_dissection){0};
    read_dissection(&r, root, ret_dissection);
    json_decref(root);
    return snapshot_read_result(&r, "a dissection's state.json", reterr);
}
