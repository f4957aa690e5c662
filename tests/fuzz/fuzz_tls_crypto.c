/* Protected TLS records and QUIC packets under keys that are known: suite, version, flags,
 * fragment. */
#include "dissect/proto/quic_packet.h"
#include "dissect/proto/tls_crypto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void open_quic(struct slice datagram, uint8_t *out)
{
    struct quic_packet packet;
    struct quic_keys keys;
    size_t len;
    if (quic_parse(datagram, &packet) &&
        quic_initial_keys(packet.version, packet.destination, true, &keys))
        (void)quic_open(&keys, datagram, &packet, out, &len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t out[TLS_FRAGMENT_MAX + 32];
    static const uint8_t zeros[TLS_SECRET_MAX];
    if (size < 10)
        return 0;
    if (size <= sizeof out)
        open_quic(slice_of(data, size), out);
    const struct tls_suite *suite = tls_suite_find((uint16_t)(data[0] << 8 | data[1]));
    if (!suite)
        return 0;
    uint16_t version = (uint16_t)(0x0301 + (data[2] & 3));
    struct tls_master master = {.suite = suite,
                                .version = version,
                                .encrypt_then_mac = data[3] & 1,
                                .secret = slice_of(zeros, TLS_SECRET_MAX),
                                .client_random = zeros,
                                .server_random = zeros};
    struct slice secret = slice_of(zeros, (size_t)EVP_MD_get_size(suite->hash()));
    struct tls_cipher cipher;
    bool ok = version == 0x0304 ? suite->protection != TLS_CBC && suite->protection != TLS_RC4 &&
                                      tls_cipher_init_13(&cipher, suite, secret)
                                : tls_cipher_init(&cipher, &master, data[3] & 2);
    if (!ok)
        return 0;
    size_t len;
    uint8_t type;
    struct slice fragment = slice_of(data + 9, size - 9);
    for (uint64_t sequence = 0; sequence < 2; sequence++)
        (void)tls_cipher_open(&cipher, sequence, data + 4, fragment, out, &len, &type);
    tls_cipher_done(&cipher);
    return 0;
}
