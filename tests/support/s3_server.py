"""What S3, and the services that give keys for it, do for model_server.py."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import urllib.parse
from typing import NamedTuple


class Key(NamedTuple):
    id: str
    secret: str
    token: str = ""

    @classmethod
    def parse(cls, text: str) -> Key:
        """ "ID:SECRET[:TOKEN]"."""
        return cls(*text.split(":"))


def _digest(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def refusal(method: str, target: str, headers: dict[str, str], key: Key) -> str:
    """Why S3 would refuse the request: one of its error codes; empty: it would not. `headers` by
    name in lower case. AWS Signature Version 4, "Create a signed AWS API request"."""
    match = re.fullmatch(
        r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/s3/aws4_request, ?"
        r"SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})",
        headers.get("authorization", ""),
    )
    if not match:
        return "AccessDenied"
    identity, date, region, signed, signature = match.groups()
    if identity != key.id:
        return "InvalidAccessKeyId"
    if headers.get("x-amz-security-token", "") != key.token:
        return "ExpiredToken" if key.token else "InvalidToken"
    names = signed.split(";")
    wanted = {"host", "x-amz-content-sha256", "x-amz-date"}
    if key.token:
        wanted.add("x-amz-security-token")
    if not wanted <= set(names) or names != sorted(names):
        return "AccessDenied"
    path, _, query = target.partition("?")
    canonical = "\n".join(
        [
            method,
            urllib.parse.quote(urllib.parse.unquote(path), safe="/-._~"),
            "&".join(sorted(query.split("&"))) if query else "",
            *(f"{name}:{' '.join(headers[name].split())}" for name in names),
            "",
            signed,
            headers["x-amz-content-sha256"],
        ]
    )
    scope = f"{date}/{region}/s3/aws4_request"
    text = "\n".join(
        [
            "AWS4-HMAC-SHA256",
            headers["x-amz-date"],
            scope,
            hashlib.sha256(canonical.encode()).hexdigest(),
        ]
    )
    secret = _digest(f"AWS4{key.secret}".encode(), date)
    for part in (region, "s3", "aws4_request"):
        secret = _digest(secret, part)
    right = hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()
    return "" if hmac.compare_digest(right, signature) else "SignatureDoesNotMatch"


def error(code: str) -> bytes:
    return f"<?xml version='1.0'?><Error><Code>{code}</Code></Error>".encode()


def give_key(method: str, target: str, headers: dict[str, str], key: Key) -> tuple[int, bytes] | None:
    """The answer of a service that gives keys; None where the request is for none of them."""
    path, _, query = target.partition("?")
    as_json = json.dumps(
        {"AccessKeyId": key.id, "SecretAccessKey": key.secret, "Token": key.token}
    ).encode()
    if path == "/container":
        return (200, as_json) if headers.get("authorization") == "let me in" else (403, b"")
    if path == "/latest/api/token":
        lives = "x-aws-ec2-metadata-token-ttl-seconds" in headers
        return (200, b"a-token") if method == "PUT" and lives else (405, b"")
    if path.startswith("/latest/meta-data/iam/security-credentials/"):
        if headers.get("x-aws-ec2-metadata-token") != "a-token":
            return 401, b""
        role = path.rpartition("/")[2]
        return (200, as_json) if role == "the-role" else (404, b"") if role else (200, b"the-role\n")
    arguments = dict(urllib.parse.parse_qsl(query))
    if path == "/" and arguments.get("Action") == "AssumeRoleWithWebIdentity":
        if (arguments["WebIdentityToken"], arguments["RoleArn"]) != ("j.w+t/=", "arn:aws:iam::1:role/r"):
            return 403, error("AccessDenied")
        parts = zip(("AccessKeyId", "SecretAccessKey", "SessionToken"), key, strict=True)
        elements = "".join(f"<{name}>{value}</{name}>" for name, value in parts)
        return 200, f"<R><Result><Credentials>{elements}</Credentials></Result></R>".encode()
    return None
