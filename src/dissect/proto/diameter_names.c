/* Names of Diameter: commands and applications (IANA "AAA Parameters", 3GPP TS 29.230), result
 * codes (RFC 6733 section 7.1, RFC 8506, TS 29.230). */
#include "dissect/proto/diameter_message.h"

struct name {
    uint32_t number;
    const char *name;
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const struct name commands[] = {
    {257, "Capabilities-Exchange"},
    {258, "Re-Auth"},
    {260, "AA-Mobile-Node"},
    {262, "Home-Agent-MIP"},
    {265, "AA"},
    {268, "Diameter-EAP"},
    {271, "Accounting"},
    {272, "Credit-Control"},
    {274, "Abort-Session"},
    {275, "Session-Termination"},
    {280, "Device-Watchdog"},
    {282, "Disconnect-Peer"},
    {283, "User-Authorization"},
    {284, "Server-Assignment"},
    {285, "Location-Info"},
    {286, "Multimedia-Auth"},
    {287, "Registration-Termination"},
    {288, "Push-Profile"},
    {300, "User-Authorization"},
    {301, "Server-Assignment"},
    {302, "Location-Info"},
    {303, "Multimedia-Auth"},
    {304, "Registration-Termination"},
    {305, "Push-Profile"},
    {306, "User-Data"},
    {307, "Profile-Update"},
    {308, "Subscribe-Notifications"},
    {309, "Push-Notification"},
    {310, "Bootstrapping-Info"},
    {311, "Message-Process"},
    {316, "Update-Location"},
    {317, "Cancel-Location"},
    {318, "Authentication-Information"},
    {319, "Insert-Subscriber-Data"},
    {320, "Delete-Subscriber-Data"},
    {321, "Purge-UE"},
    {322, "Reset"},
    {323, "Notify"},
    {324, "ME-Identity-Check"},
    {325, "MIP6"},
    {8388620, "Provide-Location"},
    {8388621, "Location-Report"},
    {8388622, "LCS-Routing-Info"},
    {8388635, "Spending-Limit"},
    {8388636, "Spending-Status-Notification"},
    {8388637, "TDF-Session"},
    {8388638, "Update-VCSG-Location"},
    {8388639, "Device-Action"},
    {8388640, "Device-Notification"},
    {8388641, "Subscriber-Information"},
    {8388642, "Cancel-VCSG-Location"},
    {8388643, "Device-Trigger"},
    {8388644, "Delivery-Report"},
    {8388645, "MO-Forward-Short-Message"},
    {8388646, "MT-Forward-Short-Message"},
    {8388647, "Send-Routing-Info-for-SM"},
    {8388648, "Alert-Service-Centre"},
    {8388649, "Report-SM-Delivery-Status"},
};

static const struct name applications[] = {
    {0, "Diameter common messages"},
    {1, "NASREQ"},
    {2, "Mobile IPv4"},
    {3, "Diameter base accounting"},
    {4, "Credit control"},
    {5, "EAP"},
    {6, "SIP"},
    {7, "MIP6 IKE"},
    {8, "MIP6 auth"},
    {16777216, "3GPP Cx"},
    {16777217, "3GPP Sh"},
    {16777219, "3GPP Wx"},
    {16777220, "3GPP Zn"},
    {16777221, "3GPP Zh"},
    {16777222, "3GPP Gq"},
    {16777223, "3GPP Gmb"},
    {16777224, "3GPP Gx (release 6)"},
    {16777229, "3GPP Rx (release 6)"},
    {16777236, "3GPP Rx"},
    {16777238, "3GPP Gx"},
    {16777250, "3GPP STa"},
    {16777251, "3GPP S6a/S6d"},
    {16777252, "3GPP S13/S13'"},
    {16777255, "3GPP SLg"},
    {16777264, "3GPP SWm"},
    {16777265, "3GPP SWx"},
    {16777266, "3GPP Gxx"},
    {16777267, "3GPP S9"},
    {16777272, "3GPP S6b"},
    {16777291, "3GPP SLh"},
    {16777302, "3GPP Sy"},
    {16777303, "3GPP Sd"},
    {16777308, "3GPP S7a/S7d"},
    {16777310, "3GPP S6m"},
    {16777312, "3GPP S6c"},
    {16777313, "3GPP SGd"},
    {16777345, "3GPP S6t"},
    {0xffffffff, "Relay"},
};

static const struct name results[] = {
    {1001, "DIAMETER_MULTI_ROUND_AUTH"},
    {2001, "DIAMETER_SUCCESS"},
    {2002, "DIAMETER_LIMITED_SUCCESS"},
    {3001, "DIAMETER_COMMAND_UNSUPPORTED"},
    {3002, "DIAMETER_UNABLE_TO_DELIVER"},
    {3003, "DIAMETER_REALM_NOT_SERVED"},
    {3004, "DIAMETER_TOO_BUSY"},
    {3005, "DIAMETER_LOOP_DETECTED"},
    {3006, "DIAMETER_REDIRECT_INDICATION"},
    {3007, "DIAMETER_APPLICATION_UNSUPPORTED"},
    {3008, "DIAMETER_INVALID_HDR_BITS"},
    {3009, "DIAMETER_INVALID_AVP_BITS"},
    {3010, "DIAMETER_UNKNOWN_PEER"},
    {4001, "DIAMETER_AUTHENTICATION_REJECTED"},
    {4002, "DIAMETER_OUT_OF_SPACE"},
    {4003, "ELECTION_LOST"},
    {4010, "DIAMETER_END_USER_SERVICE_DENIED"},
    {4011, "DIAMETER_CREDIT_CONTROL_NOT_APPLICABLE"},
    {4012, "DIAMETER_CREDIT_LIMIT_REACHED"},
    {5001, "DIAMETER_AVP_UNSUPPORTED"},
    {5002, "DIAMETER_UNKNOWN_SESSION_ID"},
    {5003, "DIAMETER_AUTHORIZATION_REJECTED"},
    {5004, "DIAMETER_INVALID_AVP_VALUE"},
    {5005, "DIAMETER_MISSING_AVP"},
    {5006, "DIAMETER_RESOURCES_EXCEEDED"},
    {5007, "DIAMETER_CONTRADICTING_AVPS"},
    {5008, "DIAMETER_AVP_NOT_ALLOWED"},
    {5009, "DIAMETER_AVP_OCCURS_TOO_MANY_TIMES"},
    {5010, "DIAMETER_NO_COMMON_APPLICATION"},
    {5011, "DIAMETER_UNSUPPORTED_VERSION"},
    {5012, "DIAMETER_UNABLE_TO_COMPLY"},
    {5013, "DIAMETER_INVALID_BIT_IN_HEADER"},
    {5014, "DIAMETER_INVALID_AVP_LENGTH"},
    {5015, "DIAMETER_INVALID_MESSAGE_LENGTH"},
    {5016, "DIAMETER_INVALID_AVP_BIT_COMBO"},
    {5017, "DIAMETER_NO_COMMON_SECURITY"},
    {5030, "DIAMETER_USER_UNKNOWN"},
    {5031, "DIAMETER_RATING_FAILED"},
};

static const struct name experimental_3gpp[] = {
    {2001, "DIAMETER_FIRST_REGISTRATION"},
    {2002, "DIAMETER_SUBSEQUENT_REGISTRATION"},
    {2003, "DIAMETER_UNREGISTERED_SERVICE"},
    {2004, "DIAMETER_SUCCESS_SERVER_NAME_NOT_STORED"},
    {4100, "DIAMETER_USER_DATA_NOT_AVAILABLE"},
    {4101, "DIAMETER_PRIOR_UPDATE_IN_PROGRESS"},
    {4181, "DIAMETER_AUTHENTICATION_DATA_UNAVAILABLE"},
    {5001, "DIAMETER_ERROR_USER_UNKNOWN"},
    {5002, "DIAMETER_ERROR_IDENTITIES_DONT_MATCH"},
    {5003, "DIAMETER_ERROR_IDENTITY_NOT_REGISTERED"},
    {5004, "DIAMETER_ERROR_ROAMING_NOT_ALLOWED"},
    {5005, "DIAMETER_ERROR_IDENTITY_ALREADY_REGISTERED"},
    {5006, "DIAMETER_ERROR_AUTH_SCHEME_NOT_SUPPORTED"},
    {5007, "DIAMETER_ERROR_IN_ASSIGNMENT_TYPE"},
    {5008, "DIAMETER_ERROR_TOO_MUCH_DATA"},
    {5009, "DIAMETER_ERROR_NOT_SUPPORTED_USER_DATA"},
    {5011, "DIAMETER_ERROR_FEATURE_UNSUPPORTED"},
    {5065, "IP-CAN_SESSION_NOT_AVAILABLE"},
    {5420, "DIAMETER_ERROR_UNKNOWN_EPS_SUBSCRIPTION"},
    {5421, "DIAMETER_ERROR_RAT_NOT_ALLOWED"},
    {5422, "DIAMETER_ERROR_EQUIPMENT_UNKNOWN"},
    {5423, "DIAMETER_ERROR_UNKNOWN_SERVING_NODE"},
};

static const char *find(const struct name *names, size_t count, uint32_t number)
{
    for (size_t i = 0; i < count; i++)
        if (names[i].number == number)
            return names[i].name;
    return NULL;
}

const char *diameter_command_name(uint32_t command)
{
    return find(commands, COUNT(commands), command);
}

const char *diameter_application_name(uint32_t application)
{
    return find(applications, COUNT(applications), application);
}

const char *diameter_result_name(uint32_t code)
{
    return find(results, COUNT(results), code);
}

const char *diameter_experimental_name(uint32_t vendor, uint32_t code)
{
    return vendor == DIAMETER_3GPP ? find(experimental_3gpp, COUNT(experimental_3gpp), code) : NULL;
}

static const struct {
    uint32_t code, vendor, value;
    const char *name;
} values[] = {
    {416, 0, 1, "INITIAL_REQUEST"},
    {416, 0, 2, "UPDATE_REQUEST"},
    {416, 0, 3, "TERMINATION_REQUEST"},
    {416, 0, 4, "EVENT_REQUEST"},
    {480, 0, 1, "EVENT_RECORD"},
    {480, 0, 2, "START_RECORD"},
    {480, 0, 3, "INTERIM_RECORD"},
    {480, 0, 4, "STOP_RECORD"},
    {273, 0, 0, "REBOOTING"},
    {273, 0, 1, "BUSY"},
    {273, 0, 2, "DO_NOT_WANT_TO_TALK_TO_YOU"},
    {277, 0, 0, "STATE_MAINTAINED"},
    {277, 0, 1, "NO_STATE_MAINTAINED"},
    {274, 0, 1, "AUTHENTICATE_ONLY"},
    {274, 0, 2, "AUTHORIZE_ONLY"},
    {274, 0, 3, "AUTHORIZE_AUTHENTICATE"},
    {285, 0, 0, "AUTHORIZE_ONLY"},
    {285, 0, 1, "AUTHORIZE_AUTHENTICATE"},
    {295, 0, 1, "DIAMETER_LOGOUT"},
    {295, 0, 2, "DIAMETER_SERVICE_NOT_PROVIDED"},
    {295, 0, 3, "DIAMETER_BAD_ANSWER"},
    {295, 0, 4, "DIAMETER_ADMINISTRATIVE"},
    {295, 0, 5, "DIAMETER_LINK_BROKEN"},
    {295, 0, 6, "DIAMETER_AUTH_EXPIRED"},
    {295, 0, 7, "DIAMETER_USER_MOVED"},
    {295, 0, 8, "DIAMETER_SESSION_TIMEOUT"},
    {299, 0, 0, "NO_INBAND_SECURITY"},
    {299, 0, 1, "TLS"},
    {450, 0, 0, "END_USER_E164"},
    {450, 0, 1, "END_USER_IMSI"},
    {450, 0, 2, "END_USER_SIP_URI"},
    {450, 0, 3, "END_USER_NAI"},
    {450, 0, 4, "END_USER_PRIVATE"},
    {449, 0, 0, "TERMINATE"},
    {449, 0, 1, "REDIRECT"},
    {449, 0, 2, "RESTRICT_ACCESS"},
};

const char *diameter_value_name(uint32_t code, uint32_t vendor, uint32_t value)
{
    for (size_t i = 0; i < COUNT(values); i++)
        if (values[i].code == code && values[i].vendor == vendor && values[i].value == value)
            return values[i].name;
    return NULL;
}
