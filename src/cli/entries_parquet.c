#include "cli/entries_parquet.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "cli/output_file.h"
#include "entries/parquet.h"

struct feed {
    struct client *client;
    const char *question;
    int fd; /* the pipe's end to write, closed when the answer is over */
    int code;
};

/* What the other thread does while DuckDB reads: nobody else uses the client meanwhile. */
static void *feed_lines(void *arg)
{
    struct feed *feed = arg;
    sigset_t broken_pipe;
    sigemptyset(&broken_pipe);
    sigaddset(&broken_pipe, SIGPIPE);
    (void)pthread_sigmask(SIG_BLOCK, &broken_pipe, NULL);
    feed->code =
        client_download_to(feed->client, "POST", "/api/v1/entries/lines", feed->question, feed->fd);
    close(feed->fd);
    return NULL;
}

static int convert(struct feed *feed, int lines_fd, int file_fd, const field_id *fields,
                   size_t count)
{
    pthread_t thread;
    struct error err = {.offset = ERROR_NO_OFFSET};
    int e = pthread_create(&thread, NULL, feed_lines, feed);
    if (e) {
        close(feed->fd);
        close(lines_fd);
        return cli_fail("entries", 1, "No thread could be started: %s.", strerror(e));
    }
    int r = parquet_write(lines_fd, file_fd, fields, count, &err);
    close(lines_fd); /* a feed that goes on meets a broken pipe */
    (void)pthread_join(thread, NULL);
    if (feed->code) /* it has said why; a short file is the consequence */
        return feed->code;
    return r < 0 ? cli_fail_error("entries", 1, &err) : 0;
}

static int find_fields(const struct option_list *names, field_id *ret_fields)
{
    struct error err = {.offset = ERROR_NO_OFFSET};
    if (names->count > PARQUET_MAX_FIELDS)
        return cli_fail("entries", 2, "At most %d fields are columns of one file.",
                        PARQUET_MAX_FIELDS);
    for (size_t i = 0; i < names->count; i++) {
        if (parquet_find_field(names->items[i], &ret_fields[i], &err) < 0)
            return cli_fail_error("entries", 2, &err);
        for (size_t j = 0; j < i; j++)
            if (ret_fields[j] == ret_fields[i])
                return cli_fail("entries", 2, "%s is named twice.", names->items[i]);
    }
    return 0;
}

int entries_parquet(struct client *client, const char *question, const struct option_list *fields,
                    const char *output)
{
    field_id ids[PARQUET_MAX_FIELDS];
    struct output_file file;
    struct error err = {.offset = ERROR_NO_OFFSET};
    int ends[2];
    int code = find_fields(fields, ids);
    if (code)
        return code;
    if (output_file_open(&file, output, "parquet", &err) < 0)
        return cli_fail_error("entries", 1, &err);
    if (pipe2(ends, O_CLOEXEC) < 0) {
        code = cli_fail("entries", 1, "No pipe could be opened: %s.", strerror(errno));
    } else {
        struct feed feed = {.client = client, .question = question, .fd = ends[1]};
        code = convert(&feed, ends[0], file.fd, ids, fields->count);
    }
    if (output_file_close(&file, code == 0, &err) < 0 && code == 0)
        code = cli_fail_error("entries", 1, &err);
    return code;
}
