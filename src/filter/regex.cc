#include "filter/regex.h"

#include <cstdio>
#include <new>
#include <re2/re2.h>

namespace
{
const int64_t MEMORY_BYTES = 1 << 20;
}

struct filter_regex {
    re2::RE2 re;

    filter_regex(const re2::StringPiece &pattern, const re2::RE2::Options &options)
        : re(pattern, options)
    {
    }
};

extern "C" struct filter_regex *filter_regex_new(const char *pattern, size_t len, char *out,
                                                 size_t out_size)
{
    re2::RE2::Options options;
    options.set_log_errors(false);
    options.set_max_mem(MEMORY_BYTES);
    options.set_never_capture(true);
    try {
        filter_regex *regex = new filter_regex(re2::StringPiece(pattern, len), options);
        if (regex->re.ok())
            return regex;
        std::snprintf(out, out_size, "%s", regex->re.error().c_str());
        delete regex;
    } catch (const std::bad_alloc &) {
        std::snprintf(out, out_size, "not enough memory");
    }
    return nullptr;
}

extern "C" void filter_regex_free(struct filter_regex *regex)
{
    delete regex;
}

extern "C" bool filter_regex_search(const struct filter_regex *regex, const char *text, size_t len)
{
    return regex->re.Match(re2::StringPiece(text, len), 0, len, re2::RE2::UNANCHORED, nullptr, 0);
}
