#!/usr/bin/env python3
"""The app of the journey: serves the files beside it on a port of localhost."""

import http.server
import os
import sys

os.chdir(os.path.dirname(os.path.abspath(__file__)))
server = http.server.ThreadingHTTPServer(
    ("127.0.0.1", int(sys.argv[1])), http.server.SimpleHTTPRequestHandler
)
print(f"listening on {sys.argv[1]}", flush=True)
server.serve_forever()
