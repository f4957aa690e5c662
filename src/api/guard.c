/* Which requests are looked at at all. A name in Host that is neither an address nor known could be
 * an attacker's that resolves to us (DNS rebinding); an Origin that is not ours is another site. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "api/call.h"
#include "base/text.h"

/* "name:port" or "[::1]:port" without the port. */
static void host_without_port(const char *host, char out[256])
{
    const char *end = host + strlen(host);
    if (host[0] == '[') {
        const char *close = strchr(host, ']');
        if (close && (!close[1] ||
                      (close[1] == ':' && strspn(close + 2, "0123456789") == strlen(close + 2)))) {
            snprintf(out, 256, "%.*s", (int)(close - host - 1), host + 1);
            return;
        }
    }
    const char *colon = strrchr(host, ':');
    if (colon && strspn(colon + 1, "0123456789") == strlen(colon + 1))
        end = colon;
    snprintf(out, 256, "%.*s", (int)(end - host), host);
}

static bool is_address(const char *name)
{
    struct in6_addr a;
    return inet_pton(AF_INET, name, &a) == 1 || inet_pton(AF_INET6, name, &a) == 1;
}

static bool host_is_known(const struct api *api, const char *host)
{
    char name[256];
    host_without_port(host, name);
    size_t len = strlen(name);
    if (is_address(name) || strcasecmp(name, "localhost") == 0 ||
        (len > 10 && strcasecmp(name + len - 10, ".localhost") == 0) ||
        strcasecmp(name, api->machine_name) == 0)
        return true;
    for (size_t i = 0; api->host_names[i]; i++)
        if (strcasecmp(name, api->host_names[i]) == 0)
            return true;
    return false;
}

static bool origin_is_ours(const char *origin, const char *host)
{
    const char *rest = strncmp(origin, "http://", 7) == 0    ? origin + 7
                       : strncmp(origin, "https://", 8) == 0 ? origin + 8
                                                             : NULL;
    return rest && strcasecmp(rest, host) == 0;
}

int guard_check(const struct api *api, struct http_request *http, struct api_problem *ret_problem)
{
    const char *host = http_request_header(http, "host");
    char shown[120];
    if (!host || !host[0]) {
        problem_set(ret_problem, 400, "The request has no Host header.");
        return 400;
    }
    if (strlen(host) > 300 || !host_is_known(api, host)) {
        text_escape(slice_str(host), shown, sizeof shown);
        problem_set(ret_problem, 421,
                    "This hub does not answer to the name \"%s\"; start it with --host-name to add "
                    "one, or use its address.",
                    shown);
        return 421;
    }
    const char *origin = http_request_header(http, "origin");
    if (origin && !origin_is_ours(origin, host)) {
        text_escape(slice_str(origin), shown, sizeof shown);
        problem_set(ret_problem, 403, "Pages of \"%s\" may not use this hub.", shown);
        return 403;
    }
    return 0;
}

bool guard_allows_cookie(struct http_request *http)
{
    const char *site = http_request_header(http, "sec-fetch-site");
    if (site && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0)
        return false;
    const char *method = http_request_method(http);
    bool reads = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
    return reads || http_request_header(http, "origin") != NULL;
}
