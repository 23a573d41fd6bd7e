"""Drives two p2p-node processes by lines of JSON, as a program in any language would.

Standard library only. Run as: python3 p2p_node_driver.py <command…>, with the environment of the
processes. Prints one line for each step that holds; ends with 1, and says why, at the first that
does not.
"""

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time

COMMAND = sys.argv[1:]
WAIT_S = 60
KEYS = ["11" * 32, "22" * 32]


class Node:
    """One process, and what it has said that nobody has asked for yet."""

    def __init__(self, folder, key=None, words=()):
        env = dict(os.environ)
        env.update(
            P2P_DATA=folder,
            P2P_NETWORK_PRESET="test",
            P2P_NETWORK_LISTEN_ADDRESSES="/ip4/127.0.0.1/tcp/0",
        )
        env.pop("PRIVATE_KEY", None)
        if key is not None:
            path = folder + ".env"
            with open(path, "w", encoding="utf8") as file:
                file.write("# an agent\nPRIVATE_KEY=0x%s\n" % key)
            words = (*words, "-e", path)
        self.argv = [*COMMAND, *words]
        self.process = subprocess.Popen(
            self.argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=env,
        )
        self.said = []
        self.raw = bytearray()
        self.errors = bytearray()
        self.lines = queue.Queue()
        self.last_id = 0
        for reader in (self.read_lines, self.read_errors):
            threading.Thread(target=reader, daemon=True).start()

    def read_lines(self):
        for line in self.process.stdout:
            self.raw += line
            self.lines.put(json.loads(line))
        self.lines.put(None)

    def read_errors(self):
        for line in self.process.stderr:
            self.errors += line

    def write(self, data):
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def event(self, **wanted):
        """The next event that has these fields, however many come before it."""
        for index, event in enumerate(self.said):
            if fits(event, wanted):
                return self.said.pop(index)
        end = time.monotonic() + WAIT_S
        while True:
            try:
                event = self.lines.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                fail("%s has not come; there is %s" % (wanted, self.said[-20:]), self)
            if event is None:
                fail("the process ended before %s" % wanted, self)
            if fits(event, wanted):
                return event
            self.said.append(event)

    def ask(self, **command):
        """Sends a command and returns the first answer with its id."""
        self.last_id += 1
        command["id"] = "c%d" % self.last_id
        self.write(json.dumps(command).encode() + b"\n")
        return self.event(id=command["id"])

    def end(self):
        """The exit code."""
        try:
            return self.process.wait(WAIT_S)
        except subprocess.TimeoutExpired:
            fail("the process does not end", self)


def fits(event, wanted):
    return all(event.get(name) == value for name, value in wanted.items())


def fail(reason, node=None):
    print("FAILED: %s" % reason)
    if node is not None:
        print(bytes(node.errors).decode(errors="replace")[-2000:])
    for each in NODES:
        each.process.kill()
    sys.exit(1)


def expect(found, wanted, what, node=None):
    if found != wanted:
        fail("%s: found %r, wanted %r" % (what, found, wanted), node)


def holds(step):
    print("ok %s" % step, flush=True)


NODES = []


def wrong_lines(node):
    """The documented answer to everything that is no command, and the process goes on."""
    for line in (b"{", b"[1]", b"nonsense", b'"\xff"', b'{"type":"x","__proto__":1}'):
        node.write(line + b"\n")
        event = node.event(type="error")
        expect(event["code"], "PROTOCOL_JSON_MALFORMED", line, node)
    for line in ({}, {"type": 7}, {"type": "fly"}):
        expect(node.ask(**line)["code"], "PROTOCOL_TYPE_UNKNOWN", line, node)
    for line in ({"type": "discover"}, {"type": "connect", "port": "x"}):
        expect(node.ask(**line)["code"], "PROTOCOL_COMMAND_INVALID", line, node)
    node.write(b'{"type":"send","data":"' + b"x" * (2 * 1024 * 1024) + b'"}\n')
    expect(node.event(type="error")["code"], "PROTOCOL_LINE_TOO_LONG", "2 MiB", node)
    expect(node.ask(type="fly")["code"], "PROTOCOL_TYPE_UNKNOWN", "after 2 MiB", node)
    expect(node.ask(type="discover", topic="t")["code"], "PROTOCOL_STATE_WRONG", "early", node)
    holds("wrong lines are answered, and the process goes on")


def every_offset(node):
    text = '{"type":"fly","id":"zwölf"}\n'.encode()
    for at in range(1, len(text)):
        node.write(text[:at])
        time.sleep(0.002)
        node.write(text[at:])
        expect(node.event(id="zwölf")["code"], "PROTOCOL_TYPE_UNKNOWN", at, node)
    node.write(b"\n\r\n" + text + text)
    node.event(id="zwölf")
    node.event(id="zwölf")
    holds("a line may be cut at any of its %d bytes" % (len(text) - 1))


def meet(one, two):
    ready = one.ask(type="connect", port=0)
    expect(ready["type"], "ready", ready, one)
    if not ready["peerId"].startswith("12D3KooW"):
        fail("ready.peerId is %r" % ready["peerId"])
    one.event(type="log", namespace="identity")
    address = next(each for each in ready["listen"] if "/tcp/" in each)
    busy = int(address.split("/tcp/")[1].split("/")[0])
    refused = two.ask(type="connect", port=busy)
    expect((refused["type"], refused["code"]), ("error", "RESOURCE_PORT_IN_USE"), refused, two)
    holds("a busy port is told, and another can be tried")
    other = two.ask(type="connect", port=0, bootstrapPeers=[address])
    expect(other["type"], "ready", other, two)
    expect(two.ask(type="connect", port=1)["code"], "PROTOCOL_STATE_WRONG", "second port", two)
    holds("connect makes a node ready")
    return ready, other


def topics(one, two, ready):
    for node in (one, two):
        expect(node.ask(type="subscribe", topic="weather")["message"], "subscribed", "topic", node)
    for _ in range(WAIT_S):
        found = two.ask(type="discover", topic="weather")
        if found["type"] == "peer_discovered":
            break
        expect(found["message"], "search ended", found, two)
        time.sleep(1)
    expect((found["peerId"], found["topics"]), (ready["peerId"], ["weather"]), found, two)
    two.event(type="log", message="search ended", id=found["id"])
    holds("discover finds who subscribes")
    told = one.ask(v=2, type="publish", topic="weather", data={"rain": True})
    expect((told["type"], told["result"]["state"]), ("result", "sent"), told, one)
    message = two.event(type="message", topic="weather")
    expect((message["from"], message["data"]), (ready["peerId"], {"rain": True}), message, two)
    holds("subscribe tells messages of the topic")


def messages(one, two, ready, other):
    data = {"text": "grüß dich", "list": [1, 2.5, None], "deep": {"a": [{}]}}
    for to in (other["peerId"], other["ethAddress"], "*"):
        sent = one.ask(type="send", peerId=to, data=data)
        expect(sent["type"], "delivery", sent, one)
        message = two.event(type="message", messageId=sent["messageId"])
        expect(message["data"], data, to, two)
        expect(message["from"], ready["ethAddress"], "from", two)
        if to != "*":
            # Whoever is told a message has read it.
            if sent["state"] != "read":
                one.event(type="delivery", messageId=sent["messageId"], state="read")
            answer = two.ask(
                type="send",
                peerId=message["from"],
                data="answer",
                replyTo=message["messageId"],
                conversation="c",
            )
            reply = one.event(type="message", messageId=answer["messageId"])
            expect((reply["replyTo"], reply["conversation"]), (sent["messageId"], "c"), reply, one)
    large = "x" * (512 * 1024 - 2)
    sent = one.ask(type="send", peerId=other["peerId"], data=large)
    expect(two.event(type="message", messageId=sent["messageId"])["data"], large, "512 KiB", two)
    refused = one.ask(type="send", peerId=other["peerId"], data=large + "x")
    expect(refused["code"], "PROTOCOL_COMMAND_INVALID", "more than 512 KiB", one)
    refused = one.ask(type="send", peerId="nobody", data=1)
    expect(refused["code"].split("_")[0], "PROTOCOL", refused, one)
    holds("send reaches a peer, an address and everybody, and tells how far it came")


def second_version(one, ready, other):
    status = one.ask(v=2, type="status")
    expect((status["v"], status["type"]), (2, "result"), status, one)
    expect(status["result"]["peerId"], ready["peerId"], status, one)
    ping = one.ask(v=2, type="ping", peer=other["peerId"])
    expect(ping["result"]["peer"], other["peerId"], ping, one)
    expect(one.ask(v=2, type="ping")["code"], "CONTROL_STDIO_COMMAND_INVALID", "ping", one)
    expect(one.ask(v=2, type="prove")["code"], "CONTROL_STDIO_HTTP_ONLY", "prove", one)
    expect(one.ask(v=2, type="fly")["code"], "CONTROL_STDIO_TYPE_UNKNOWN", "fly", one)
    event = one.ask(v=2, type="events")
    expect((event["type"], event["event"]["event"]), ("event", "ready"), event, one)
    cancelled = one.ask(v=2, type="cancel", of=event["id"])
    expect(cancelled["result"], {"cancelled": True}, cancelled, one)
    one.event(type="result", id=event["id"])
    holds("the second version has the operations of the API")


def ends(one, two, folder):
    expect(one.ask(type="shutdown")["message"], "stopping", "shutdown", one)
    expect(one.end(), 0, "exit code after shutdown", one)
    gone = two.event(type="error", code="NETWORK_PEER_DISCONNECTED")
    expect(gone["retryable"], True, gone, two)
    two.process.send_signal(signal.SIGTERM)
    expect(two.end(), 0, "exit code after SIGTERM", two)
    three = Node(os.path.join(folder, "three"), words=("-p", "0", "-n", "agent3"))
    NODES.append(three)
    three.write(b'{"type":"connect","id":1}\n')
    expect(three.event(id=1)["type"], "ready", "without a key", three)
    three.process.stdin.close()
    expect(three.end(), 0, "exit code at the end of input", three)
    wrong = subprocess.run([*COMMAND, "-k", "0x00"], capture_output=True, timeout=WAIT_S)
    expect(wrong.returncode, 2, "exit code of an unknown flag")
    expect(json.loads(wrong.stdout)["code"], "PROTOCOL_CONFIGURATION", "an unknown flag")
    holds("shutdown, SIGTERM and the end of input end it with 0")


def secrets():
    for node in NODES:
        told = bytes(node.raw) + bytes(node.errors) + " ".join(node.argv).encode()
        for key in KEYS:
            if key.encode() in told.lower():
                fail("a key is told")
        if node.errors:
            fail("standard error is not empty: %s" % bytes(node.errors)[:500])
    holds("no key is told, and standard error is empty")


def main():
    with tempfile.TemporaryDirectory(prefix="p2p-node-") as folder:
        one, two = (Node(os.path.join(folder, name), key) for name, key in zip("ab", KEYS))
        NODES.extend((one, two))
        try:
            wrong_lines(one)
            every_offset(one)
            ready, other = meet(one, two)
            topics(one, two, ready)
            messages(one, two, ready, other)
            second_version(one, ready, other)
            ends(one, two, folder)
            secrets()
        finally:
            for node in NODES:
                node.process.kill()
                node.process.wait()


main()
