#include "api/static_files.h"

#include <string.h>

#include "api/call.h"
#include "api/embedded.h"

static const char *type_of(const char *path)
{
    static const char *const types[][2] = {
        {".html", "text/html; charset=utf-8"},
        {".js", "text/javascript; charset=utf-8"},
        {".css", "text/css; charset=utf-8"},
        {".svg", "image/svg+xml"},
        {".png", "image/png"},
        {".ico", "image/x-icon"},
        {".json", "application/json"},
        {".webmanifest", "application/manifest+json"},
        {".woff2", "font/woff2"},
        {".txt", "text/plain; charset=utf-8"},
        {".map", "application/json"},
    };
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot && i < sizeof types / sizeof types[0]; i++)
        if (strcmp(dot, types[i][0]) == 0)
            return types[i][1];
    return "application/octet-stream";
}

static const struct embedded_file *find(const char *path)
{
    for (const struct embedded_file *f = embedded_files; f->path; f++)
        if (strcmp(f->path, path) == 0)
            return f;
    return NULL;
}

void static_file_send(struct api_call *call)
{
    const char *path = http_request_path(call->http), *method = http_request_method(call->http);
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
        http_response_header(call->http, "Allow", "GET");
        call_fail(call, 405, "This path knows GET.");
        return;
    }
    /* The dashboard keeps its state behind the '#': no other path leads to it, unknown is 404
     * (P10). */
    const struct embedded_file *file = find(strcmp(path, "/") == 0 ? "/index.html" : path);
    if (!file) {
        call_fail(call, 404,
                  find("/index.html") ? "There is no such file."
                                      : "This binary was built without the dashboard.");
        return;
    }
    /* Names below /assets/ carry a digest of their content. */
    bool forever = strncmp(file->path, "/assets/", 8) == 0;
    http_response_header(call->http, "ETag", file->etag);
    http_response_header(call->http, "Cache-Control",
                         forever ? "public, max-age=31536000, immutable" : "no-cache");
    const char *known = http_request_header(call->http, "if-none-match");
    if (known && strstr(known, file->etag)) {
        (void)http_response_begin(call->http, 304, NULL, 0);
        return;
    }
    http_response_send(call->http, 200, type_of(file->path),
                       slice_of(file->data, file->size_bytes));
}
