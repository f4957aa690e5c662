#include "cli/entries_follow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"

enum {
    MAX_EVENT_BYTES = 64 * 1024 * 1024,
    AGAIN_SECONDS = 1
};

struct follower {
    const struct entries_follow *what;
    int64_t next, printed; /* next < 0: nothing is known yet */
    struct buf line, data;
    char event[32];
    bool done, refused;
};

static void print_state(const json_t *data)
{
    char shown[400];
    if (strcmp(client_text(data, "state"), "off") != 0)
        return;
    fprintf(stderr,
            "Live dissection is off. %s%sThis waits until it is on again (trawl live on).\n",
            text_escape(slice_str(client_text(data, "reason")), shown, sizeof shown),
            client_text(data, "reason")[0] ? " " : "");
}

static void print_entries(struct follower *f, const json_t *data)
{
    size_t i;
    const json_t *entry;
    if (client_int(data, "missed"))
        fprintf(stderr, "%lld calls were passed over: they come faster than they are read here.\n",
                (long long)client_int(data, "missed"));
    json_array_foreach(json_object_get(data, "entries"), i, entry)
    {
        if (f->done)
            break;
        f->what->print(f->what->ctx, entry, f->printed++ == 0);
        f->done = f->what->limit > 0 && f->printed >= f->what->limit;
    }
    f->next = client_int(data, "next");
    if (fflush(stdout) != 0)
        f->done = true; /* the reader has seen enough */
}

static void print_problem(struct follower *f, const json_t *data)
{
    char shown[600];
    fprintf(stderr, "%s\n",
            text_escape(slice_str(client_text(data, "detail")), shown, sizeof shown));
    f->refused = true;
}

static void take_event(struct follower *f)
{
    json_t *data =
        f->data.len ? json_loadb((const char *)f->data.data, f->data.len, 0, NULL) : NULL;
    if (data && strcmp(f->event, "entries") == 0)
        print_entries(f, data);
    else if (data && strcmp(f->event, "live") == 0)
        print_state(data);
    else if (data && strcmp(f->event, "problem") == 0)
        print_problem(f, data);
    json_decref(data);
    buf_reset(&f->data);
    f->event[0] = 0;
}

static void take_line(struct follower *f)
{
    struct slice line = buf_slice(&f->line);
    int64_t next;
    if (line.len == 0) {
        take_event(f);
    } else if (slice_starts_with(line, SLICE_LITERAL("event: "))) {
        snprintf(f->event, sizeof f->event, "%.*s", (int)(line.len - 7), line.data + 7);
    } else if (slice_starts_with(line, SLICE_LITERAL("data: "))) {
        buf_append(&f->data, line.data + 6, line.len - 6);
    } else if (slice_starts_with(line, SLICE_LITERAL("id: "))) {
        char text[24];
        snprintf(text, sizeof text, "%.*s", (int)(line.len - 4), line.data + 4);
        if (f->next < 0 && text_parse_int(text, 0, INT64_MAX, &next) == 0)
            f->next = next;
    }
}

static int on_data(void *ctx, const uint8_t *bytes, size_t n)
{
    struct follower *f = ctx;
    while (n && !f->done && !f->refused) {
        const uint8_t *end = memchr(bytes, '\n', n);
        size_t some = end ? (size_t)(end - bytes) : n;
        if (buf_append(&f->line, bytes, some) < 0)
            return -ENOBUFS;
        bytes += some + (end ? 1 : 0);
        n -= some + (end ? 1 : 0);
        if (!end)
            continue;
        take_line(f);
        buf_reset(&f->line);
    }
    return f->done || f->refused ? -ECANCELED : 0;
}

static void write_path(const struct follower *f, struct buf *path)
{
    buf_printf(path, "/api/v1/entries/stream?source=live&max_behind=%lld",
               (long long)f->what->max_behind);
    if (f->what->whole)
        buf_append_str(path, "&whole=true");
    if (f->next >= 0)
        buf_printf(path, "&from_index=%lld", (long long)f->next);
    client_query(path, "filter", f->what->filter);
    buf_append_u8(path, 0);
}

/* One connection, until it ends. False when another would be refused too. */
static bool connect_once(struct client *client, struct follower *f, bool first)
{
    struct buf path;
    buf_init(&path, 1 << 20);
    write_path(f, &path);
    buf_reset(&f->line);
    buf_reset(&f->data);
    f->event[0] = 0;
    int status = buf_failed(&path)
                     ? -ENOBUFS
                     : client_stream(client, (const char *)path.data, on_data, f, first);
    buf_done(&path);
    return status < 0 ? !first && status != -ENOBUFS : status / 100 == 2;
}

int entries_follow(struct client *client, const struct entries_follow *what)
{
    struct follower f = {.what = what, .next = -1};
    buf_init(&f.line, MAX_EVENT_BYTES);
    buf_init(&f.data, MAX_EVENT_BYTES);
    bool goes_on = true, lost = false;
    for (bool first = true; goes_on && !f.done && !f.refused; first = false) {
        int64_t before = f.next;
        goes_on = connect_once(client, &f, first);
        if (!goes_on || f.done || f.refused)
            break;
        if (!lost || f.next != before)
            fprintf(stderr, "The hub is gone; trying again until it is back.\n");
        lost = true;
        (void)sleep(AGAIN_SECONDS);
    }
    buf_done(&f.line);
    buf_done(&f.data);
    return f.done ? 0 : 1;
}
