"""Pseudonyms at the door: HMAC-SHA256 of the source id, under a key that lies outside the project."""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path

from helpers.errors import EnvironmentFault, InputError

KEY_VARIABLE = "GROWTH_RINGS_KEY"
SAMPLE_KEY = hashlib.sha256(b"growth-rings: the built-in community is nobody's secret").digest()
PSEUDONYM_LENGTH = 24
BLOCK = 64


def key(dataset) -> bytes:
    """The dataset's pseudonym key: 32 bytes from the environment or its file, made on first use.

    Raises:
        InputError: The key is shorter than 16 bytes.
        EnvironmentFault: The key's file can be neither read nor made.
    """
    if dataset.simulate is not None:
        return SAMPLE_KEY
    if given := os.environ.get(KEY_VARIABLE):
        return _checked(hashlib.sha256(given.encode()).digest() if len(given) >= 16 else given.encode(), KEY_VARIABLE)
    path = Path(dataset.privacy.key).expanduser() if dataset.privacy.key else _default_path()
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as stream:
                stream.write(secrets.token_hex(32) + "\n")
        return _checked(
            hashlib.sha256(path.read_bytes().strip()).digest() if path.stat().st_size >= 16 else b"", str(path)
        )
    except OSError as fault:
        raise EnvironmentFault(f"{path}: the pseudonym key cannot be read or made ({fault}).") from None


def key_id(key: bytes) -> str:
    """Eight letters that tell one key from another and give nothing away."""
    return hashlib.sha256(b"growth-rings key id" + key).hexdigest()[:8]


def pseudonym_sql(text: str, key: bytes) -> str:
    """SQL for the pseudonym of a text column; "" stays ""."""
    block = key.ljust(BLOCK, b"\0")
    inner, outer = (bytes(byte ^ mark for byte in block).hex() for mark in (0x36, 0x5C))
    digest = f"sha256(from_hex('{outer}') || from_hex(sha256(from_hex('{inner}') || encode({text}))))"
    return f"CASE WHEN {text} = '' THEN '' ELSE left({digest}, {PSEUDONYM_LENGTH}) END"


def _default_path() -> Path:
    return Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser() / "growth-rings" / "pseudonym.key"


def _checked(key: bytes, where: str) -> bytes:
    if len(key) < 16:
        raise InputError(
            f"{where}: the pseudonym key has fewer than 16 characters. Delete it and run again to make one."
        )
    return key
