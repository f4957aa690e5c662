#include "filter/text_out.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"

void out_fail(struct text_out *out, const struct value *error)
{
    if (!out->failed)
        out->error = *error;
    out->failed = true;
}

void out_put(struct text_out *out, struct slice text)
{
    struct value error;
    if (out->failed || text.len == 0)
        return;
    if (!eval_charge(out->eval, text.len / 32, &error)) {
        out_fail(out, &error);
        return;
    }
    if (text.len > out->room - out->len) {
        size_t room = out->room ? out->room * 2 : 64;
        while (room < out->len + text.len)
            room *= 2;
        uint8_t *data = arena_alloc(out->eval->arena, room);
        if (!data) {
            set_error(&error, ERROR_MEMORY);
            out_fail(out, &error);
            return;
        }
        if (out->len)
            memcpy(data, out->data, out->len);
        out->data = data;
        out->room = room;
    }
    memcpy(out->data + out->len, text.data, text.len);
    out->len += text.len;
}

void out_str(struct text_out *out, const char *text)
{
    out_put(out, slice_str(text));
}

void out_code_point(struct text_out *out, uint32_t cp)
{
    uint8_t bytes[4];
    out_put(out, slice_of(bytes, text_put_code_point(cp, bytes)));
}

void out_finish(struct text_out *out, struct value *ret)
{
    if (out->failed)
        *ret = out->error;
    else
        set_text(ret, out->data ? slice_of(out->data, out->len) : SLICE_LITERAL(""));
}

void number_format_double(double v, char out[NUMBER_TEXT_SIZE])
{
    if (isnan(v)) {
        snprintf(out, NUMBER_TEXT_SIZE, "NaN");
        return;
    }
    if (isinf(v)) {
        snprintf(out, NUMBER_TEXT_SIZE, v < 0 ? "-Infinity" : "Infinity");
        return;
    }
    /* 15 digits are exact for every shorter decimal text, so cutting their zeros gives the
     * shortest; only what they do not tell apart takes 16 or 17. */
    char text[40];
    int precision = fabs(v) < 0x1p-1022 ? 0 : 14; /* denormals have fewer digits */
    do
        snprintf(text, sizeof text, "%.*e", precision, v);
    while (strtod(text, NULL) != v && ++precision < 17);
    const char *mark = strchr(text, 'e');
    const char *end = mark;
    for (; precision > 0 && end[-1] == '0'; precision--)
        end--;
    end -= precision == 0 && end[-1] == '.';
    long exponent = strtol(mark + 1, NULL, 10);
    if (exponent < -4 || exponent >= 21) {
        snprintf(out, NUMBER_TEXT_SIZE, "%.*s%s", (int)(end - text), text, mark);
        return;
    }
    int decimals = precision > exponent ? precision - (int)exponent : 0;
    snprintf(out, NUMBER_TEXT_SIZE, "%.*f", decimals, v);
}
