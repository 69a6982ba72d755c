"""JSON from outside, read so that no input can hurt.

The standard parser lets through what databases and UTF-8 refuse later (NUL, lone
surrogates), what no two readers agree on (duplicate keys, NaN) and what crashes it
(deep nesting, numbers of thousands of digits).
"""

import json
from collections.abc import Iterator
from typing import Any, NoReturn

MAX_DEPTH = 32


class BadJSON(ValueError):
    """The bytes are not JSON that we read; the message says why."""


class BadText(ValueError):
    """A text in the document has a character that can't be stored: where, and why."""

    def __init__(self, pointer: str, why: str) -> None:
        super().__init__(f"{pointer}: {why}")
        self.pointer = pointer
        self.why = why


def loads(raw: bytes) -> Any:
    """Read JSON. Raises BadJSON (not readable at all) or BadText (one text in it)."""
    try:
        document = json.loads(
            raw.decode("utf-8"), object_pairs_hook=_object, parse_constant=_no_constant
        )
    except UnicodeDecodeError as error:
        raise BadJSON(f"not UTF-8 at byte {error.start}") from None
    except RecursionError:
        raise BadJSON(f"nested deeper than {MAX_DEPTH}") from None
    except json.JSONDecodeError as error:
        raise BadJSON(f"{error.msg} at line {error.lineno} column {error.colno}") from None
    except BadJSON:
        raise
    except ValueError:
        raise BadJSON("a number has too many digits") from None
    for pointer, text in _texts(document, "#", 0):
        _refuse_unstorable(text, pointer)
    return document


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise BadJSON(f"the key {twice!r} stands twice in one object")
    return result


def _no_constant(name: str) -> NoReturn:
    raise BadJSON(f"{name} is not JSON")


def _texts(value: Any, pointer: str, depth: int) -> Iterator[tuple[str, str]]:
    if depth > MAX_DEPTH:
        raise BadJSON(f"nested deeper than {MAX_DEPTH}")
    if isinstance(value, str):
        yield pointer, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            here = f"{pointer}/{key}"
            yield here, key
            yield from _texts(inner, here, depth + 1)
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            yield from _texts(inner, f"{pointer}/{position}", depth + 1)


def _refuse_unstorable(text: str, pointer: str) -> None:
    if "\0" in text:
        raise BadText(pointer.replace("\0", "\\u0000"), "has a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError:
        safe = pointer.encode("ascii", "backslashreplace").decode()
        raise BadText(safe, "has half of a surrogate pair") from None
