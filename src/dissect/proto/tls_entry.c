/* From a TLS handshake to the fields of its entry (filter.md, row TLS hello). */
#include "dissect/proto/tls_handshake.h"

enum tls_field {
    SNI,
    ALPN,
    VERSION,
    CIPHER_SUITE,
    CIPHER_SUITES,
    SUMMARY,
    INFO,
    JA3,
    JA3S,
    JA4,
    ISSUER,
    SUBJECT,
    NOT_AFTER,
    RESUMED,
    ALERT,
    ECH,
    FIELDS
};
_Static_assert(FIELDS == (int)TLS_FIELD_COUNT, "the table is as long as its enum");

const struct field_def tls_fields[TLS_FIELD_COUNT] = {
    [SNI] = {"tlsx_sni", FIELD_TEXT, 0, 0, "server name asked for",
             "tlsx_sni.endsWith(\".example.com\")"},
    [ALPN] = {"tlsx_alpn", FIELD_LIST, 0, 0, "protocol chosen, else those offered",
              "\"h2\" in tlsx_alpn"},
    [VERSION] = {"tlsx_version", FIELD_TEXT, 0, 0, "version chosen, else the highest offered",
                 "tlsx_version == \"TLS 1.0\""},
    [CIPHER_SUITE] = {"tlsx_cipher_suite", FIELD_TEXT, 0, 0, "cipher suite chosen",
                      "tlsx_cipher_suite.contains(\"RC4\")"},
    [CIPHER_SUITES] = {"tlsx_cipher_suites", FIELD_LIST, FIELD_HEADERS, 0, "cipher suites offered",
                       "\"TLS_RSA_WITH_RC4_128_MD5\" in tlsx_cipher_suites"},
    [SUMMARY] = {"tlsx_summary", FIELD_TEXT, 0, 0, "one line: who was asked for, what was agreed",
                 "tlsx_summary.contains(\"TLS 1.0\")"},
    [INFO] = {"tlsx_info", FIELD_TEXT, FIELD_HEADERS, 0, "what else the hellos say",
              "tlsx_info.contains(\"x25519\")"},
    [JA3] = {"tlsx_ja3", FIELD_TEXT, 0, 0, "fingerprint of the client",
             "tlsx_ja3 == \"e7d705a3286e19ea42f587b344ee6865\""},
    [JA3S] = {"tlsx_ja3s", FIELD_TEXT, 0, 0, "fingerprint of the server's answer",
              "tlsx_ja3s == \"623de93db17d313345d7ea481e7443cf\""},
    [JA4] = {"tlsx_ja4", FIELD_TEXT, 0, 0, "fingerprint of the client, extensions sorted",
             "tlsx_ja4.startsWith(\"t13d\")"},
    [ISSUER] = {"tlsx_issuer", FIELD_TEXT, 0, 0, "issuer of the server's certificate",
                "tlsx_issuer.contains(\"Let's Encrypt\")"},
    [SUBJECT] = {"tlsx_subject", FIELD_TEXT, 0, 0, "subject of the server's certificate",
                 "tlsx_subject.startsWith(\"CN=shop\")"},
    [NOT_AFTER] = {"tlsx_not_after", FIELD_TIME, 0, 0, "end of the certificate's validity",
                   "tlsx_not_after < now()"},
    [RESUMED] = {"tlsx_resumed", FIELD_BOOL, 0, 0, "an earlier session was taken up again",
                 "tlsx_resumed"},
    [ALERT] = {"tlsx_alert", FIELD_TEXT, 0, 0, "alert that was sent in the clear",
               "tlsx_alert == \"handshake_failure\""},
    [ECH] = {"tlsx_ech", FIELD_BOOL, 0, 0, "the true server name is encrypted", "tlsx_ech"},
};

static void set_text(struct dissect_entry *entry, unsigned field, struct slice text)
{
    if (text.len)
        dissect_set_text(entry, OWN_FIELD(field), text);
}

static struct slice static_or_dup(struct arena *arena, const char *name, const char *scratch)
{
    return name == scratch ? arena_dup(arena, slice_str(name)) : slice_str(name);
}

static struct slice *name_list(struct arena *arena, const struct tls_numbers *numbers,
                               const char *(*name)(unsigned, char *))
{
    char scratch[TLS_NAME_SIZE];
    struct slice *items =
        numbers->count ? arena_alloc(arena, numbers->count * sizeof *items) : NULL;
    for (size_t i = 0; items && i < numbers->count; i++)
        items[i] = static_or_dup(arena, name(numbers->items[i], scratch), scratch);
    return items;
}

static struct slice joined(struct arena *arena, const struct slice *items, size_t count)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += items[i].len + 2;
    uint8_t *out = items && total ? arena_alloc(arena, total) : NULL;
    size_t len = 0;
    for (size_t i = 0; out && i < count; i++) {
        if (i) {
            memcpy(out + len, ", ", 2);
            len += 2;
        }
        if (items[i].len)
            memcpy(out + len, items[i].data, items[i].len);
        len += items[i].len;
    }
    return slice_of(out, len);
}

static void set_info(struct tls_handshake *h, struct arena *arena)
{
    const struct tls_client_hello *c = &h->client;
    struct slice versions =
        joined(arena, name_list(arena, &c->versions, tls_version_name), c->versions.count);
    struct slice groups =
        joined(arena, name_list(arena, &c->groups, tls_group_name), c->groups.count);
    struct slice alpn = joined(arena, c->alpn, c->alpn_count);
    char scratch[TLS_NAME_SIZE];
    if (versions.len == 0)
        versions = static_or_dup(arena, tls_version_name(c->version, scratch), scratch);
    set_text(h->entry, INFO,
             arena_printf(arena,
                          "versions: %.*s%s%.*s%s%.*s; %zu cipher suites, %zu extensions%s%s",
                          SLICE_ARGS(versions), groups.len ? "; groups: " : "", SLICE_ARGS(groups),
                          alpn.len ? "; alpn: " : "", SLICE_ARGS(alpn), c->ciphers.count,
                          c->extensions.count, c->is_v2 ? "; SSL 2.0 form" : "",
                          h->was_retried ? "; hello retried" : ""));
}

static void set_client(struct tls_handshake *h, struct arena *arena)
{
    const struct tls_client_hello *c = &h->client;
    struct slice *ciphers = name_list(arena, &c->ciphers, tls_cipher_name);
    set_text(h->entry, SNI, c->sni);
    if (ciphers)
        dissect_set_list(h->entry, OWN_FIELD(CIPHER_SUITES), ciphers, c->ciphers.count);
    if (c->alpn_count && !h->server.alpn.len)
        dissect_set_list(h->entry, OWN_FIELD(ALPN), c->alpn, c->alpn_count);
    set_text(h->entry, JA3, tls_ja3(arena, c));
    set_text(h->entry, JA4, tls_ja4(arena, c));
    if (c->has_ech)
        dissect_set_bool(h->entry, OWN_FIELD(ECH), true);
    set_info(h, arena);
}

static bool is_resumed(const struct tls_handshake *h)
{
    if (!h->has_server || h->server.is_retry)
        return false;
    return h->server.has_psk || h->is_abbreviated;
}

static void set_server(struct tls_handshake *h, struct arena *arena)
{
    char scratch[TLS_NAME_SIZE];
    struct slice cipher = static_or_dup(arena, tls_cipher_name(h->server.cipher, scratch), scratch);
    set_text(h->entry, CIPHER_SUITE, cipher);
    set_text(h->entry, JA3S, tls_ja3s(arena, &h->server));
    struct slice *alpn = h->server.alpn.len ? arena_alloc(arena, sizeof *alpn) : NULL;
    if (alpn) {
        *alpn = h->server.alpn;
        dissect_set_list(h->entry, OWN_FIELD(ALPN), alpn, 1);
    }
    dissect_set_bool(h->entry, OWN_FIELD(RESUMED), is_resumed(h));
}

static void set_summary(struct tls_handshake *h, struct arena *arena)
{
    char version[TLS_NAME_SIZE];
    char cipher[TLS_NAME_SIZE];
    char alert[TLS_NAME_SIZE];
    const char *kind = h->is_quic ? "QUIC" : h->is_dtls ? "DTLS" : "TLS";
    struct slice text;
    if (!h->has_client && !h->has_server)
        text = arena_printf(arena, "%s, handshake not recorded", kind);
    else
        text = arena_printf(arena, "%s%s%.*s", kind, h->client.sni.len ? " " : "",
                            SLICE_ARGS(h->client.sni));
    if (h->has_server)
        text = arena_printf(arena, "%.*s → %s, %s", SLICE_ARGS(text),
                            tls_version_name(h->server.version, version),
                            tls_cipher_name(h->server.cipher, cipher));
    if (h->alert >= 0)
        text = arena_printf(arena, "%.*s → alert %s", SLICE_ARGS(text),
                            tls_alert_name((unsigned)h->alert, alert));
    dissect_set_text(h->entry, FIELD_SUMMARY_ID, text);
    set_text(h->entry, SUMMARY, text);
}

void tls_emit(struct dissect_conn *conn, struct tls_handshake *h, const char *status,
              const char *reason)
{
    struct arena *arena = dissect_entry_arena(h->entry);
    char scratch[TLS_NAME_SIZE];
    if (h->has_client)
        set_client(h, arena);
    if (h->has_server)
        set_server(h, arena);
    if (h->has_client || h->has_server) {
        unsigned version = h->has_server ? h->server.version : h->client.version;
        set_text(h->entry, VERSION,
                 static_or_dup(arena, tls_version_name(version, scratch), scratch));
    }
    if (h->has_certificate) {
        set_text(h->entry, ISSUER, h->certificate.issuer);
        set_text(h->entry, SUBJECT, h->certificate.subject);
        if (h->certificate.not_after_ns)
            dissect_set_int(h->entry, OWN_FIELD(NOT_AFTER), h->certificate.not_after_ns);
    }
    if (h->alert >= 0)
        set_text(h->entry, ALERT,
                 static_or_dup(arena, tls_alert_name((unsigned)h->alert, scratch), scratch));
    set_summary(h, arena);
    dissect_set_status(h->entry, status, reason);
    dissect_entry_emit(conn, h->entry);
    h->entry = NULL;
}
