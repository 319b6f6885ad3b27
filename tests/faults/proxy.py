"""A TCP proxy between a worker and its broker, which can stop forwarding without telling anybody."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

CHUNK = 65536
LOOK = 0.1
"""Seconds between two looks at what the proxy was told."""


class Link:
    """One connection of a client, and ours to the server behind."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client, self.server = client, server
        self.held = {"up": False, "down": False}
        self.ended = threading.Event()
        for each in (client, server):
            each.settimeout(LOOK)
        self.threads = [
            threading.Thread(target=self._pump, args=way, daemon=True)
            for way in (("up", client, server), ("down", server, client))
        ]
        for thread in self.threads:
            thread.start()

    def _pump(self, way: str, source: socket.socket, sink: socket.socket) -> None:
        """Pass bytes on. What has been read when the way is held stays here until it is let go or cut."""
        while not self.ended.is_set():
            if self.held[way]:
                self.ended.wait(LOOK)
                continue
            try:
                data = source.recv(CHUNK)
            except TimeoutError:
                continue
            except OSError:
                break
            if not data:
                break
            while self.held[way] and not self.ended.wait(LOOK):
                pass
            if not self._send(sink, data):
                break
        self.cut()

    def _send(self, sink: socket.socket, data: bytes) -> bool:
        rest = memoryview(data)
        while rest and not self.ended.is_set():
            try:
                rest = rest[sink.send(rest) :]
            except TimeoutError:
                continue
            except OSError:
                return False
        return True

    def cut(self) -> None:
        self.ended.set()
        for each in (self.client, self.server):
            with suppress(OSError):
                each.close()


class Proxy:
    """Listens on a free port of this machine and connects to ``address`` for each client."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(LOOK)
        self._links: list[Link] = []
        self._closed = threading.Event()
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def open_links(self) -> list[Link]:
        return [link for link in self._links if not link.ended.is_set()]

    def hold(self, *ways: str) -> int:
        """Stop forwarding on the connections of now, ``up`` to the server, ``down`` to the client, or both; return how
        many. Later connections are not concerned."""
        links = self.open_links
        for link in links:
            for way in ways:
                link.held[way] = True
        return len(links)

    def cut(self) -> None:
        """Close every connection of now."""
        for link in self.open_links:
            link.cut()

    def close(self) -> None:
        self._closed.set()
        self._thread.join()
        self._listener.close()
        self.cut()
        for thread in (thread for link in self._links for thread in link.threads):
            thread.join()

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            try:
                self._links.append(Link(client, socket.create_connection(self._address, timeout=3)))
            except OSError:
                client.close()
