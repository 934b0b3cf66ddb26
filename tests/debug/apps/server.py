"""A web server that computes sums, with a heartbeat that notes how long it stood still."""
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

gap = 0


def beat():
    global gap
    last = time.monotonic()
    while True:
        time.sleep(0.001)
        now = time.monotonic()
        gap = max(gap, now - last)
        last = now


def work(n):
    total = 0
    for i in range(1, n + 1):
        total += i * i  # break here
    return total


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        global gap
        if self.path == "/health":
            text = "ok"
        elif self.path == "/gap":
            text, gap = "gap=%d" % (gap * 1e6), 0
        else:
            text = "total=%d" % work(int(self.path.rsplit("/", 1)[1]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *args):
        pass


threading.Thread(target=beat, daemon=True).start()
server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever(poll_interval=float(sys.argv[1]) if len(sys.argv) > 1 else 0.5)
