#!/usr/bin/env python3
"""Replays conversations of editors with `towline lsp`.

A conversation is a JSON file: who speaks, and steps. Each step is one of

    {"request": METHOD, "params": ..., "answer": PATTERN}   or "fails": PATTERN
    {"notify": METHOD, "params": ...}
    {"hear": METHOD, "params": PATTERN}       what the server has said or will say
    {"write": PATH, "text": ...}, {"holds": PATH, "text": ...}
    {"choose": TITLE}                         of the last answer, a code action
    {"execute": "chosen", "answer": PATTERN}  as the client executes it

A PATTERN matches a value that has at least what it has: objects by their keys,
lists if each element of the pattern is matched by some element, "*" anything.
`${root}`, `${there}`, `${uri}` and `${pid}` stand for the workspace, the target,
the workspace's URI and this process.

The server may ask only what the client announced: that is checked at each request.
"""

import json
import os
import pathlib
import subprocess
import sys
import threading
import time

PATIENCE_S = 20

# What the client must have announced for the server to ask: a path in its
# capabilities, and the answer.
ASKABLE = {
    "window/workDoneProgress/create": ("window.workDoneProgress", None),
    "workspace/configuration": ("workspace.configuration", [None]),
    "workspace/applyEdit": ("workspace.applyEdit", {"applied": True}),
    "workspace/workspaceFolders": ("workspace.workspaceFolders", None),
    "workspace/codeLens/refresh": ("workspace.codeLens.refreshSupport", None),
    "workspace/diagnostic/refresh": ("workspace.diagnostics.refreshSupport", None),
    "window/showDocument": ("window.showDocument.support", {"success": True}),
    "window/showMessageRequest": (None, None),
    "client/registerCapability": (None, None),
}


class Failed(Exception):
    """A step that did not go as the conversation says."""


def matches(pattern, value):
    """Whether `value` has at least what `pattern` has."""
    if pattern == "*":
        return True
    if isinstance(pattern, dict):
        return isinstance(value, dict) and all(
            key in value and matches(part, value[key]) for key, part in pattern.items()
        )
    if isinstance(pattern, list):
        if not isinstance(value, list) or (not pattern and value):
            return False
        return all(any(matches(part, element) for element in value) for part in pattern)
    return pattern == value


def params_of(step):
    """The params as the client sends them: some send null, some nothing."""
    return {"params": step["params"]} if "params" in step else {}


def dig(value, path):
    """What stands at a dotted path, None if nothing does."""
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


class Server:
    """A running `towline lsp` and what it said."""

    def __init__(self, root):
        self.process = subprocess.Popen(
            ["towline", "lsp"], cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.capabilities = {}
        self.asked_wrongly = []
        self.heard = []
        self.answers = {}
        self.changed = threading.Condition()
        self.next_id = 0
        threading.Thread(target=self._listen, daemon=True).start()

    def request(self, method, **params):
        """The server's whole answer."""
        if method == "initialize":
            self.capabilities = params["params"]["capabilities"]
        self.next_id += 1
        own_id = self.next_id
        self._send({"id": own_id, "method": method, **params})
        return self.wait(f"an answer to {method}", lambda: self.answers.pop(own_id, None))

    def notify(self, method, **params):
        self._send({"method": method, **params})

    def wait(self, what, found):
        """What `found` gives once it gives something."""
        deadline = time.monotonic() + PATIENCE_S
        with self.changed:
            while True:
                value = found()
                if value:
                    return value
                left = deadline - time.monotonic()
                if left <= 0 or self.process.poll() is not None:
                    state = self.process.poll()
                    raise Failed(f"{what} never came; the server's status: {state}")
                self.changed.wait(min(left, 0.05))

    def _send(self, message):
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.process.stdin.flush()

    def _listen(self):
        out = self.process.stdout
        while True:
            length = 0
            while line := out.readline().strip():
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            if not length:
                break
            self._take(json.loads(out.read(length)))
        with self.changed:
            self.changed.notify_all()

    def _take(self, message):
        with self.changed:
            if "method" not in message:
                self.answers[message["id"]] = message
            elif "id" in message:
                self._answer(message)
            else:
                self.heard.append(message)
            self.changed.notify_all()

    def _answer(self, message):
        method = message["method"]
        needed, result = ASKABLE.get(method, ("", None))
        if needed is not None and not dig(self.capabilities, needed):
            self.asked_wrongly.append(method)
        if method == "client/registerCapability":
            for wanted in message["params"]["registrations"]:
                section, _, feature = wanted["method"].partition("/")
                if not dig(self.capabilities, f"{section}.{feature}.dynamicRegistration"):
                    self.asked_wrongly.append(wanted["method"])
        if method == "window/showMessageRequest":
            result = message["params"]["actions"][0]
        self._send({"id": message["id"], "result": result})


class Replay:
    """One conversation, step by step."""

    def __init__(self, conversation, root, there):
        self.places = {
            "${root}": str(root),
            "${there}": str(there),
            "${uri}": root.as_uri(),
        }
        self.conversation = conversation
        self.server = Server(root)
        self.last = None
        self.chosen = None

    def run(self):
        """How many steps went as they should."""
        for number, step in enumerate(self.conversation["steps"], 1):
            step = self._filled(step)
            try:
                self._step(step)
            except Failed as failure:
                raise Failed(f"step {number}, {json.dumps(step)[:200]}: {failure}") from None
            if self.server.asked_wrongly:
                raise Failed(
                    f"step {number}: the server asked for what the client did not announce: "
                    f"{self.server.asked_wrongly}"
                )
        try:
            self.server.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            raise Failed("the server lives on after exit") from None
        return len(self.conversation["steps"])

    def _filled(self, value):
        if isinstance(value, dict):
            return {self._filled(key): self._filled(part) for key, part in value.items()}
        if isinstance(value, list):
            return [self._filled(part) for part in value]
        if value == "${pid}":
            return os.getpid()
        if isinstance(value, str):
            for name, place in self.places.items():
                value = value.replace(name, place)
        return value

    def _step(self, step):
        if "request" in step:
            self._expect(step, self.server.request(step["request"], **params_of(step)))
        elif "notify" in step:
            self.server.notify(step["notify"], **params_of(step))
        elif "hear" in step:
            self._hear(step["hear"], step["params"])
        elif "write" in step:
            pathlib.Path(step["write"]).write_text(step["text"])
        elif "holds" in step:
            self._holds(pathlib.Path(step["holds"]), step["text"])
        elif "choose" in step:
            self._choose(step["choose"])
        elif "execute" in step:
            params = {key: self.chosen[key] for key in ("command", "arguments")}
            answer = self.server.request("workspace/executeCommand", params=params)
            self._expect(step, answer)
        else:
            raise Failed("no such kind of step")

    def _expect(self, step, answer):
        if "fails" in step:
            if not matches(step["fails"], answer.get("error")):
                raise Failed(f"it did not fail so: {json.dumps(answer)[:1000]}")
        elif "error" in answer or not matches(step.get("answer", "*"), answer["result"]):
            raise Failed(f"the answer is another one: {json.dumps(answer)[:2000]}")
        self.last = answer.get("result")

    def _hear(self, method, pattern):
        # The last word counts: an older one may be of a state that is over.
        def found():
            said = [m["params"] for m in self.server.heard if m["method"] == method]
            uri = pattern.get("uri")
            said = [params for params in said if uri is None or params.get("uri") == uri]
            return said and matches(pattern, said[-1])

        try:
            self.server.wait(method, found)
        except Failed as failure:
            said = [m["params"] for m in self.server.heard if m["method"] == method]
            raise Failed(f"{failure}; last: {json.dumps(said[-1:])[:1000]}") from None

    def _holds(self, path, text):
        self.server.wait(
            f"{text!r} in {path}", lambda: path.exists() and path.read_text() == text
        )

    def _choose(self, title):
        for action in self.last or []:
            if title in action["title"].lower():
                # A command by itself, or an action that carries one.
                inner = action["command"]
                self.chosen = action if isinstance(inner, str) else inner
                return
        raise Failed(f"no action is called {title}: {json.dumps(self.last)[:1000]}")


def main():
    root = pathlib.Path(os.environ["TOWLINE_TEST_WORKSPACE"]).resolve()
    there = pathlib.Path(os.environ["TOWLINE_TEST_THERE"]).resolve()
    conversation = json.loads(pathlib.Path(sys.argv[1]).read_text())
    replay = Replay(conversation, root, there)
    try:
        steps = replay.run()
    except Failed as failure:
        print(f"FAIL  {conversation['client']}: {failure}")
        print("\n0 passed, 1 failed")
        return 1
    finally:
        if replay.server.process.poll() is None:
            replay.server.process.kill()
    print(f"ok    {conversation['client']}: {steps} steps\n\n{steps} passed, 0 failed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
