#include "packet/owner_note.h"

#include <errno.h>

/* "TRNG", as all notes of ours (docs/formats/ring.md). */
#define NOTE_MAGIC UINT32_C(0x474e5254)

struct note_head {
    uint32_t magic;
    uint16_t kind, end_count;
    int64_t seen_ns, started_ns;
    uint32_t pid;
    uint16_t name_bytes, exe_bytes, cgroup_bytes, container_bytes;
    uint8_t reserved[28];
};
_Static_assert(sizeof(struct note_head) == 64, "layout on disk");

static struct slice cut(struct slice text)
{
    return text.len > OWNER_NOTE_MAX_TEXT ? slice_of(text.data, OWNER_NOTE_MAX_TEXT) : text;
}

static size_t padding(size_t bytes)
{
    return (8 - bytes % 8) % 8;
}

int owner_note_put(struct buf *out, const struct owner_note *note)
{
    static const uint8_t zeros[8];
    const struct owner_process *p = &note->process;
    struct slice texts[4] = {cut(p->name), cut(p->exe), cut(p->cgroup), cut(p->container)};
    struct note_head head = {
        .magic = NOTE_MAGIC,
        .kind = OWNER_NOTE_KIND,
        .end_count = note->end_count < OWNER_NOTE_MAX_ENDS ? note->end_count : OWNER_NOTE_MAX_ENDS,
        .seen_ns = note->seen_ns,
        .started_ns = p->started_ns,
        .pid = p->pid,
        .name_bytes = (uint16_t)texts[0].len,
        .exe_bytes = (uint16_t)texts[1].len,
        .cgroup_bytes = (uint16_t)texts[2].len,
        .container_bytes = (uint16_t)texts[3].len};
    buf_append(out, &head, sizeof head);
    buf_append(out, note->ends, head.end_count * sizeof(struct owner_end));
    size_t bytes = 0;
    for (size_t i = 0; i < 4; i++) {
        buf_append(out, texts[i].data, texts[i].len);
        bytes += texts[i].len;
    }
    buf_append(out, zeros, padding(bytes));
    return buf_failed(out);
}

int owner_note_read(struct slice bytes, struct owner_note *ret_note, size_t *ret_bytes)
{
    struct note_head head;
    if (bytes.len < sizeof head)
        return -EBADMSG;
    memcpy(&head, bytes.data, sizeof head);
    size_t ends = head.end_count * sizeof(struct owner_end);
    size_t texts =
        (size_t)head.name_bytes + head.exe_bytes + head.cgroup_bytes + head.container_bytes;
    if (head.magic != NOTE_MAGIC || head.kind != OWNER_NOTE_KIND ||
        head.end_count > OWNER_NOTE_MAX_ENDS || head.name_bytes > OWNER_NOTE_MAX_TEXT ||
        head.exe_bytes > OWNER_NOTE_MAX_TEXT || head.cgroup_bytes > OWNER_NOTE_MAX_TEXT ||
        head.container_bytes > OWNER_NOTE_MAX_TEXT ||
        bytes.len < sizeof head + ends + texts + padding(texts))
        return -EBADMSG;
    const uint8_t *at = bytes.data + sizeof head + ends;
    *ret_note = (struct owner_note){.seen_ns = head.seen_ns,
                                    .process = {.pid = head.pid, .started_ns = head.started_ns},
                                    .ends = bytes.data + sizeof head,
                                    .end_count = head.end_count};
    struct owner_process *p = &ret_note->process;
    p->name = slice_of(at, head.name_bytes);
    p->exe = slice_of(at += head.name_bytes, head.exe_bytes);
    p->cgroup = slice_of(at += head.exe_bytes, head.cgroup_bytes);
    p->container = slice_of(at + head.cgroup_bytes, head.container_bytes);
    if (ret_bytes)
        *ret_bytes = sizeof head + ends + texts + padding(texts);
    return 0;
}

void owner_note_end(const struct owner_note *note, size_t i, struct owner_end *ret_end)
{
    memcpy(ret_end, note->ends + i * sizeof *ret_end, sizeof *ret_end);
}
