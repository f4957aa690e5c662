/* `trawl snapshot verify`: a snapshot of the hub, or an archive file without any hub. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/snapshot_verbs.h"
#include "snapshot/archive_verify.h"
#include "snapshot/snapshot_json.h"

static const char command[] = "snapshot verify";

struct verify_flags {
    struct client_flags client;
};

static const struct option_def defs[] = {CLIENT_OPTIONS(struct verify_flags), {0}};
static const struct option_spec spec = {
    .usage = "trawl snapshot verify ID | FILE.tar",
    .summary =
        "Reads every byte of a snapshot, or of a downloaded archive (a name with a slash, or "
        "that ends in .tar; no hub is needed), and compares the checksums.",
    .example = "trawl snapshot verify incident.trawl.tar",
    .defs = defs,
    .operands = 1,
    .wanted = "Say which snapshot or archive: trawl snapshot verify ID",
};

static bool is_file(const char *operand)
{
    size_t len = strlen(operand);
    return strchr(operand, '/') || (len > 4 && strcmp(operand + len - 4, ".tar") == 0);
}

static int show(const json_t *answer, bool json, const char *what)
{
    bool ok = json_is_true(json_object_get(answer, "ok"));
    size_t i;
    const json_t *error;
    if (json) {
        client_print_json(answer);
    } else {
        json_array_foreach(json_object_get(answer, "errors"), i, error)
        {
            client_print_text(client_text(error, "file"), 0);
            if (json_is_integer(json_object_get(error, "offset")))
                printf(" at byte %lld", (long long)client_int(error, "offset"));
            printf(": ");
            client_print_text(client_text(error, "text"), 0);
            (void)putchar('\n');
        }
        char size[24], signature[160];
        if (ok)
            printf("Intact: %lld files, %s.\n", (long long)client_int(answer, "files"),
                   text_format_size((uint64_t)client_int(answer, "bytes"), size));
        snapshot_signature_text(answer, signature);
        printf("Signature: %s.\n", signature);
    }
    return ok ? 0 : cli_fail(command, 1, "The %s is damaged.", what);
}

/* The members of VerifyResponse; whose key it is only a hub can say. */
static json_t *describe(const struct archive_verify *v)
{
    struct buf text;
    struct json_writer w;
    buf_init(&text, 4 << 20);
    json_init(&w, &text);
    snapshot_verify_write_json(&v->found, &w);
    json_t *answer = json_loadb((const char *)text.data, text.len, 0, NULL);
    json_t *signature = json_object_get(answer, "signature");
    if (json_is_object(signature))
        (void)json_object_set_new(signature, "by", json_null());
    (void)json_object_set_new(answer, "id", json_string(v->id));
    buf_done(&text);
    return answer;
}

static int verify_file(const char *file, bool json)
{
    struct error e = {.offset = ERROR_NO_OFFSET};
    struct archive_verify v = {.in_process = false};
    char shown[200];
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    struct stat st;
    text_escape(slice_str(file), shown, sizeof shown);
    if (fd < 0 || fstat(fd, &st) < 0 || S_ISDIR(st.st_mode)) {
        int code = fd < 0 ? cli_fail(command, 1, "%s cannot be read: %m.", shown)
                          : cli_fail(command, 1, "%s is a folder.", shown);
        if (fd >= 0)
            close(fd);
        return code;
    }
    int code = 1;
    json_t *answer = NULL;
    if (archive_verify(fd, &v, &e) < 0)
        cli_fail_error(command, 1, &e);
    else if (!(answer = describe(&v)))
        cli_fail(command, 1, "There is no memory for the answer.");
    else
        code = show(answer, json, "archive");
    json_decref(answer);
    snapshot_verify_done(&v.found);
    close(fd);
    return code;
}

static int run(void *given, const struct option_operands *operands)
{
    const struct verify_flags *flags = given;
    const char *operand = operands->items[0];
    if (!snapshot_named(command, operand))
        return 2;
    if (is_file(operand))
        return verify_file(operand, flags->client.json);
    struct buf path;
    buf_init(&path, 8192);
    snapshot_path(&path, operand, "/verify");
    struct client *client = client_open(command, &flags->client);
    json_t *answer = client ? client_json(client, "POST", (const char *)path.data, NULL) : NULL;
    int code = answer ? show(answer, flags->client.json, "snapshot") : 1;
    json_decref(answer);
    client_close(client);
    buf_done(&path);
    return code;
}

int snapshot_verify_verb(int argc, char **argv)
{
    struct verify_flags flags = {0};
    return cli_run(command, &spec, argc, argv, &flags, run);
}
