"""A crowd of clients as a process of its own, for its descriptors count against no limit of the tests.

python -m tests.lab.flood PORT ADDRESSES KIND:COUNT ... opens COUNT connections of each KIND one after the other, from
127.0.1.1, 127.0.1.2 and so on (ADDRESSES of them in turn), leaves them open, and ends when its standard input does.
It prints one line of JSON for each kind: how many still stood once the server was done with them, and what was answered.
"""

import base64
import json
import resource
import select
import socket
import ssl
import sys
import time
from collections import Counter
from collections.abc import Iterator

HOST = "127.0.0.1"
WAIT_S = 10.0


class Crowd:
    """``addresses`` is how many source addresses take turns."""

    def __init__(self, port: int, addresses: int) -> None:
        self._port = port
        self._addresses = addresses
        self._open: list[socket.socket] = []

    def idle(self, count: int) -> dict[str, int]:
        """Connections that say nothing: for a TLS server, handshakes that never begin."""
        for number in range(count):
            self._connect(number)
        return {}

    def hello(self, count: int) -> dict[str, int]:
        """TLS clients that say hello and never finish the handshake: they cost the server most."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        for number in range(count):
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            client = context.wrap_bio(incoming, outgoing)
            try:
                client.do_handshake()
            except ssl.SSLWantReadError:
                self._send(self._connect(number), outgoing.read())
        return {}

    def streams(self, count: int) -> dict[str, int]:
        """Event streams, of which nobody reads more than the status."""
        request = b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n"
        asked = [self._connect(number) for number in range(count)]
        for one in asked:
            self._send(one, request)
        return dict(Counter(_status(one) for one in asked))

    def codes(self, count: int) -> dict[str, int]:
        """Wrong access codes, by TLS, each on a connection of its own."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        statuses: Counter[str] = Counter()
        for number in range(count):
            code = base64.b64encode(f"x:wrong code {number}".encode()).decode()
            request = f"GET /api/v1/site HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {code}\r\n\r\n"
            try:
                plain = socket.create_connection((HOST, self._port), WAIT_S, (self._source(number), 0))
                with context.wrap_socket(plain) as connection:
                    connection.sendall(request.encode())
                    statuses[_whole_answer(connection)[9:12].decode()] += 1
            except OSError:
                statuses["closed"] += 1
        return dict(statuses)

    def standing(self) -> int:
        """How many the server has not closed."""
        poll = select.poll()
        by_number = {one.fileno(): one for one in self._open}
        for number in by_number:
            poll.register(number, select.POLLIN | select.POLLRDHUP)
        closed = {n for n, what in poll.poll(0) if what & (select.POLLRDHUP | select.POLLHUP | select.POLLERR)}
        return len(by_number) - len(closed)

    def settled(self) -> int:
        """The same, once it has not changed for a second: a busy server closes the last ones later."""
        before, now = -1, self.standing()
        while now != before:
            time.sleep(1)
            before, now = now, self.standing()
        return now

    def _source(self, number: int) -> str:
        return f"127.0.1.{1 + number % self._addresses}"

    def _connect(self, number: int) -> socket.socket:
        one = socket.socket()
        one.settimeout(WAIT_S)
        one.bind((self._source(number), 0))
        one.connect((HOST, self._port))
        self._open.append(one)
        return one

    @staticmethod
    def _send(one: socket.socket, data: bytes) -> None:
        try:
            one.sendall(data)
        except OSError:
            return


def _whole_answer(one: socket.socket) -> bytes:
    """Head and body of a short answer with its length in the head. Raises OSError where it ends before."""
    answer = b""
    while b"\r\n\r\n" not in answer or len(answer.partition(b"\r\n\r\n")[2]) < _length(answer):
        if not (part := one.recv(65536)):
            raise ConnectionResetError
        answer += part
    return answer


def _length(answer: bytes) -> int:
    return int(answer.partition(b"content-length: ")[2].partition(b"\r\n")[0])


def _status(one: socket.socket) -> str:
    try:
        return one.recv(64)[9:12].decode() or "closed"
    except OSError:
        return "closed"


def _plan(words: list[str]) -> Iterator[tuple[str, int]]:
    for word in words:
        kind, _, count = word.partition(":")
        yield kind, int(count)


def main() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    crowd = Crowd(int(sys.argv[1]), int(sys.argv[2]))
    for kind, count in _plan(sys.argv[3:]):
        answered = getattr(crowd, kind)(count)
        print(json.dumps({"kind": kind, "count": count, "standing": crowd.settled(), **answered}), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
