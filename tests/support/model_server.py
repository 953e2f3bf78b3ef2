"""Serves a directory over HTTP with ranges, and with faults on command: `ecf8 pull`'s tests.

    model_server.py DIRECTORY [--faults FILE] [--log FILE] [--token TOKEN]
                    [--tls CERTIFICATE KEY] [--hub] [--s3 ID:SECRET[:TOKEN]]

Says "listening on port N" on stderr. FILE holds faults, one a line, read again at every request:

    ID TIMES PATTERN KIND [ARGUMENT]

ID is a word of the test's own, TIMES how often it happens (-1: always), PATTERN a regular
expression that is searched for in the path, KIND one of

    status CODE[,RETRY-AFTER]   that answer
    flip OFFSET                 the byte there, of the file, is another; where the range has it
    truncate BYTES              the connection ends so long before the end
    longer BYTES                so many more than there are in the range
    redirect URL                302; {host}, {port} and {path} in it are the request's own
    whole                       200 with the whole file, as of a server without ranges
    shifted BYTES               another range than was asked for, and says so
    stall SECONDS               nothing, for so long, after the headers
    headers COUNT               so many of 1 KiB

A request is logged as METHOD PATH RANGE AUTHORIZATION, "-" for what it has not.

With --hub it speaks the part of the API of Hugging Face's hub that downloads need:
DIRECTORY/ORGANISATION/MODEL is a repository, whose branch "main" is the one commit that there is.
What ends in .safetensors lies elsewhere, as large files do on the hub: behind a redirect to
"localhost", where no token is asked for. Lists have pages of three.

With --s3 it takes requests that are signed with this key, and refuses others as S3 does; and it
gives the key as a container's endpoint, an instance's metadata and STS do (s3_server.py).
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import http.server
import json
import os
import re
import socketserver
import ssl
import sys
import threading
import time
import urllib.parse
from pathlib import Path

import s3_server

BLOCK_BYTES = 1 << 20
COMMIT = "0123456789abcdef0123456789abcdef01234567"
PAGE_FILES = 3


def etag(file: Path) -> str:
    return etag_of_state(file, file.stat().st_mtime_ns)


@functools.lru_cache
def etag_of_state(file: Path, _: int) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


class Faults:
    """Those of a file, and how often each has happened."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._happened: dict[str, int] = {}
        self._lock = threading.Lock()

    def take(self, request_path: str, first: int, last: int) -> dict[str, str]:
        """What is to go wrong now, by kind."""
        taken: dict[str, str] = {}
        if self._path is None or not self._path.exists():
            return taken
        for line in self._path.read_text().splitlines():
            word, times, pattern, kind, *argument = line.split(maxsplit=4)
            if not re.search(pattern, request_path):
                continue
            value = argument[0] if argument else ""
            if kind == "flip" and not first <= int(value) <= last:
                continue
            with self._lock:
                count = self._happened.get(word, 0)
                if 0 <= int(times) <= count:
                    continue
                self._happened[word] = count + 1
            taken[kind] = value
        return taken


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.answer()

    def do_PUT(self) -> None:
        self.answer()

    def answer(self) -> None:
        self.server.log(self)
        if self.server.key is not None and self.answer_as_aws(self.server.key):
            return
        parts = urllib.parse.urlsplit(self.path)
        path = urllib.parse.unquote(parts.path)
        token = self.server.token
        is_large_file = self.server.is_hub and path.startswith("/large/")
        if token and not is_large_file and self.headers.get("Authorization") != f"Bearer {token}":
            self.refuse(401)
            return
        if is_large_file:
            path = path.removeprefix("/large")
        elif self.server.is_hub:
            resolved = self.answer_as_hub(path, parts.query)
            if resolved is None:
                return
            path = resolved
        file = self.server.find(path)
        if file is not None:
            self.send_file(path, file)
            return
        faults = self.server.faults.take(path, 0, -1)
        if "redirect" in faults or "status" in faults:
            self.misbehave(path, faults)
        else:
            self.refuse(404)

    def answer_as_aws(self, key: s3_server.Key) -> bool:
        """Whether it has: the request is not S3's, or refused."""
        headers = {name.lower(): value for name, value in self.headers.items()}
        given = s3_server.give_key(self.command, self.path, headers, key)
        if given is None:
            why = s3_server.refusal(self.command, self.path, headers, key)
            if not why:
                return False
            given = (403, s3_server.error(why))
        code, body = given
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        return True

    def answer_as_hub(self, path: str, query: str) -> str | None:
        """The path of the file that is asked for; None where the answer has been given."""
        match = re.fullmatch(r"/api/models/([^/]+/[^/]+)/(revision|tree)/([^/]+)", path)
        if match and (self.server.root / match[1]).is_dir() and match[3] in ("main", COMMIT):
            faults = self.server.faults.take(path, 0, -1)
            if "status" in faults:
                self.misbehave(path, faults)
            else:
                self.answer_api(match[1], match[2], query)
            return None
        match = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
        if not match or match[2] not in ("main", COMMIT):
            self.refuse(404)
            return None
        name = f"/{match[1]}/{match[3]}"
        file = self.server.find(name)
        if file is None or file.suffix != ".safetensors":
            return name
        port = self.server.server_address[1]
        self.send_response(302)
        self.send_header("Location", f"http://localhost:{port}/large{name}?signature=s")
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("X-Linked-Size", str(file.stat().st_size))
        self.send_header("X-Linked-Etag", f'"{etag(file)}"')
        self.send_header("Content-Length", "0")
        self.end_headers()
        return None

    def answer_api(self, repository: str, what: str, query: str) -> None:
        root = self.server.root / repository
        names = sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())
        next_page = ""
        answer: object
        if what == "revision":
            siblings = [{"rfilename": name} for name in names]
            answer = {"id": repository, "modelId": repository, "sha": COMMIT, "siblings": siblings}
        else:
            first = int(dict(urllib.parse.parse_qsl(query)).get("cursor", 0))
            answer = [
                {
                    "type": "file",
                    "oid": etag(root / name)[:40],
                    "size": (root / name).stat().st_size,
                    "path": name,
                }
                for name in names[first : first + PAGE_FILES]
            ]
            if first + PAGE_FILES < len(names):
                own = f"http://{self.headers['Host']}{urllib.parse.urlsplit(self.path).path}"
                query = f"recursive=true&cursor={first + PAGE_FILES}"
                next_page = f'<{own}?{query}>; rel="next"'
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if next_page:
            self.send_header("Link", next_page)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def refuse(self, code: int, retry_after: str = "") -> None:
        body = f"<html>{code}</html>".encode()
        self.send_response(code)
        if retry_after:
            self.send_header("Retry-After", retry_after)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def misbehave(self, path: str, faults: dict[str, str]) -> None:
        if "status" in faults:
            code, _, retry_after = faults["status"].partition(",")
            self.refuse(int(code), retry_after)
            return
        host = self.headers.get("Host", "").partition(":")[0]
        port = self.server.server_address[1]
        self.send_response(302)
        self.send_header("Location", faults["redirect"].format(host=host, port=port, path=path))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def send_file(self, path: str, file: Path) -> None:
        size = file.stat().st_size
        first, last = 0, size - 1
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if match:
            first = int(match[1])
            last = min(int(match[2] or last), last)
            if first > last:
                self.refuse(416)
                return
        faults = self.server.faults.take(path, first, last)
        if "status" in faults or "redirect" in faults:
            self.misbehave(path, faults)
            return
        if "whole" in faults:
            match, first, last = None, 0, size - 1
        if "shifted" in faults:
            first += int(faults["shifted"])
            last = min(last + int(faults["shifted"]), size - 1)
        length = last - first + 1
        self.send_response(206 if match else 200)
        if match:
            self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.send_header("Content-Length", str(length + int(faults.get("longer", 0))))
        self.send_header("Accept-Ranges", "bytes")
        if self.server.is_hub:
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("ETag", f'"{etag(file)}"')
        for i in range(int(faults.get("headers", 0))):
            self.send_header(f"X-Filler-{i}", "x" * 1000)
        self.end_headers()
        if self.command == "HEAD":
            return
        self.wfile.flush()
        if "stall" in faults:
            time.sleep(float(faults["stall"]))
        self.send_body(file, first, length, faults)

    def send_body(self, file: Path, first: int, length: int, faults: dict[str, str]) -> None:
        flip = int(faults["flip"]) if "flip" in faults else -1
        end = first + max(length - int(faults.get("truncate", 0)), 0)
        with file.open("rb") as source:
            if flip < 0 and not self.server.encrypted:
                at = first
                while at < end:
                    at += os.sendfile(self.connection.fileno(), source.fileno(), at, end - at)
            else:
                source.seek(first)
                for at in range(first, end, BLOCK_BYTES):
                    block = bytearray(source.read(min(BLOCK_BYTES, end - at)))
                    if at <= flip < at + len(block):
                        block[flip - at] ^= 1
                    self.wfile.write(block)
        if "longer" in faults:
            self.wfile.write(b"x" * int(faults["longer"]))
        if "truncate" in faults:
            self.close_connection = True


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, options: argparse.Namespace) -> None:
        self.root = Path(options.directory).resolve()
        self.faults = Faults(options.faults)
        self.token = options.token
        self.encrypted = options.tls is not None
        self.is_hub = options.hub
        self.key = s3_server.Key.parse(options.s3) if options.s3 else None
        self._log = options.log.open("a", buffering=1) if options.log else None
        super().__init__(("127.0.0.1", options.port), Handler)
        if options.tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*options.tls)
            # The handshake is the connection's thread's, not that of all.
            self.socket = context.wrap_socket(
                self.socket, server_side=True, do_handshake_on_connect=False
            )

    def handle_error(self, *_: object) -> None:
        """Clients that go away, and are killed, are what this server is for."""

    def find(self, path: str) -> Path | None:
        file = (self.root / path.lstrip("/")).resolve()
        return file if file.is_file() and self.root in file.parents else None

    def log(self, handler: Handler) -> None:
        if self._log:
            fields = [handler.headers.get(name) for name in ("Range", "Authorization")]
            words = [handler.command, handler.path, *(field or "-" for field in fields)]
            self._log.write(" ".join(words) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("directory")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--faults", type=Path)
    parser.add_argument("--log", type=Path)
    parser.add_argument("--token", default="")
    parser.add_argument("--hub", action="store_true")
    parser.add_argument("--s3", default="")
    parser.add_argument("--tls", nargs=2, metavar=("CERTIFICATE", "KEY"))
    server = Server(parser.parse_args())
    print(f"listening on port {server.server_address[1]}", file=sys.stderr, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
