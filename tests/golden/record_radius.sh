#!/bin/sh
# FreeRADIUS with radclient: PAP and CHAP logins that are accepted, refused and challenged, accounting, CoA and Disconnect,
# Status-Server, many at a time; a server that never answers. What radclient printed is what the entries must say.
set -eu
. "$(dirname "$0")/record.inc" freeradius radclient
mkdir "$work/raddb"
cat >"$work/raddb/radiusd.conf" <<CONF
name = radiusd
prefix = $work
logdir = $work
raddbdir = $work/raddb
run_dir = $work
pidfile = $work/radiusd.pid
libdir = /usr/lib/freeradius
max_requests = 4096
log {
    destination = stdout
}
security {
    status_server = yes
}
client test {
    ipaddr = $CLIENT_IP
    secret = testing123
}
modules {
    always ok {
        rcode = ok
    }
    always handled {
        rcode = handled
    }
    always reject {
        rcode = reject
    }
    pap {
    }
    chap {
    }
    files {
        filename = $work/raddb/users
    }
}
server default {
    listen {
        type = auth
        ipaddr = $SERVER_IP
        port = 1812
    }
    listen {
        type = acct
        ipaddr = $SERVER_IP
        port = 1813
    }
    listen {
        type = coa
        ipaddr = $SERVER_IP
        port = 3799
    }
    authorize {
        if (&User-Name == "carol" && !&State) {
            update control {
                &Auth-Type := ask
            }
        }
        files
        chap
        pap
    }
    authenticate {
        Auth-Type PAP {
            pap
        }
        Auth-Type CHAP {
            chap
        }
        Auth-Type ask {
            update control {
                &Response-Packet-Type := Access-Challenge
            }
            update reply {
                &Reply-Message := "Which code?"
                &State := 0x0102030405060708
            }
            handled
        }
    }
    accounting {
        ok
    }
    recv-coa {
        if (&User-Name == "nobody") {
            update reply {
                &Error-Cause := Session-Context-Not-Found
            }
            reject
        }
        ok
    }
}
CONF
cat >"$work/raddb/users" <<'USERS'
alice Cleartext-Password := "wonderland"
	Service-Type = Framed-User, Framed-IP-Address = 192.0.2.7, Reply-Message = "Hello, alice"
carol Cleartext-Password := "christmas"
USERS
ln -s /etc/freeradius/3.0/dictionary "$work/raddb/dictionary"
serve freeradius -f -X -d "$work/raddb"
serve python3 -c "import socket, time
silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
silent.bind(('$SERVER_IP', 1899))
time.sleep(60)"
for _ in $(seq 100); do grep -q 'Ready to process' "$work/server-0.log" 2>/dev/null && break; sleep 0.1; done
grep -q 'Ready to process' "$work/server-0.log" || { cat "$work/server-0.log"; exit 1; }
start_recording
in_client python3 "$here/record_radius_client.py" "$SERVER_IP" >"$work/expected.jsonl"
stop_recording
compare radius
! grep -aqE 'wonderland|christmas|mistaken' "$work/entries.jsonl" || { echo "a password is shown"; exit 1; }
compare_losses radius radius_code radius_code_name radius_username status_code
