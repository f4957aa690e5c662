/* MySQL and MariaDB client/server protocol: what stands in packets, without a connection
 * (https://dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html,
 * https://mariadb.com/kb/en/clientserver-protocol/). Slices borrow from what is read. Thread: any.
 */
#ifndef TRAWL_DISSECT_PROTO_MYSQL_PACKET_H
#define TRAWL_DISSECT_PROTO_MYSQL_PACKET_H

#include "base/arena.h"
#include "base/cursor.h"

enum {
    MY_HEADER_BYTES = 4,
    MY_PACKET_MAX = 0xffffff, /* a packet of this length goes on in the next one */
    MY_TEXT_MAX = 64          /* a number or time as text */
};

enum my_capability {            /* bits that change what is on the wire */
    MY_LONG_PASSWORD = 1u << 0, /* MariaDB 10.2 on: not set means extended capabilities */
    MY_CONNECT_WITH_DB = 1u << 3,
    MY_COMPRESS = 1u << 5,
    MY_PROTOCOL_41 = 1u << 9,
    MY_SSL = 1u << 11,
    MY_SECURE_CONNECTION = 1u << 15,
    MY_PLUGIN_AUTH = 1u << 19,
    MY_CONNECT_ATTRS = 1u << 20,
    MY_AUTH_LENENC = 1u << 21,
    MY_SESSION_TRACK = 1u << 23,
    MY_DEPRECATE_EOF = 1u << 24,
    MY_OPTIONAL_METADATA = 1u << 25,
    MY_ZSTD = 1u << 26,
    MY_QUERY_ATTRIBUTES = 1u << 27
};
enum maria_capability { /* bits 32 and up of MariaDB */
    MARIA_PROGRESS = 1u << 0,
    MARIA_EXTENDED_METADATA = 1u << 3,
    MARIA_CACHE_METADATA = 1u << 4
};

enum my_status {
    MY_MORE_RESULTS = 0x0008,
    MY_CURSOR_EXISTS = 0x0040,
    MY_STATE_CHANGED = 0x4000
};

enum my_command {
    COM_QUIT = 0x01,
    COM_INIT_DB = 0x02,
    COM_QUERY = 0x03,
    COM_FIELD_LIST = 0x04,
    COM_STATISTICS = 0x09,
    COM_PROCESS_INFO = 0x0a,
    COM_PING = 0x0e,
    COM_CHANGE_USER = 0x11,
    COM_BINLOG_DUMP = 0x12,
    COM_STMT_PREPARE = 0x16,
    COM_STMT_EXECUTE = 0x17,
    COM_STMT_SEND_LONG_DATA = 0x18,
    COM_STMT_CLOSE = 0x19,
    COM_STMT_RESET = 0x1a,
    COM_STMT_FETCH = 0x1c,
    COM_BINLOG_DUMP_GTID = 0x1e,
    COM_RESET_CONNECTION = 0x1f,
    COM_STMT_BULK_EXECUTE = 0xfa /* MariaDB */
};
/* "COM_QUERY"; NULL when no command has this number. */
const char *mysql_command_name(uint8_t command);

/* Length-encoded integer and string. NULL (0xfb) is told by *ret_null, which may be NULL. */
uint64_t my_lenenc(struct cursor *c);
struct slice my_lenenc_text(struct cursor *c, bool *ret_null);
struct slice my_cstring(struct cursor *c);

struct my_greeting {
    struct slice version;
    uint32_t capabilities, maria_capabilities;
    uint32_t thread_id;
};
/* Body of a handshake packet, version 10. */
bool my_parse_greeting(struct slice body, struct my_greeting *ret);

struct my_login {
    uint32_t capabilities, maria_capabilities;
    bool is_ssl_request;
    struct slice user, database, plugin;
    struct slice attributes; /* lenenc pairs */
};
bool my_parse_login(struct slice body, struct my_login *ret);

struct my_ok {
    uint64_t affected_rows, insert_id;
    uint16_t status, warnings;
    struct slice info, schema; /* schema: that the session tracker reports, else empty */
};
/* Body of an OK packet (0x00, or 0xfe at the end of rows). */
bool my_parse_ok(struct slice body, uint32_t capabilities, struct my_ok *ret);

struct my_error {
    uint16_t code;
    struct slice state, message;
};
bool my_parse_error(struct slice body, struct my_error *ret);

struct my_column {
    struct slice name;
    uint8_t type;
    bool is_unsigned, is_bytes;
};
bool my_parse_column(struct slice body, uint32_t maria_capabilities, struct my_column *ret);

/* The next binary value of a row or parameter as text: borrows, or lies in scratch (MY_TEXT_MAX).
 * False when it is not there. */
bool my_binary_value(struct cursor *c, uint8_t type, bool is_unsigned, char *scratch,
                     struct slice *ret);

#endif
