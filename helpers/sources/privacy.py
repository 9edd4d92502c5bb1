"""Pseudonyms at the door: HMAC-SHA256 of the source id, under a key that lies outside the project."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from helpers import paths
from helpers.errors import EnvironmentFault, InputError
from helpers.sources import blocks

if TYPE_CHECKING:
    from helpers.sources.dataset import Dataset
    from helpers.sources.expressions import Expression

# Values that are contact data whatever their column is called: an address of mail, a telephone, an identity card, an exact place.
VALUES = (
    r"[^@\s]+@[^@\s]+\.[A-Za-z]{2,}", r"(\+?86[ -]?)?1[3-9][0-9]{9}", r"\+[0-9][0-9 ()-]{7,}[0-9]", r"[1-9][0-9]{16}[0-9Xx]",
    r"-?[0-9]{1,3}\.[0-9]{4,},\s*-?[0-9]{1,3}\.[0-9]{4,}",
)  # fmt: skip
KEY_VARIABLE = "GROWTH_RINGS_KEY"
SAMPLE_KEY = hashlib.sha256(b"growth-rings: the built-in community is nobody's secret").digest()
PSEUDONYM_LENGTH = 24
BLOCK = 64
FORGOTTEN = "forgotten.csv"
STANDARD = {column for kind in blocks.KINDS.values() for column in (*kind.required, *kind.optional)}
CONTACT = {
    "email", "mail", "phone", "telephone", "tel", "mobile", "cellphone", "fax", "address", "street", "wechat", "weixin", "qq",
    "whatsapp", "telegram", "skype", "ip", "passport", "ssn", "surname", "firstname", "lastname", "fullname", "realname",
    "nickname", "displayname", "username", "identitycard", "idcard", "idnumber", "latitude", "longitude", "lat", "lon", "lng",
    "gps", "geohash", "coordinates",
}  # fmt: skip
CONTACT_TEXT = ("邮箱", "邮件", "电话", "手机", "地址", "微信", "身份证", "姓名", "昵称", "经度", "纬度")


def key(dataset: Dataset) -> bytes:
    """The dataset's pseudonym key: 32 bytes from the environment or its file, made on first use.

    Raises:
        InputError: The key is shorter than 16 bytes.
        EnvironmentFault: The key's file can be neither read nor made.
    """
    if dataset.simulate is not None:
        return SAMPLE_KEY
    if given := os.environ.get(KEY_VARIABLE):
        return _checked(hashlib.sha256(given.encode()).digest() if len(given) >= 16 else given.encode(), KEY_VARIABLE)
    path = Path(dataset.privacy.key) if dataset.privacy.key else _default_path()
    try:
        path = path.expanduser()
        if not path.exists():
            _make(path)
        text = path.read_bytes().strip()
        return _checked(hashlib.sha256(text).digest() if len(text) >= 16 else text, str(path))
    except (OSError, RuntimeError) as fault:  # the latter where nobody has a home
        raise EnvironmentFault(
            f"{path}: the pseudonym key cannot be read or made ({fault}). Make the place readable and writable, name another "
            f"one in dataset.toml ([privacy] key), or give the key itself in {KEY_VARIABLE}."
        ) from None


def _make(path: Path) -> None:
    """Write a new key, whole at once; when another process was first, its key stands."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = paths.beside(path)
    try:
        with os.fdopen(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as stream:
            stream.write(secrets.token_hex(32) + "\n")
        paths.flush(temporary)
        with suppress(FileExistsError):
            os.link(temporary, path)
        paths.flush(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def is_contact(column: str, expression: Expression, dataset: Dataset) -> bool:
    """Whether a mapped column is an attribute that looks, by its own or its source's name, like contact data.

    Such columns go no further than the door, unless [privacy] allow_columns names them.
    """
    if column in STANDARD or {column, *expression.columns} & set(dataset.privacy.allow_columns):
        return False
    return any(_looks_like_contact(name) for name in (column, *expression.columns))


def may_be_contact(column: str, expression: Expression, dataset: Dataset) -> bool:
    """Whether a mapped column is an attribute, about which only its values can tell."""
    return column not in STANDARD and not {column, *expression.columns} & set(dataset.privacy.allow_columns)


def contact_sql(text: str) -> str:
    """A condition: a text is contact data by its form."""
    return f"regexp_full_match(trim({text}), '{'|'.join(VALUES)}')"


def _looks_like_contact(name: str) -> bool:
    words = re.findall(r"[a-z]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", name).lower())
    pairs = {first + second for first, second in pairwise(words)}
    return bool(({*words} | pairs) & CONTACT) or any(text in name for text in CONTACT_TEXT)


def key_id(key: bytes) -> str:
    """Eight letters that tell one key from another and give nothing away."""
    return hashlib.sha256(b"growth-rings key id" + key).hexdigest()[:8]


def pseudonym_sql(text: str, key: bytes) -> str:
    """SQL for the pseudonym of a text column; "" stays ""."""
    block = key.ljust(BLOCK, b"\0")
    inner, outer = (bytes(byte ^ mark for byte in block).hex() for mark in (0x36, 0x5C))
    digest = f"sha256(from_hex('{outer}') || from_hex(sha256(from_hex('{inner}') || encode({text}))))"
    return f"CASE WHEN {text} = '' THEN '' ELSE left({digest}, {PSEUDONYM_LENGTH}) END"


def forgotten(built: Path, key: bytes | None = None) -> set[str]:
    """The pseudonyms of those who want to be forgotten, whose rows are set aside as long as the sources hold them.

    Args:
        built: The dataset's built folder; its list has a line a person, the pseudonym and the id of its key.
        key: Under which the pseudonyms are to be met again; None where it does not matter.

    Raises:
        InputError: The list is damaged, or names somebody under another key, who would come back unseen.
    """
    path = built / FORGOTTEN
    if not path.exists():
        return set()
    found = set()
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines()[1:], 2):
        listed = re.fullmatch(r"([0-9a-f]{24}),([0-9a-f]{8})", line)
        if not listed:
            raise InputError(f"{path} line {number}: not a pseudonym and the id of its key. Mend the line, or take it out.")
        if key is not None and listed[2] != key_id(key):
            raise InputError(
                f"{path} line {number}: somebody was forgotten under the key {listed[2]}, and would come back under the key "
                f"{key_id(key)}. Give the former key; or forget the person anew under this one and take the line out."
            )
        found.add(listed[1])
    return found


def _default_path() -> Path:
    return Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config") / "growth-rings" / "pseudonym.key"


def _checked(key: bytes, where: str) -> bytes:
    if len(key) < 16:
        raise InputError(
            f"{where}: the pseudonym key has fewer than 16 characters. Delete it and run again to make one."
        )
    return key
