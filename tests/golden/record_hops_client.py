"""Calls through proxies from eight threads, some with an id of their own (printed), some without: record_hops_client.py HOST PORT."""
import http.client, sys, threading

HOST, PORT = sys.argv[1], int(sys.argv[2])
printed = threading.Lock()


def run(thread):
    c = http.client.HTTPConnection(HOST, PORT)
    for n in range(40):
        name = f"{thread}-{n}"
        headers = {} if n % 5 == 4 else {"X-Request-ID": name}
        if n % 7 == 3:
            c.request("POST", "/put", body=b"y" * 5000, headers=headers)
        else:
            c.request("GET", ("/hello.txt", "/big.txt?of=" + name, "/fails", "/missing")[n % 4], headers=headers)
        c.getresponse().read()
        if headers:
            with printed:
                print(name, flush=True)
    c.close()


threads = [threading.Thread(target=run, args=(t,)) for t in range(8)]
for t in threads:
    t.start()
for t in threads:
    t.join()
