"""Commands of many kinds to the redis-server of record_redis.sh; prints what each must look like as an entry."""
import json
import socket
import subprocess
import sys

HOST, PORT = sys.argv[1], int(sys.argv[2])


def expect(**fields):
    print(json.dumps({name.replace("__", "."): value for name, value in fields.items()}))


def encode(*words):
    words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


class Client:
    def __init__(self):
        self.socket = socket.create_connection((HOST, PORT))
        self.file = self.socket.makefile("rb")

    def send(self, *commands):
        self.socket.sendall(b"".join(encode(*command) for command in commands))

    def reply(self):
        """(bytes on the wire, type byte, value) of the next reply."""
        line = self.file.readline()
        kind, text = line[:1], line[1:-2]
        if kind in b"$=!":
            if text == b"-1":
                return line, kind, None
            data = self.file.read(int(text) + 2)
            return line + data, kind, data[:-2].decode()
        if kind in b"*~>%|":
            wire, values = line, []
            for _ in range(max(0, int(text)) * (2 if kind in b"%|" else 1)):
                more, _, value = self.reply()
                wire += more
                values.append(value)
            return wire, kind, values
        return line, kind, text.decode()


TYPES = {b"+": "string", b"-": "error", b":": "integer", b"$": "bulk", b"*": "array", b"%": "map", b"~": "set",
         b"_": "nil", b",": "double", b"#": "boolean", b">": "push", b"=": "verbatim", b"(": "bignum"}


def run(client, *commands, db=0):
    """A pipeline; prints one line a command after its reply."""
    client.send(*commands)
    for command in commands:
        wire, kind, value = client.reply()
        name = str(command[0]).upper()
        expect(redis_command=name, redis_request_size=len(encode(*command)), redis_response_size=len(wire),
               redis_type="nil" if value is None else TYPES[kind], status="error" if kind in b"-!" else "ok",
               redis_error=value if kind in b"-!" else None, redis_db=db, incomplete=False)


def resp2():
    client = Client()
    run(client, ("PING",))
    run(client, ("SET", "greeting", "hello, world"))
    run(client, ("GET", "greeting"))
    run(client, ("GET", "absent"))
    run(client, ("LPUSH", "list", "a", "b", "c"))
    run(client, ("LRANGE", "list", 0, -1))
    run(client, ("INCR", "greeting"))
    run(client, ("NOSUCHCOMMAND", "x"))
    run(client, ("SET", "big", "v" * 200000))
    run(client, ("GET", "big"))
    run(client, ("SET", "binary", bytes(range(256))))
    run(client, *[("INCR", "counter") for _ in range(300)])
    run(client, ("MULTI",), ("INCR", "counter"), ("GET", "greeting"), ("EXEC",))
    run(client, ("SELECT", 3))
    run(client, ("SET", "in", "three"), db=3)
    run(client, ("DBSIZE",), db=3)
    run(client, ("EVAL", "return {1,2,{3,'x'},redis.call('GET',KEYS[1])}", 1, "in"), db=3)


def resp3():
    client = Client()
    run(client, ("HELLO", 3))
    run(client, ("HSET", "hash", "f", "v", "g", "w"))
    run(client, ("HGETALL", "hash"), ("SADD", "set", "a", "b"), ("SMEMBERS", "set"), ("GET", "absent"))
    run(client, ("ZADD", "zset", "1.5", "m"), ("ZSCORE", "zset", "m"), ("LOLWUT", "VERSION", 5, 1, 1, 1))


def inline():
    client = Client()
    client.socket.sendall(b"SET inline \"a b\"\r\nGET inline\r\n")
    for name, wire in (("SET", b"+OK\r\n"), ("GET", b"$3\r\na b\r\n")):
        assert client.reply()[0] == wire
        expect(redis_command=name, redis_key="inline", redis_value="a b", redis_response_size=len(wire))


def publish_and_subscribe():
    listener, speaker = Client(), Client()
    listener.send(("SUBSCRIBE", "news", "weather"))
    assert listener.reply()[2][2] == "1" and listener.reply()[2][2] == "2"
    expect(redis_command="SUBSCRIBE", redis_key="news", redis_type="array", status="ok")
    for i in range(5):
        run(speaker, ("PUBLISH", "news", f"message {i}"))
        assert listener.reply()[2] == ["message", "news", f"message {i}"]
        expect(redis_command="MESSAGE", redis_key="news", redis_value=f"message {i}", status="ok")
    listener.send(("UNSUBSCRIBE", "news", "weather"))
    listener.reply(), listener.reply()
    expect(redis_command="UNSUBSCRIBE", redis_key="news", status="ok")


def cli():
    done = subprocess.run(["redis-cli", "-h", HOST, "-p", str(PORT), "APPEND", "log", "line"], capture_output=True,
                          text=True, check=True)
    expect(redis_command="APPEND", redis_key="log", redis_value="line", response__body=done.stdout.strip())
    done = subprocess.run(["redis-cli", "-3", "-h", HOST, "-p", str(PORT), "STRLEN", "log"], capture_output=True,
                          text=True, check=True)
    expect(redis_command="HELLO", redis_type="map", status="ok")
    expect(redis_command="STRLEN", redis_key="log", response__body=done.stdout.strip())
    lines = b"".join(encode("SET", f"bulk{i}", i) for i in range(500))
    done = subprocess.run(["redis-cli", "-h", HOST, "-p", str(PORT), "--pipe"], input=lines, capture_output=True, check=True)
    assert b"errors: 0, replies: 500" in done.stdout, done.stdout
    for i in range(500):
        expect(redis_command="SET", redis_key=f"bulk{i}", redis_value=str(i), redis_type="string")
    expect(redis_command="ECHO", redis_type="bulk")  # how --pipe finds the end


def waiting():
    client = Client()
    client.send(("BLPOP", "nothing", 0))
    client.socket.shutdown(socket.SHUT_WR)
    client.socket.close()
    expect(redis_command="BLPOP", redis_key="nothing", status="no_response")


resp2()
resp3()
inline()
publish_and_subscribe()
cli()
waiting()
