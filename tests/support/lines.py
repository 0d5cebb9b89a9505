"""Lines between a device and the server: TCP proxies on loopback that can be cut, held, or made slow."""

import contextlib
import ctypes
import queue
import random
import select
import socket
import threading
import time

LIBC = ctypes.CDLL(None, use_errno=True)


def reset(connection):
    """Ends it with RST, at once, whoever reads from it: connect(2) to nothing."""
    nothing = (ctypes.c_char * 16)()
    with contextlib.suppress(OSError):
        LIBC.connect(connection.fileno(), nothing, 16)


class Line:
    """Forwards a port of its own to the server's. `up`: bytes flow. `hold`: connections stand and nothing moves (packets
    are dropped). `cut`: connections break and new ones are refused."""

    def __init__(self, server_port):
        self.server_port = server_port
        self.state = "up"
        self.lock = threading.Lock()
        self.pairs = {}
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.wake_reader, self.wake_writer = socket.socketpair()
        self.stopping = False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    @property
    def url(self):
        """What a device is told."""
        return f"https://127.0.0.1:{self.port}"

    def set(self, state):
        """up, hold or cut."""
        with self.lock:
            self.state = state
        self.wake_writer.send(b"x")

    def close(self):
        """Ends it."""
        self.stopping = True
        self.wake_writer.send(b"x")
        self.thread.join(10)

    def _drop(self, one):
        other = self.pairs.pop(one, None)
        self.pairs.pop(other, None)
        for end in (one, other):
            if end:
                end.close()

    def _accept(self):
        here, _ = self.listener.accept()
        try:
            there = socket.create_connection(("127.0.0.1", self.server_port), 5)
        except OSError:
            here.close()
            return
        self.pairs[here], self.pairs[there] = there, here

    def _forward(self, one):
        try:
            data = one.recv(65536)
            if data:
                self.pairs[one].settimeout(5)
                self.pairs[one].sendall(data)
                return
        except OSError:
            pass
        self._drop(one)

    def _run(self):
        while not self.stopping:
            with self.lock:
                state = self.state
            watched = [self.wake_reader]
            if state == "cut":
                for end in list(self.pairs):
                    self._drop(end)
            if state != "hold":
                watched += [self.listener, *self.pairs]
            for ready in select.select(watched, [], [], 1)[0]:
                if ready is self.wake_reader:
                    ready.recv(100)
                elif ready is self.listener:
                    if state == "cut":
                        ready.accept()[0].close()
                    else:
                        self._accept()
                elif ready in self.pairs:
                    self._forward(ready)
        for end in list(self.pairs):
            self._drop(end)
        self.listener.close()


class SlowLine:
    """A line that carries so many bytes a second each way, for all connections together, and takes so long from end to end.
    As fast as loopback until it is told otherwise. While `moving` is clear nothing arrives at either end. `break_after`: each
    connection is reset after some number of bytes within that range."""

    def __init__(self, server_port):
        self.server_port = server_port
        self.bytes_per_s, self.delay = None, 0.0
        self.break_after, self.broken = None, 0
        self.carried = [0, 0]              # to the server, from it
        self.free_at = [0.0, 0.0]          # when the line has sent what it was given
        self.lock = threading.Lock()
        self.moving = threading.Event()
        self.moving.set()
        self.stopping = False
        self.ends = []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self):
        """What a device is told."""
        return f"https://127.0.0.1:{self.port}"

    def slow(self, bytes_per_s=None, delay=0.0):
        """From now on."""
        self.bytes_per_s, self.delay = bytes_per_s, delay

    def close(self):
        """Ends it."""
        self.stopping = True
        self.moving.set()
        self.listener.close()
        for end in self.ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _accept(self):
        while not self.stopping:
            try:
                here, _ = self.listener.accept()
                there = socket.create_connection(("127.0.0.1", self.server_port), 5)
            except OSError:
                continue
            there.settimeout(None)
            self.ends += [here, there]
            for way, (source, target) in enumerate(((here, there), (there, here))):
                waiting = queue.Queue(64)
                threading.Thread(target=self._take, args=(way, source, target, waiting), daemon=True).start()
                threading.Thread(target=self._give, args=(target, waiting), daemon=True).start()

    def _take(self, way, source, target, waiting):
        """Reads no more than the line can take: what is behind it stays with the sender."""
        data, left = b"x", random.randrange(*self.break_after) if self.break_after else None
        while data:
            try:
                data = source.recv(2048)
            except OSError:
                data = b""
            if left is not None and data:
                left -= len(data)
                if left < 0:
                    self.broken += 1
                    reset(source)
                    reset(target)
                    data = b""
            with self.lock:
                now = time.monotonic()
                sent = max(now, self.free_at[way])
                if self.bytes_per_s:
                    sent += len(data) / self.bytes_per_s
                self.free_at[way] = sent
                self.carried[way] += len(data)
            waiting.put((sent + self.delay, data))
            time.sleep(max(0.0, sent - now))

    def _give(self, target, waiting):
        while True:
            due, data = waiting.get()
            time.sleep(max(0.0, due - time.monotonic()))
            self.moving.wait()
            try:
                if not data:
                    target.shutdown(socket.SHUT_WR)
                    return
                target.sendall(data)
            except OSError:
                if not data:
                    return
