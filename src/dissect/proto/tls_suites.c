/* The cipher suites that can be opened (IANA's registry of TLS cipher suites). */
#include "dissect/proto/tls_crypto.h"

#define GCM_128(id)                                        \
    {                                                      \
        id, TLS_GCM, 16, EVP_aes_128_gcm, NULL, EVP_sha256 \
    }
#define GCM_256(id)                                        \
    {                                                      \
        id, TLS_GCM, 32, EVP_aes_256_gcm, NULL, EVP_sha384 \
    }
#define CHACHA(id)                                                    \
    {                                                                 \
        id, TLS_CHACHA20, 32, EVP_chacha20_poly1305, NULL, EVP_sha256 \
    }
#define CCM_128(id)                                        \
    {                                                      \
        id, TLS_CCM, 16, EVP_aes_128_ccm, NULL, EVP_sha256 \
    }
#define CCM_256(id)                                        \
    {                                                      \
        id, TLS_CCM, 32, EVP_aes_256_ccm, NULL, EVP_sha256 \
    }
#define CCM8_128(id)                                         \
    {                                                        \
        id, TLS_CCM_8, 16, EVP_aes_128_ccm, NULL, EVP_sha256 \
    }
#define CCM8_256(id)                                         \
    {                                                        \
        id, TLS_CCM_8, 32, EVP_aes_256_ccm, NULL, EVP_sha256 \
    }
#define CBC_128(id, mac)                                  \
    {                                                     \
        id, TLS_CBC, 16, EVP_aes_128_cbc, mac, EVP_sha256 \
    }
#define CBC_256(id, mac)                                  \
    {                                                     \
        id, TLS_CBC, 32, EVP_aes_256_cbc, mac, EVP_sha256 \
    }
#define CBC_256_384(id)                                          \
    {                                                            \
        id, TLS_CBC, 32, EVP_aes_256_cbc, EVP_sha384, EVP_sha384 \
    }
#define CBC_128_256(id)                                          \
    {                                                            \
        id, TLS_CBC, 16, EVP_aes_128_cbc, EVP_sha256, EVP_sha256 \
    }
#define CBC_3DES(id)                                            \
    {                                                           \
        id, TLS_CBC, 24, EVP_des_ede3_cbc, EVP_sha1, EVP_sha256 \
    }

#define RC4(id, mac)                           \
    {                                          \
        id, TLS_RC4, 16, NULL, mac, EVP_sha256 \
    }

static const struct tls_suite suites[] = {
    /* TLS 1.3 */
    GCM_128(0x1301),
    GCM_256(0x1302),
    CHACHA(0x1303),
    CCM_128(0x1304),
    CCM8_128(0x1305),
    /* GCM: RSA, DHE, DSS, anonymous, PSK, ECDH */
    GCM_128(0x009c),
    GCM_256(0x009d),
    GCM_128(0x009e),
    GCM_256(0x009f),
    GCM_128(0x00a0),
    GCM_256(0x00a1),
    GCM_128(0x00a2),
    GCM_256(0x00a3),
    GCM_128(0x00a4),
    GCM_256(0x00a5),
    GCM_128(0x00a6),
    GCM_256(0x00a7),
    GCM_128(0x00a8),
    GCM_256(0x00a9),
    GCM_128(0x00aa),
    GCM_256(0x00ab),
    GCM_128(0x00ac),
    GCM_256(0x00ad),
    GCM_128(0xc02b),
    GCM_256(0xc02c),
    GCM_128(0xc02d),
    GCM_256(0xc02e),
    GCM_128(0xc02f),
    GCM_256(0xc030),
    GCM_128(0xc031),
    GCM_256(0xc032),
    GCM_128(0xd001),
    GCM_256(0xd002),
    /* ChaCha20-Poly1305 */
    CHACHA(0xcca8),
    CHACHA(0xcca9),
    CHACHA(0xccaa),
    CHACHA(0xccab),
    CHACHA(0xccac),
    CHACHA(0xccad),
    CHACHA(0xccae),
    /* CCM */
    CCM_128(0xc09c),
    CCM_256(0xc09d),
    CCM_128(0xc09e),
    CCM_256(0xc09f),
    CCM8_128(0xc0a0),
    CCM8_256(0xc0a1),
    CCM8_128(0xc0a2),
    CCM8_256(0xc0a3),
    CCM_128(0xc0a4),
    CCM_256(0xc0a5),
    CCM_128(0xc0a6),
    CCM_256(0xc0a7),
    CCM8_128(0xc0a8),
    CCM8_256(0xc0a9),
    CCM_128(0xc0ac),
    CCM_256(0xc0ad),
    CCM8_128(0xc0ae),
    CCM8_256(0xc0af),
    /* CBC with SHA-1 */
    CBC_128(0x002f, EVP_sha1),
    CBC_128(0x0030, EVP_sha1),
    CBC_128(0x0031, EVP_sha1),
    CBC_128(0x0032, EVP_sha1),
    CBC_128(0x0033, EVP_sha1),
    CBC_128(0x0034, EVP_sha1),
    CBC_256(0x0035, EVP_sha1),
    CBC_256(0x0036, EVP_sha1),
    CBC_256(0x0037, EVP_sha1),
    CBC_256(0x0038, EVP_sha1),
    CBC_256(0x0039, EVP_sha1),
    CBC_256(0x003a, EVP_sha1),
    CBC_128(0x008c, EVP_sha1),
    CBC_256(0x008d, EVP_sha1),
    CBC_128(0x0090, EVP_sha1),
    CBC_256(0x0091, EVP_sha1),
    CBC_128(0x0094, EVP_sha1),
    CBC_256(0x0095, EVP_sha1),
    CBC_128(0xc004, EVP_sha1),
    CBC_256(0xc005, EVP_sha1),
    CBC_128(0xc009, EVP_sha1),
    CBC_256(0xc00a, EVP_sha1),
    CBC_128(0xc00e, EVP_sha1),
    CBC_256(0xc00f, EVP_sha1),
    CBC_128(0xc013, EVP_sha1),
    CBC_256(0xc014, EVP_sha1),
    CBC_128(0xc018, EVP_sha1),
    CBC_256(0xc019, EVP_sha1),
    CBC_128(0xc035, EVP_sha1),
    CBC_256(0xc036, EVP_sha1),
    CBC_3DES(0x000a),
    CBC_3DES(0x000d),
    CBC_3DES(0x0010),
    CBC_3DES(0x0013),
    CBC_3DES(0x0016),
    CBC_3DES(0x001b),
    CBC_3DES(0xc003),
    CBC_3DES(0xc008),
    CBC_3DES(0xc00d),
    CBC_3DES(0xc012),
    CBC_3DES(0xc017),
    /* CBC with SHA-256 and SHA-384 */
    CBC_128_256(0x003c),
    CBC_256(0x003d, EVP_sha256),
    CBC_128_256(0x003e),
    CBC_128_256(0x003f),
    CBC_128_256(0x0040),
    CBC_128_256(0x0067),
    CBC_256(0x0068, EVP_sha256),
    CBC_256(0x0069, EVP_sha256),
    CBC_256(0x006a, EVP_sha256),
    CBC_256(0x006b, EVP_sha256),
    CBC_128_256(0x006c),
    CBC_256(0x006d, EVP_sha256),
    CBC_128_256(0x00ae),
    CBC_256_384(0x00af),
    CBC_128_256(0x00b2),
    CBC_256_384(0x00b3),
    CBC_128_256(0x00b6),
    CBC_256_384(0x00b7),
    CBC_128_256(0xc023),
    CBC_256_384(0xc024),
    CBC_128_256(0xc025),
    CBC_256_384(0xc026),
    CBC_128_256(0xc027),
    CBC_256_384(0xc028),
    CBC_128_256(0xc029),
    CBC_256_384(0xc02a),
    CBC_128_256(0xc037),
    CBC_256_384(0xc038),
    /* RC4 */
    RC4(0x0004, EVP_md5),
    RC4(0x0005, EVP_sha1),
    RC4(0x0018, EVP_md5),
    RC4(0x008a, EVP_sha1),
    RC4(0x008e, EVP_sha1),
    RC4(0x0092, EVP_sha1),
    RC4(0xc002, EVP_sha1),
    RC4(0xc007, EVP_sha1),
    RC4(0xc00c, EVP_sha1),
    RC4(0xc011, EVP_sha1),
    RC4(0xc016, EVP_sha1),
    RC4(0xc033, EVP_sha1),
};

const struct tls_suite *tls_suite_find(uint16_t id)
{
    for (size_t i = 0; i < sizeof suites / sizeof *suites; i++)
        if (suites[i].id == id)
            return &suites[i];
    return NULL;
}
