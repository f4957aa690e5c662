#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "cli/snapshot_verbs.h"
#include "dissect/key_store.h"

enum {
    POLL_US = 200 * 1000,
    MAX_KEYS_BYTES = 8 * 1024 * 1024
};

struct dissect_flags {
    struct client_flags client;
    char *name;
    struct option_list protocols;
    char *keys;
    bool wait;
};

#define FLAG(member) .offset = offsetof(struct dissect_flags, member)
static const struct option_def defs[] = {
    {.name = "name",
     .type = OPTION_TEXT,
     FLAG(name),
     .default_value = "default",
     .value_name = "NAME",
     .doc = "name of the dissection; one that exists is replaced"},
    {.name = "protocols",
     .type = OPTION_LIST,
     FLAG(protocols),
     .value_name = "A,B",
     .doc = "only these protocols; default: all"},
    {.name = "keys",
     .type = OPTION_TEXT,
     FLAG(keys),
     .value_name = "FILE",
     .doc = "TLS key log (SSLKEYLOGFILE) to decrypt with; it is not kept"},
    {.name = "wait", .type = OPTION_BOOL, FLAG(wait), .doc = "return when it is done"},
    CLIENT_OPTIONS(struct dissect_flags),
    {0},
};
static const struct option_spec spec = {
    .usage = "trawl snapshot dissect ID [--name NAME] [--protocols http,dns] [--keys FILE] "
             "[--wait]",
    .summary = "Finds the API calls of a snapshot, in a process of its own on the hub.",
    .example = "trawl snapshot dissect @latest --wait",
    .defs = defs,
    .operands = 1,
    .wanted = "Say which snapshot: trawl snapshot dissect ID",
};

static int wait_for(struct client *client, const struct dissect_flags *flags, const char *path,
                    const char *again)
{
    for (;;) {
        json_t *d = client_poll(client, path, again);
        if (!d)
            return 1;
        /* beside an earlier result it is the other run that is waited for */
        const json_t *redo = json_object_get(d, "redo"), *run = redo ? redo : d;
        const json_t *p = redo ? redo : json_object_get(d, "progress");
        const char *state = client_text(run, "state");
        char text[160], shown[500];
        if (strcmp(state, "running") == 0) {
            snprintf(text, sizeof text, "Dissecting: %.0f %%, %lld packets, %lld entries",
                     client_number(p, "percent"), (long long)client_int(p, "packets"),
                     (long long)client_int(p, "entries"));
            client_progress(text);
            json_decref(d);
            usleep(POLL_US);
            continue;
        }
        client_progress(NULL);
        int code = 0;
        if (strcmp(state, "done") != 0)
            code = cli_fail("snapshot dissect", 1, "The dissection %s: %s%s",
                            strcmp(state, "failed") == 0 ? "failed" : "was cancelled",
                            text_escape(slice_str(client_text(run, "reason")), shown, sizeof shown),
                            redo ? " The earlier result stays." : "");
        else if (flags->client.json)
            client_print_json(d);
        else
            printf("Dissected: %lld entries from %lld packets.\n",
                   (long long)client_int(p, "entries"), (long long)client_int(p, "packets"));
        if (code == 0 && client_int(d, "damage"))
            fprintf(stderr,
                    "trawl snapshot dissect: %lld damaged places: the entries around them "
                    "may be incomplete.\n",
                    (long long)client_int(d, "damage"));
        json_decref(d);
        return code;
    }
}

/* Of the file only what can be part of a key log; NULL after a message. */
static json_t *read_keys(const char *path)
{
    struct buf text;
    buf_init(&text, MAX_KEYS_BYTES);
    int r = io_read_file(AT_FDCWD, path, &text);
    if (r < 0) {
        cli_fail("snapshot dissect", 1, "%s cannot be read: %s.", path,
                 r == -ENOBUFS || r == -EFBIG ? "a key log may have 8 MiB" : strerror(-r));
        buf_done(&text);
        return NULL;
    }
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] != '\n' && (text.data[i] < 0x20 || text.data[i] > 0x7e))
            text.data[i] = ' ';
    struct key_store *store = NULL;
    r = key_store_new(&store);
    if (r == 0)
        r = key_store_add_log(store, buf_slice(&text));
    bool any = r == 0 && key_store_counts(store).secrets > 0;
    key_store_free(store);
    json_t *keys = any ? json_stringn((const char *)text.data, text.len) : NULL;
    if (!any)
        cli_fail("snapshot dissect", 1,
                 "%s holds no TLS secrets: a key log is what SSLKEYLOGFILE makes programs write.",
                 path);
    if (text.len)
        explicit_bzero(text.data, text.len);
    buf_done(&text);
    return keys;
}

static int dissect(void *given, const struct option_operands *operands)
{
    const struct dissect_flags *flags = given;
    const char *ref = operands->items[0];
    if (!snapshot_named("snapshot dissect", ref))
        return 2;
    json_t *keys = flags->keys ? read_keys(flags->keys) : NULL;
    struct client *client =
        flags->keys && !keys ? NULL : client_open("snapshot dissect", &flags->client);
    if (!client) {
        json_decref(keys);
        return 1;
    }
    json_t *body = json_object();
    if (keys)
        (void)json_object_set_new(body, "keys", keys);
    (void)json_object_set_new(body, "name", client_string(flags->name));
    if (flags->protocols.count) {
        json_t *list = json_array();
        for (size_t i = 0; i < flags->protocols.count; i++)
            (void)json_array_append_new(list, client_string(flags->protocols.items[i]));
        (void)json_object_set_new(body, "protocols", list);
    }
    struct buf path;
    buf_init(&path, 8192);
    snapshot_path(&path, ref, "/dissections");
    json_t *answer = client_json(client, "POST", (const char *)path.data, body);
    int code = answer ? 0 : 1;
    if (answer && flags->wait) {
        buf_append_str(&path, "/");
        client_escape(&path, flags->name);
        buf_append_u8(&path, 0);
        char shown[100], again[140];
        snprintf(again, sizeof again, "trawl snapshot show %s",
                 text_escape(slice_str(ref), shown, sizeof shown));
        code = buf_failed(&path) ? 1 : wait_for(client, flags, (const char *)path.data, again);
    } else if (answer && flags->client.json) {
        client_print_json(answer);
    }
    json_decref(answer);
    json_decref(body);
    buf_done(&path);
    client_close(client);
    return code;
}

int snapshot_dissect(int argc, char **argv)
{
    struct dissect_flags flags = {0};
    return cli_run("snapshot dissect", &spec, argc, argv, &flags, dissect);
}
