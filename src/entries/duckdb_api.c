#include "entries/duckdb_api.h"

#include <dlfcn.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct duckdb_api duckdb_api;

/* The folder of the running binary + "/libduckdb.so". */
static bool path_beside_binary(char *out, size_t size)
{
    ssize_t n = readlink("/proc/self/exe", out, size - 1);
    if (n <= 0)
        return false;
    out[n] = '\0';
    char *slash = strrchr(out, '/');
    if (!slash || (size_t)(slash - out) + sizeof "/libduckdb.so" > size)
        return false;
    memcpy(slash, "/libduckdb.so", sizeof "/libduckdb.so");
    return true;
}

int duckdb_api_load(struct error *reterr)
{
    if (duckdb_api.open_ext)
        return 0;
    char path[4096];
    void *library = NULL;
    if (path_beside_binary(path, sizeof path))
        library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        library = dlopen("libduckdb.so", RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return error_set(reterr, -ENOENT,
                         "libduckdb.so is neither beside the binary nor on the system: "
                         "./run --build-only puts it there.");
    struct duckdb_api api;
#define DUCKDB_LOOK_UP(name)                                                                  \
    {                                                                                         \
        void *symbol = dlsym(library, "duckdb_" #name);                                       \
        if (!symbol)                                                                          \
            return error_set(reterr, -ENOENT, "libduckdb.so is too old: it lacks duckdb_%s.", \
                             #name);                                                          \
        memcpy(&api.name, &symbol, sizeof symbol);                                            \
    }
    DUCKDB_FUNCTIONS(DUCKDB_LOOK_UP)
#undef DUCKDB_LOOK_UP
    duckdb_api = api;
    return 0;
}

int duckdb_api_error(struct error *reterr, const char *doing, const char *raw)
{
    /* DuckDB gives no errno, but ends with the C library's words for it. */
    static const struct {
        const char *words;
        int code;
        const char *why;
    } known[] = {
        {"Out of Memory", -ENOMEM, ": its memory does not suffice"},
        {"No space left on device", -ENOSPC, ": the disk is full; make room"},
        {"Disk quota exceeded", -EDQUOT, ": the disk quota is used up; make room"},
    };
    int code = -EIO;
    const char *why = "";
    for (size_t i = 0; raw && i < sizeof known / sizeof *known; i++)
        if (strstr(raw, known[i].words)) {
            code = known[i].code;
            why = known[i].why;
        }
    error_set(reterr, code, "the entry store could not %s%s.", doing, why);
    error_set_cause(reterr, raw);
    return code;
}

int duckdb_api_run(duckdb_connection connection, const char *sql, struct error *reterr)
{
    duckdb_result result;
    int r = 0;
    if (duckdb_api.query(connection, sql, &result) != DuckDBSuccess)
        r = duckdb_api_error(reterr, "do what it was told", duckdb_api.result_error(&result));
    duckdb_api.destroy_result(&result);
    return r;
}

static int make_config(uint64_t memory_bytes, unsigned threads, duckdb_config *ret_config)
{
    char memory[32];
    char thread_count[16];
    snprintf(memory, sizeof memory, "%" PRIu64 "MB", memory_bytes / 1000000);
    snprintf(thread_count, sizeof thread_count, "%u", threads ? threads : 1);
    const char *const settings[][2] = {
        {"memory_limit", memory},
        {"threads", thread_count},
        {"temp_directory", ""},
        {"autoinstall_known_extensions", "false"},
        {"autoload_known_extensions", "false"},
        {"allow_community_extensions", "false"},
        {"checkpoint_threshold", "512MB"},
    };
    if (duckdb_api.create_config(ret_config) != DuckDBSuccess)
        return -ENOMEM;
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        if (duckdb_api.set_config(*ret_config, settings[i][0], settings[i][1]) != DuckDBSuccess)
            return -EINVAL;
    return 0;
}

int duckdb_api_open(const char *path, uint64_t memory_bytes, unsigned threads,
                    duckdb_database *ret_database, duckdb_connection *ret_connection,
                    struct error *reterr)
{
    int r = duckdb_api_load(reterr);
    if (r < 0)
        return r;
    duckdb_config config = NULL;
    r = make_config(memory_bytes, threads, &config);
    if (r < 0) {
        duckdb_api.destroy_config(&config);
        return error_set(reterr, r, "the entry store does not know one of our settings.");
    }
    char *message = NULL;
    duckdb_state state = duckdb_api.open_ext(path, ret_database, config, &message);
    duckdb_api.destroy_config(&config);
    if (state != DuckDBSuccess) {
        r = duckdb_api_error(reterr, "be opened", message);
        duckdb_api.free(message);
        return r;
    }
    if (duckdb_api.connect(*ret_database, ret_connection) != DuckDBSuccess) {
        duckdb_api.close(ret_database);
        return error_set(reterr, -ENOMEM, "the entry store gave no connection.");
    }
    return 0;
}

void duckdb_api_close(duckdb_database *database, duckdb_connection *connection)
{
    if (*connection)
        duckdb_api.disconnect(connection);
    if (*database)
        duckdb_api.close(database);
}
