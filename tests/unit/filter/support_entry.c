#include "unit/filter/support_entry.h"

#include "unit/unit_test.h"

static struct entry_value text_value(field_id field, const char *text)
{
    return (struct entry_value){.field = field, .type = FIELD_TEXT, .text = slice_str(text)};
}

static struct entry_value int_value(field_id field, int64_t v)
{
    return (struct entry_value){.field = field, .type = FIELD_INT, .integer = v};
}

static size_t fill(struct entry_value *values, bool is_cut)
{
    static const struct slice places[] = {{(const uint8_t *)"n1:eth0", 7},
                                          {(const uint8_t *)"n2:eth1", 7}};
    static const struct entry_pair headers[] = {
        {{(const uint8_t *)"accept", 6}, {(const uint8_t *)"application/json", 16}},
        {{(const uint8_t *)"x-empty", 7}, {(const uint8_t *)"", 0}},
    };
    size_t n = 0;
    /* in the order of the ids */
    values[n++] = int_value(FIELD_ELAPSED_TIME_ID, 1500000);
    values[n++] = text_value(FIELD_SRC_IP_ID, "10.0.12.7");
    values[n++] = int_value(FIELD_SRC_PORT_ID, 40000);
    values[n++] = text_value(FIELD_SRC_NAMESPACE_ID, "shop");
    values[n++] = (struct entry_value){
        .field = FIELD_SEEN_AT_ID, .type = FIELD_LIST, .count = 2, .items = places};
    values[n++] = text_value(FIELD_METHOD_ID, "POST");
    values[n++] = text_value(FIELD_PATH_ID, "/carts/7");
    values[n++] = text_value(FIELD_URL_ID, "<unknown>");
    values[n++] = int_value(FIELD_STATUS_CODE_ID, 503);
    values[n++] = (struct entry_value){
        .field = FIELD_REQUEST_HEADERS_ID, .type = FIELD_MAP, .count = 2, .pairs = headers};
    values[n++] = text_value(FIELD_REQUEST_BODY_ID, "{\"items\":[{\"sku\":\"a1\",\"n\":3}]}");
    if (is_cut)
        values[n++] = (struct entry_value){
            .field = FIELD_REQUEST_TRUNCATED_ID, .type = FIELD_BOOL, .boolean = true};
    for (size_t i = 1; i < n; i++)
        assert_true(values[i - 1].field < values[i].field);
    return n;
}

static struct entry make(struct entry_value *values, bool is_cut)
{
    size_t n = fill(values, is_cut);
    return (struct entry){.timestamp_ns = INT64_C(1772544120500000000),
                          .id_hash = 42,
                          .protocol = "http",
                          .transport = ENTRY_TRANSPORT_TCP,
                          .values = values,
                          .value_count = (uint32_t)n};
}

const struct entry *support_http_entry(void)
{
    static struct entry_value values[16];
    static struct entry entry;
    entry = make(values, false);
    return &entry;
}

const struct entry *support_cut_entry(void)
{
    static struct entry_value values[16];
    static struct entry entry;
    entry = make(values, true);
    return &entry;
}

const struct entry *support_dns_entry(void)
{
    static const struct entry entry = {.timestamp_ns = INT64_C(1772544120000000000),
                                       .protocol = "dns",
                                       .transport = ENTRY_TRANSPORT_UDP};
    return &entry;
}

enum filter_result support_match(const char *text, const struct entry *entry)
{
    struct filter *filter = NULL;
    struct filter_diagnostic diagnostic;
    if (filter_compile(slice_str(text), NULL, &filter, &diagnostic) < 0)
        fail_msg("%s: %s at byte %zu", text, diagnostic.text, diagnostic.offset);
    struct filter_scratch *scratch = filter_scratch_new();
    assert_non_null(scratch);
    enum filter_result result = filter_match(filter, entry, scratch);
    filter_scratch_free(scratch);
    filter_free(filter);
    return result;
}
