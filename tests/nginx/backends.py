"""Small real servers for nginx to talk to: FastCGI on unix sockets, HTTP and WebSocket on unix or TCP sockets."""
import base64
import hashlib
import os
import socket
import struct
import threading


class Server:
    """Accepts in a thread, one thread a connection. `calls` remembers what came."""

    def __init__(self, sock):
        self.sock = sock
        self.calls = []
        self.lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                conn, _ = self.sock.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(conn,), daemon=True).start()

    def _serve(self, conn):
        conn.settimeout(60)
        try:
            self.serve(conn)
        except OSError:
            pass
        finally:
            conn.close()

    def remember(self, call):
        with self.lock:
            self.calls.append(call)

    def close(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.sock.close()


def unix_socket(path):
    if os.path.exists(path):
        os.unlink(path)
    s = socket.socket(socket.AF_UNIX)
    s.bind(path)
    os.chmod(path, 0o666)
    s.listen(512)
    return s


def tcp_socket():
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", 0))
    s.listen(512)
    return s


def read_exactly(conn, n):
    data = b""
    while len(data) < n:
        got = conn.recv(n - len(data))
        if not got:
            raise OSError("closed")
        data += got
    return data


class FastCGI(Server):
    """`answer(params, body)` returns (status, [(name, value)], body). `body` is None when nginx passed none."""

    def __init__(self, path, answer=None):
        self.answer = answer or (lambda params, body: (200, [("Content-Type", "application/json")], b"{}"))
        super().__init__(unix_socket(path))

    @staticmethod
    def _pairs(data):
        at, out = 0, []

        def length():
            nonlocal at
            n = data[at]
            if n & 0x80:
                n = struct.unpack_from(">I", data, at)[0] & 0x7FFFFFFF
                at += 4
            else:
                at += 1
            return n

        while at < len(data):
            n, v = length(), length()
            out.append((data[at:at + n].decode("latin1"), data[at + n:at + n + v].decode("latin1")))
            at += n + v
        return out

    def serve(self, conn):
        while True:
            params, stdin, keep, rid = b"", b"", False, 0
            while True:
                _, kind, rid, n, pad = struct.unpack(">BBHHBx", read_exactly(conn, 8))
                content = read_exactly(conn, n + pad)[:n]
                if kind == 1:
                    keep = bool(content[2] & 1)
                elif kind == 4:
                    params += content
                elif kind == 5:
                    if not n:
                        break
                    stdin += content
            pairs = self._pairs(params)
            call = dict(reversed(pairs))  # as libfcgi: the first of two equal names counts
            call["_pairs"] = pairs
            call["_body"] = stdin
            self.remember(call)
            status, headers, body = self.answer(call, stdin)
            out = f"Status: {status}\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers) + "\r\n"
            data = out.encode() + body
            for i in range(0, len(data), 65535):
                part = data[i:i + 65535]
                conn.sendall(struct.pack(">BBHHBx", 1, 6, rid, len(part), 0) + part)
            conn.sendall(struct.pack(">BBHHBx", 1, 6, rid, 0, 0))
            conn.sendall(struct.pack(">BBHHBx", 1, 3, rid, 8, 0) + struct.pack(">IBxxx", 0, 0))
            if not keep:
                return


def read_head(conn):
    data = b""
    while b"\r\n\r\n" not in data:
        got = conn.recv(65536)
        if not got:
            raise OSError("closed")
        data += got
    head, rest = data.split(b"\r\n\r\n", 1)
    lines = head.decode("latin1").split("\r\n")
    headers = [tuple(x.split(": ", 1)) if ": " in x else (x.rstrip(":"), "") for x in lines[1:]]
    return lines[0], headers, rest


class Http(Server):
    """Plain HTTP/1.1. `answer(call, conn)` writes the raw answer itself or returns bytes. A WebSocket is echoed."""

    def __init__(self, sock, answer=None):
        self.answer = answer or (lambda call, conn: respond(200, b"hello"))
        super().__init__(sock)

    def serve(self, conn):
        line, headers, rest = read_head(conn)
        names = {}
        for k, v in headers:
            names.setdefault(k.lower(), v)
        if "content-length" in names:
            rest += read_exactly(conn, int(names["content-length"]) - len(rest))
        elif "chunked" in names.get("transfer-encoding", ""):
            while not rest.endswith(b"0\r\n\r\n"):
                rest += conn.recv(65536)
        call = {"line": line, "headers": headers, "names": names, "body": rest}
        self.remember(call)
        if names.get("upgrade", "").lower() == "websocket" and "sec-websocket-key" in names:
            return self.echo(conn, names)
        out = self.answer(call, conn)
        if out:
            conn.sendall(out)

    @staticmethod
    def echo(conn, names):
        accept = base64.b64encode(hashlib.sha1(
            (names["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()
        conn.sendall((f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                      f"Sec-WebSocket-Accept: {accept}\r\n\r\n").encode())
        while True:
            a, b = read_exactly(conn, 2)
            n = b & 0x7F
            mask = read_exactly(conn, 4)
            data = bytes(c ^ mask[i % 4] for i, c in enumerate(read_exactly(conn, n)))
            if a & 15 == 8:
                conn.sendall(bytes([0x88, 0]))
                return
            conn.sendall(bytes([0x81, n]) + data)


def respond(status, body=b"", headers=()):
    head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
    return (head + "".join(f"{k}: {v}\r\n" for k, v in headers) + "\r\n").encode() + body
