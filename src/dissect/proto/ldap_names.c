/* Names of LDAP: result codes (RFC 4511 section 4.1.9, IANA "LDAP Parameters"), object identifiers
 * of extended operations, controls and notifications, attributes that hold secrets. */
#include "dissect/proto/ldap_message.h"

static const char *const results[] = {
    [0] = "success",
    [1] = "operationsError",
    [2] = "protocolError",
    [3] = "timeLimitExceeded",
    [4] = "sizeLimitExceeded",
    [5] = "compareFalse",
    [6] = "compareTrue",
    [7] = "authMethodNotSupported",
    [8] = "strongerAuthRequired",
    [10] = "referral",
    [11] = "adminLimitExceeded",
    [12] = "unavailableCriticalExtension",
    [13] = "confidentialityRequired",
    [14] = "saslBindInProgress",
    [16] = "noSuchAttribute",
    [17] = "undefinedAttributeType",
    [18] = "inappropriateMatching",
    [19] = "constraintViolation",
    [20] = "attributeOrValueExists",
    [21] = "invalidAttributeSyntax",
    [32] = "noSuchObject",
    [33] = "aliasProblem",
    [34] = "invalidDNSyntax",
    [36] = "aliasDereferencingProblem",
    [48] = "inappropriateAuthentication",
    [49] = "invalidCredentials",
    [50] = "insufficientAccessRights",
    [51] = "busy",
    [52] = "unavailable",
    [53] = "unwillingToPerform",
    [54] = "loopDetect",
    [64] = "namingViolation",
    [65] = "objectClassViolation",
    [66] = "notAllowedOnNonLeaf",
    [67] = "notAllowedOnRDN",
    [68] = "entryAlreadyExists",
    [69] = "objectClassModsProhibited",
    [71] = "affectsMultipleDSAs",
    [80] = "other",
    [113] = "lcupResourcesExhausted",
    [118] = "canceled",
    [119] = "noSuchOperation",
    [120] = "tooLate",
    [121] = "cannotCancel",
    [122] = "assertionFailed",
    [123] = "authorizationDenied",
};

static const struct {
    const char *oid, *name;
} oids[] = {
    {"1.3.6.1.4.1.1466.20037", "StartTLS"},
    {"1.3.6.1.4.1.1466.20036", "notice of disconnection"},
    {"1.3.6.1.4.1.4203.1.11.1", "password modify"},
    {"1.3.6.1.4.1.4203.1.11.3", "who am I"},
    {"1.3.6.1.1.8", "cancel"},
    {"1.3.6.1.1.21.1", "start transaction"},
    {"1.3.6.1.1.21.2", "transaction specification"},
    {"1.3.6.1.1.21.3", "end transaction"},
    {"1.3.6.1.1.21.4", "aborted transaction"},
    {"1.3.6.1.1.19", "turn"},
    {"1.3.6.1.4.1.1466.101.119.1", "refresh"},
    {"1.3.6.1.1.12", "assertion"},
    {"1.3.6.1.1.13.1", "pre-read"},
    {"1.3.6.1.1.13.2", "post-read"},
    {"1.3.6.1.1.22", "don't use copy"},
    {"1.2.840.113556.1.4.319", "paged results"},
    {"1.2.840.113556.1.4.473", "server side sort"},
    {"1.2.840.113556.1.4.474", "server side sort result"},
    {"1.2.840.113556.1.4.417", "show deleted"},
    {"1.2.840.113556.1.4.2065", "show deactivated links"},
    {"1.2.840.113556.1.4.2064", "show recycled"},
    {"1.2.840.113556.1.4.528", "notification"},
    {"1.2.840.113556.1.4.529", "extended DN"},
    {"1.2.840.113556.1.4.619", "lazy commit"},
    {"1.2.840.113556.1.4.801", "security descriptor flags"},
    {"1.2.840.113556.1.4.805", "tree delete"},
    {"1.2.840.113556.1.4.841", "directory synchronization"},
    {"1.2.840.113556.1.4.1338", "verify name"},
    {"1.2.840.113556.1.4.1339", "domain scope"},
    {"1.2.840.113556.1.4.1340", "search options"},
    {"1.2.840.113556.1.4.1413", "permissive modify"},
    {"1.2.840.113556.1.4.1504", "attribute scoped query"},
    {"1.2.840.113556.1.4.1781", "fast concurrent bind"},
    {"2.16.840.1.113730.3.4.2", "manage DSA IT"},
    {"2.16.840.1.113730.3.4.3", "persistent search"},
    {"2.16.840.1.113730.3.4.4", "password expired"},
    {"2.16.840.1.113730.3.4.5", "password expiring"},
    {"2.16.840.1.113730.3.4.7", "entry change notification"},
    {"2.16.840.1.113730.3.4.9", "virtual list view"},
    {"2.16.840.1.113730.3.4.10", "virtual list view response"},
    {"2.16.840.1.113730.3.4.12", "proxied authorization v1"},
    {"2.16.840.1.113730.3.4.15", "authorization identity response"},
    {"2.16.840.1.113730.3.4.16", "authorization identity"},
    {"2.16.840.1.113730.3.4.18", "proxied authorization"},
    {"1.3.6.1.4.1.42.2.27.8.5.1", "password policy"},
    {"1.3.6.1.4.1.42.2.27.9.5.2", "get effective rights"},
    {"1.3.6.1.4.1.42.2.27.9.5.8", "account usability"},
    {"1.3.6.1.4.1.4203.1.9.1.1", "sync request"},
    {"1.3.6.1.4.1.4203.1.9.1.2", "sync state"},
    {"1.3.6.1.4.1.4203.1.9.1.3", "sync done"},
    {"1.3.6.1.4.1.4203.1.9.1.4", "sync info"},
    {"1.3.6.1.4.1.4203.1.10.1", "subentries"},
    {"1.3.6.1.4.1.4203.1.10.2", "no operation"},
    {"1.3.6.1.4.1.4203.666.5.2", "no operation"},
    {"1.3.6.1.4.1.4203.666.5.12", "relax rules"},
    {"1.2.826.0.1.3344810.2.3", "matched values"},
};

static const char *const secrets[] = {
    "authPassword",
    "dBCSPwd",
    "krb5Key",
    "krbPrincipalKey",
    "lmPwdHistory",
    "ms-Mcs-AdmPwd",
    "ntPwdHistory",
    "olcRootPW",
    "pwdHistory",
    "sambaPasswordHistory",
    "supplementalCredentials",
    "unicodePwd",
    "2.5.4.35",
};

const char *ldap_result_name(int64_t code)
{
    if (code == 4096)
        return "e-syncRefreshRequired";
    if (code < 0 || code >= (int64_t)(sizeof results / sizeof results[0]))
        return NULL;
    return results[code];
}

struct slice ldap_oid_name(struct slice oid)
{
    for (size_t i = 0; i < sizeof oids / sizeof oids[0]; i++)
        if (slice_eq_str(oid, oids[i].oid))
            return slice_str(oids[i].name);
    return SLICE_NONE;
}

bool ldap_is_secret(struct slice attribute)
{
    /* "userPassword;x-option" */
    const uint8_t *option = attribute.len ? memchr(attribute.data, ';', attribute.len) : NULL;
    if (option)
        attribute.len = (size_t)(option - attribute.data);
    static const struct slice word = {(const uint8_t *)"password", 8};
    if (attribute.len >= word.len &&
        slice_eq_nocase(slice_sub(attribute, attribute.len - word.len, SIZE_MAX), word))
        return true; /* userPassword, sambaNTPassword, msLAPS-Password … */
    for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++)
        if (slice_eq_nocase(attribute, slice_str(secrets[i])))
            return true;
    return false;
}
