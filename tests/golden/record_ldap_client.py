"""Operations of many kinds to the slapd of record_ldap.sh; prints what each must look like as an entry."""
import base64
import json
import re
import subprocess
import sys

import ldap3
from ldap3.operation.abandon import abandon_operation

HOST, WORK = sys.argv[1:3]
BASE = "dc=example,dc=com"
PEOPLE = "ou=people," + BASE
ADMIN, PASSWORD = "cn=admin," + BASE, "wonderland"
NO_ERRORS = (0, 5, 6, 10, 14)


def expect(kind, dn, result, **fields):
    fields = {name.replace("__", "."): value for name, value in fields.items()}
    code = None if result is None else result["result"]
    message = None if result is None else result["message"] or None
    print(json.dumps({"ldap_type": kind, "ldap_dn": dn, "ldap_result_code": code, "ldap_error_message": message,
                      "status": "ok" if code is None or code in NO_ERRORS else "error", "incomplete": False, **fields}))


def line(name, value):
    if name.lower() == "userpassword":
        return f"{name}: ***\n"
    if not value:
        return f"{name}:\n"
    try:
        text = value.decode()
        if text[0] not in " :<" and text.isprintable():
            return f"{name}: {text}\n"
    except UnicodeDecodeError:
        pass
    return f"{name}:: {base64.b64encode(value).decode()}\n"


def ldif(responses):
    text = ""
    for one in responses:
        if one["type"] == "searchResRef":
            text += "".join(f"ref: {uri}\n" for uri in one["uri"]) + "\n"
        else:
            lines = [line(name, value) for name, values in one["raw_attributes"].items() for value in values or [b""]]
            text += line("dn", one["dn"].encode()) + "".join(lines) + "\n"
    return text or None


def expect_search(base, scope, text, responses, result, **fields):
    entries = [one for one in responses if one["type"] == "searchResEntry"]
    expect("search", base or None, result, ldap_scope=scope, ldap_filter=text, ldap_entries=len(entries),
           ldap_references=len(responses) - len(entries), response__body=ldif(responses), **fields)


def server():
    return ldap3.Server(HOST, get_info=ldap3.NONE)


def connect(strategy=ldap3.SYNC, **options):
    connection = ldap3.Connection(server(), client_strategy=strategy, **options)
    connection.open()
    return connection


def logged_in(strategy=ldap3.SYNC):
    connection = connect(strategy, user=ADMIN, password=PASSWORD, raise_exceptions=False)
    connection.bind()
    expect("bind", ADMIN, {"result": 0, "message": ""}, ldap_mechanism="simple")
    return connection


def leave(connection):
    connection.unbind()
    expect("unbind", None, None)


def person(i):
    return {"objectClass": ["inetOrgPerson"], "cn": [f"Person {i}"], "sn": ["Šťastná" if i % 3 else f"P{i}"], "uid": [f"p{i}"],
            "mail": [f"p{i}@example.com"], "userPassword": ["christmas"], "jpegPhoto": [bytes([255, 216, i % 256]) * (1 + i % 40)]}


def added_lines(attributes):
    return "".join(line(name, value if isinstance(value, bytes) else value.encode())
                   for name, values in attributes.items() for value in values)


def many_at_a_time():
    """Adds, then searches and modifications: 50 wait for their answers together."""
    connection = logged_in(ldap3.ASYNC)
    for first in range(0, 800, 50):
        asked = [(i, connection.add(f"uid=p{i},{PEOPLE}", attributes=person(i))) for i in range(first, first + 50)]
        for i, number in asked:
            _, result = connection.get_response(number)
            expect("add", f"uid=p{i},{PEOPLE}", result, ldap_message_id=number, request__body=added_lines(person(i)))
    for first in range(0, 800, 50):
        asked = [(i, connection.search(PEOPLE, f"(&(uid=p{i})(!(sn=x{i})))", ldap3.SUBTREE, attributes=["cn", "sn", "jpegPhoto"]))
                 for i in range(first, first + 50)]
        changed = [(i, connection.modify(f"uid=p{i},{PEOPLE}", {"description": [(ldap3.MODIFY_REPLACE, [f"nr {i}"])]}))
                   for i in range(first, first + 50)]
        for i, number in reversed(asked):
            responses, result = connection.get_response(number)
            expect_search(PEOPLE, "sub", f"(&(uid=p{i})(!(sn=x{i})))", responses, result, ldap_message_id=number,
                          ldap_attributes=["cn", "sn", "jpegPhoto"])
        for i, number in changed:
            _, result = connection.get_response(number)
            expect("modify", f"uid=p{i},{PEOPLE}", result, ldap_message_id=number,
                   request__body=f"replace: description\ndescription: nr {i}\n-\n")
    leave(connection)


def searches():
    connection = logged_in()
    for text in ("(objectClass=*)", "(|(cn=Person 1)(cn=Person 2*))", "(cn=*erson*7)", "(mail>=p79)", "(mail<=p1)", "(sn~=P3)",
                 "(cn:caseExactMatch:=Person 5)", "(sn=Šťastná)", "(cn=a\\28b\\29\\2a\\5c)"):
        connection.search(PEOPLE, text, ldap3.LEVEL, attributes=["cn", "sn"])
        expect_search(PEOPLE, "one", text, connection.response, connection.result)
    connection.search(BASE, "(ou=*)", ldap3.SUBTREE, attributes=["*"])
    assert [one for one in connection.response if one["type"] == "searchResRef"]
    expect_search(BASE, "sub", "(ou=*)", connection.response, connection.result)
    connection.search("cn=none," + PEOPLE, "(cn=*)", ldap3.BASE)
    expect("search", "cn=none," + PEOPLE, connection.result, ldap_scope="base", ldap_matched_dn=PEOPLE, ldap_entries=0)
    connection.search(PEOPLE, "(uid=*)", ldap3.SUBTREE, size_limit=7)
    expect_search(PEOPLE, "sub", "(uid=*)", connection.response, connection.result)
    connection.search("", "(objectClass=*)", ldap3.BASE, attributes=["namingContexts"])
    expect_search("", "base", "(objectClass=*)", connection.response, connection.result)
    cookie = None
    while cookie != b"":
        connection.search(PEOPLE, "(uid=*)", ldap3.SUBTREE, attributes=["uid"], paged_size=170, paged_cookie=cookie)
        expect_search(PEOPLE, "sub", "(uid=*)", connection.response, connection.result, ldap_controls=["paged results"],
                      ldap_response_controls=["paged results"])
        cookie = connection.result["controls"]["1.2.840.113556.1.4.319"]["value"]["cookie"]
    leave(connection)


def changes():
    connection = logged_in()
    for i in range(100):
        dn = f"uid=p{i},{PEOPLE}"
        connection.compare(dn, "sn", f"P{i}")
        expect("compare", dn, connection.result, request__body=f"sn: P{i}\n")
        connection.modify(dn, {"userPassword": [(ldap3.MODIFY_DELETE, []), (ldap3.MODIFY_ADD, ["mistaken"])]})
        expect("modify", dn, connection.result,
               request__body="delete: userPassword\n-\nadd: userPassword\nuserPassword: ***\n-\n")
        connection.modify(dn, {"mail": [(ldap3.MODIFY_ADD, [f"p{i}@example.com"])]})
        expect("modify", dn, connection.result, ldap_result="attributeOrValueExists")
        if i % 4 == 0:
            connection.modify_dn(dn, f"uid=q{i}", new_superior="ou=past," + BASE)
            expect("modifyDN", dn, connection.result, request__body=f"newrdn: uid=q{i}\ndeleteoldrdn: 1\nnewsuperior: ou=past,{BASE}\n")
        elif i % 4 == 1:
            connection.modify_dn(dn, f"uid=r{i}", delete_old_dn=False)
            expect("modifyDN", dn, connection.result, request__body=f"newrdn: uid=r{i}\ndeleteoldrdn: 0\n")
        elif i % 4 == 2:
            connection.delete(dn)
            expect("delete", dn, connection.result)
    connection.delete(BASE)
    expect("delete", BASE, connection.result, ldap_result="notAllowedOnNonLeaf")
    connection.add(f"uid=p3,{PEOPLE}", attributes=person(3))
    expect("add", f"uid=p3,{PEOPLE}", connection.result, ldap_result="entryAlreadyExists")
    who = connection.extend.standard.who_am_i()
    expect("extended", None, connection.result, ldap_oid="1.3.6.1.4.1.4203.1.11.3", response__body=who)
    connection.extend.standard.modify_password(f"uid=p3,{PEOPLE}", None, "mistaken2")
    expect("extended", None, connection.result, ldap_oid="1.3.6.1.4.1.4203.1.11.1")
    connection.send("abandonRequest", abandon_operation(3))
    expect("abandon", None, None, summary="abandon message 3")
    leave(connection)


def binds():
    connection = connect()
    connection.bind()
    expect("bind", None, connection.result, ldap_mechanism="anonymous")
    for password in ("mistaken", PASSWORD):
        connection.rebind(user=ADMIN, password=password, authentication=ldap3.SIMPLE)
        expect("bind", ADMIN, connection.result, ldap_mechanism="simple")
    leave(connection)
    secured = connect()
    secured.start_tls()
    expect("extended", None, {"result": 0, "message": ""}, ldap_oid="1.3.6.1.4.1.1466.20037", summary="extended StartTLS → success")
    secured.unbind()  # nobody but the peers sees it


def sasl():
    """ldapsearch says how often it was asked for more; what follows a bind that protects is not to be read."""
    for mechanism, limit, protects in (("SCRAM-SHA-256", 0, False), ("DIGEST-MD5", 0, False), ("DIGEST-MD5", 256, True)):
        done = subprocess.run(["ldapsearch", "-H", f"ldap://{HOST}", "-Y", mechanism, "-U", "p3", "-w", "mistaken2", "-N", "-Q",
                               "-O", f"minssf=0,maxssf={limit}", "-LLL", "-b", PEOPLE, "(uid=p7)", "uid"],
                              capture_output=True, text=True, check=False)
        assert done.returncode == 0 and f"dn: uid=p7,{PEOPLE}" in done.stdout, done
        for step in (1, 2):
            print(json.dumps({"ldap_type": "bind", "ldap_mechanism": mechanism, "ldap_sasl_step": step,
                              "ldap_result_code": 14 if step == 1 else 0, "status": "ok"}))
        if not protects:
            print(json.dumps({"ldap_type": "search", "ldap_dn": PEOPLE, "ldap_filter": "(uid=p7)", "ldap_entries": 1, "status": "ok",
                              "response.body": re.sub(r"\n+$", "\n\n", done.stdout)}))
            expect("unbind", None, None)


many_at_a_time()
searches()
changes()
binds()
sasl()
