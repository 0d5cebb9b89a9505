"""A line between a device and the server that can be cut, held or made slow: a TCP proxy on loopback."""

import select
import socket
import threading


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
