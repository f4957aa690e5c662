#!/bin/sh
# OpenLDAP's slapd with ldap3 and ldap-utils: binds (simple, refused, SASL in steps, one whose mechanism protects what
# follows), thousands of operations, many of them at a time on one connection, searches with pages, limits and references,
# StartTLS. What the clients sent and saw is what the entries must say.
set -eu
. "$(dirname "$0")/record.inc" slapd slapadd ldapsearch openssl
# Debian's own Python: the library is a Debian package.
/usr/bin/python3 -c 'import ldap3' 2>/dev/null || { echo "skipped: python3-ldap3 is not installed"; exit 77; }
openssl req -x509 -newkey rsa:2048 -nodes -subj "/CN=$SERVER_IP" -days 2 -keyout "$work/key.pem" -out "$work/cert.pem" 2>/dev/null
mkdir "$work/data"
cat >"$work/slapd.conf" <<CONF
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
TLSCertificateFile $work/cert.pem
TLSCertificateKeyFile $work/key.pem
password-hash {CLEARTEXT}
sasl-host localhost
sasl-secprops none
authz-regexp uid=([^,]*),cn=[^,]*,cn=auth uid=\$1,ou=people,dc=example,dc=com
database mdb
suffix dc=example,dc=com
rootdn cn=admin,dc=example,dc=com
rootpw wonderland
directory $work/data
dbnosync
CONF
cat >"$work/base.ldif" <<'LDIF'
dn: dc=example,dc=com
objectClass: dcObject
objectClass: organization
dc: example
o: Example

dn: ou=people,dc=example,dc=com
objectClass: organizationalUnit
ou: people

dn: ou=past,dc=example,dc=com
objectClass: organizationalUnit
ou: past

dn: ou=elsewhere,dc=example,dc=com
objectClass: referral
objectClass: extensibleObject
ou: elsewhere
ref: ldap://other.example/ou=elsewhere,dc=example,dc=com
LDIF
slapadd -q -f "$work/slapd.conf" -l "$work/base.ldif" >"$work/slapadd.log" 2>&1 || { cat "$work/slapadd.log"; exit 1; }
# -d keeps it in the foreground.
serve slapd -d 0 -f "$work/slapd.conf" -h "ldap://$SERVER_IP:389"
wait_for_port 389
start_recording
in_client /usr/bin/python3 "$here/record_ldap_client.py" "$SERVER_IP" "$work" >"$work/expected.jsonl"
stop_recording
compare ldap
! grep -aqE 'wonderland|christmas|mistaken' "$work/entries.jsonl" || { echo "a password is shown"; exit 1; }
compare_all_losses ldap
