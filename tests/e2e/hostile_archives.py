"""Archives made to do harm, out of a good one: usage hostile_archives.py GOOD.tar FOLDER."""
import io, os, sys, tarfile

good = tarfile.open(sys.argv[1])
members = [(m, good.extractfile(m).read() if m.isreg() else b"") for m in good.getmembers()]
os.makedirs(sys.argv[2])


def write(name, change):
    """change(list of (TarInfo, bytes)) → list; the id stays, so a good archive is "already here" and refused as well: only the reason differs."""
    with tarfile.open(f"{sys.argv[2]}/{name}.tar", "w", format=tarfile.PAX_FORMAT) as out:
        for info, data in change([(tarfile.TarInfo(m.name), d) for m, d in members]):
            info.size = len(data) if info.isreg() else 0
            out.addfile(info, io.BytesIO(data) if info.isreg() else None)


def extra(name, data=b"evil", **fields):
    info = tarfile.TarInfo(name)
    for key, value in fields.items():
        setattr(info, key, value)
    return lambda entries: entries + [(info, data)]


def first(name, data=b"evil", **fields):
    add = extra(name, data, **fields)
    return lambda entries: add([]) + entries


data_file = next(m.name for m, _ in members if m.name.endswith((".pcapng", ".zst")))
write("dotdot", extra("../trawl-evil"))
write("dotdot_deep", extra("nodes/../../../../../../tmp/trawl-evil"))
write("absolute", extra("/tmp/trawl-evil"))
write("symlink", lambda e: extra("nodes/link", b"", type=tarfile.SYMTYPE, linkname="/tmp")(e) + extra("nodes/link/trawl-evil")([]))
write("symlink_manifest", lambda e: first("manifest.json", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd")(e))
write("hardlink", extra("nodes/hard", b"", type=tarfile.LNKTYPE, linkname="/etc/passwd"))
write("device", extra("nodes/null", b"", type=tarfile.CHRTYPE, devmajor=1, devminor=3))
write("fifo", extra("nodes/fifo", b"", type=tarfile.FIFOTYPE))
write("duplicate", lambda e: e + [e[-1]])
write("duplicate_manifest", lambda e: e + [e[0]])
write("unlisted", extra("nodes/trawl-evil.pcapng", b"x" * 1000))
write("odd_name", extra("nodes/a\nb\x1b[31m"))
write("long_name", extra("nodes/" + "x" * 5000))
write("many_files", lambda e: e + [(tarfile.TarInfo(f"nodes/n/{i}"), b"") for i in range(20000)])
write("no_manifest", lambda e: [x for x in e if x[0].name != "manifest.json"])
write("manifest_last", lambda e: [x for x in e if x[0].name != "manifest.json"] + [x for x in e if x[0].name == "manifest.json"])
write("manifest_noise", lambda e: [(i, os.urandom(len(d)) if i.name == "manifest.json" else d) for i, d in e])
write("manifest_deep", lambda e: [(i, b"[" * 500000 if i.name == "manifest.json" else d) for i, d in e])
write("manifest_huge", lambda e: [(i, d[:-1] + b"," + b" " * (80 << 20) + b"}" if i.name == "manifest.json" else d) for i, d in e])
write("manifest_changed", lambda e: [(i, d.replace(b'"created_by"', b'"Created_by"', 1).replace(b"packets", b"packetz", 1) if i.name == "manifest.json" else d) for i, d in e])
write("wrong_sum", lambda e: [(i, d[:-1] + bytes([d[-1] ^ 1]) if i.name == data_file else d) for i, d in e])
write("short_file", lambda e: [(i, d[: len(d) // 2] if i.name == data_file else d) for i, d in e])
write("long_file", lambda e: [(i, d + b"\0" * 1000 if i.name == data_file else d) for i, d in e])
write("missing_file", lambda e: [x for x in e if x[0].name != data_file])
whole = open(sys.argv[1], "rb").read()
for name, data in {
    "truncated_half": whole[: len(whole) // 2],
    "truncated_header": whole[:700],
    "noise_after_header": whole[:512] + os.urandom(100000),
    "broken_header_sum": whole[:148] + b"9999999\0" + whole[156:],
    "huge_size": whole[:124] + b"\x80" + b"\0" * 3 + b"\x7f" + b"\xff" * 7 + whole[136:],
    "negative_size": whole[:124] + b"\xff" * 12 + whole[136:],
}.items():
    open(f"{sys.argv[2]}/{name}.tar", "wb").write(data)
# a bomb: 4 GiB of zeros in a few hundred KiB of gzip
import gzip
with gzip.open(f"{sys.argv[2]}/bomb.pcap.gz", "wb", compresslevel=9) as out:
    out.write(b"\xd4\xc3\xb2\xa1\x02\0\x04\0" + b"\0" * 8 + b"\xff\xff\x03\0\x01\0\0\0")
    block = b"\0\0\0\0\0\0\0\0\xff\xff\xff\x7f\xff\xff\xff\x7f" + bytes(1 << 20)
    for _ in range(64):
        out.write(block)
