#include "api/problem.h"

#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/json_writer.h"

static const struct {
    int status;
    const char *title;
} titles[] = {
    {400, "Not valid"},     {401, "Not signed in"},     {403, "Not allowed"},
    {404, "Not found"},     {405, "Wrong method"},      {409, "Not possible now"},
    {410, "Gone"},          {411, "Length missing"},    {413, "Too large"},
    {415, "Wrong type"},    {421, "Unknown host name"}, {422, "Not usable"},
    {423, "Locked"},        {429, "Too many attempts"}, {501, "Not available here"},
    {502, "A node failed"}, {503, "Overloaded"},        {504, "A node did not answer"},
    {507, "No space left"},
};

static const struct {
    int code, status;
} statuses[] = {
    {EINVAL, 400},       {EILSEQ, 400},       {ENAMETOOLONG, 400}, {ENOENT, 404},
    {ENOTUNIQ, 409},     {EEXIST, 409},       {EBUSY, 409},        {EALREADY, 409},
    {ECANCELED, 409},    {ENODATA, 409},      {EPERM, 423},        {EACCES, 403},
    {ESTALE, 410},       {EFBIG, 413},        {EBADMSG, 422},      {EPROTO, 422},
    {EDQUOT, 507},       {ENOSPC, 507},       {ENOSYS, 501},       {EOPNOTSUPP, 501},
    {EHOSTUNREACH, 502}, {ECONNREFUSED, 502}, {ETIMEDOUT, 504},    {ENOMEM, 503},
    {EAGAIN, 429},
};

const char *problem_title(int status)
{
    for (size_t i = 0; i < sizeof titles / sizeof titles[0]; i++)
        if (titles[i].status == status)
            return titles[i].title;
    return "Failed";
}

void problem_set(struct api_problem *p, int status, const char *format, ...)
{
    *p = (struct api_problem){.status = status, .offset = -1};
    snprintf(p->title, sizeof p->title, "%s", problem_title(status));
    va_list args;
    va_start(args, format);
    vsnprintf(p->detail, sizeof p->detail, format, args);
    va_end(args);
}

void problem_from_error(struct api_problem *p, const struct error *error)
{
    int status = 500;
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++)
        if (statuses[i].code == -error->code)
            status = statuses[i].status;
    problem_set(p, status, "%s", error->text[0] ? error->text : strerror(-error->code));
    if (error->offset != ERROR_NO_OFFSET && error->offset < INT32_MAX && status == 400)
        p->offset = (int64_t)error->offset;
}

void problem_write(const struct api_problem *p, struct buf *out)
{
    struct json_writer w;
    json_init(&w, out);
    json_begin_object(&w);
    json_member_str(&w, "type", "about:blank");
    json_member_str(&w, "title", p->title);
    json_member_int(&w, "status", p->status);
    json_member_str(&w, "detail", p->detail);
    if (p->offset >= 0)
        json_member_int(&w, "offset", p->offset);
    if (p->token[0])
        json_member_str(&w, "token", p->token);
    if (p->suggestion[0])
        json_member_str(&w, "suggestion", p->suggestion);
    if (p->has_available) {
        json_key(&w, "available");
        json_begin_object(&w);
        json_member_time(&w, "from", p->available.from_ns);
        json_member_time(&w, "to", p->available.to_ns);
        json_end_object(&w);
    }
    json_end_object(&w);
}

static void take_text(const json_t *object, const char *key, char *out, size_t size)
{
    const char *text = json_string_value(json_object_get(object, key));
    snprintf(out, size, "%s", text ? text : "");
}

bool problem_parse(struct slice json, struct api_problem *ret_problem)
{
    json_t *object = json_loadb((const char *)json.data, json.len, 0, NULL);
    const json_t *status = json_object_get(object, "status");
    if (!json_is_integer(status) || json_integer_value(status) < 400 ||
        json_integer_value(status) > 599) {
        json_decref(object);
        return false;
    }
    struct api_problem *p = ret_problem;
    problem_set(p, (int)json_integer_value(status), "%s", "");
    take_text(object, "detail", p->detail, sizeof p->detail);
    take_text(object, "token", p->token, sizeof p->token);
    take_text(object, "suggestion", p->suggestion, sizeof p->suggestion);
    const json_t *offset = json_object_get(object, "offset");
    if (json_is_integer(offset) && json_integer_value(offset) >= 0)
        p->offset = json_integer_value(offset);
    json_decref(object);
    return true;
}
