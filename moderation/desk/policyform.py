"""A policy document as a form's fields, and back.

The form shows what was typed until it is right: a field that can't be read goes into
the document as its text, so that `core.policy.parse` refuses it with its pointer.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from moderation.core.comment import ATTRIBUTES, Role

LISTS = ("reject", "hold", "allow")
RULES = ("max_links", "hold_first_comments", "repeat_window_s")
ORDER = ("thresholds", "words", "rules", "max_length", "trusted_roles", "when_missing", "sections")
"""The parts of the form as they stand on the page."""
LIMITS = ("hold", "reject")


def to_fields(document: Mapping[str, Any]) -> dict[str, str]:
    """The fields of a whole document; absent thresholds are empty."""
    fields = {"max_length": _shown(document["max_length"])}
    fields["when_missing"] = document["when_missing"]
    for name, limits in document["thresholds"].items():
        fields |= {f"thresholds.{name}.{key}": _shown(limits.get(key)) for key in LIMITS}
    for name in LISTS:
        fields[f"words.{name}"] = "\n".join(document["words"][name])
    for name in RULES:
        fields[f"rules.{name}"] = _shown(document["rules"][name])
    for role in document["trusted_roles"]:
        fields[f"trusted_roles.{role}"] = "on"
    for number, (name, section) in enumerate(document["sections"].items()):
        fields |= _section_fields(number, name, section)
    return fields


def to_document(fields: Mapping[str, str]) -> dict[str, Any]:
    """The document of a form. Empty thresholds are never; sections without a name are gone."""
    return {
        "thresholds": _thresholds(fields, "thresholds"),
        "words": {name: _lines(fields.get(f"words.{name}", "")) for name in LISTS},
        "rules": {name: _number(fields.get(f"rules.{name}", "")) for name in RULES},
        "sections": {
            fields[f"sections.{number}.name"].strip(): _section(fields, number)
            for number in section_numbers(fields)
            if fields[f"sections.{number}.name"].strip()
        },
        "trusted_roles": [role.value for role in Role if fields.get(f"trusted_roles.{role}")],
        "when_missing": fields.get("when_missing", ""),
        "max_length": _number(fields.get("max_length", "")),
    }


def same_names(fields: Mapping[str, str]) -> dict[str, str]:
    """Field → what is wrong, for each section whose name another before it has already.

    A document can't hold both: one of them would be lost without a word.
    """
    wrong, seen = {}, set()
    for number in section_numbers(fields):
        name = fields[f"sections.{number}.name"].strip()
        if name and name in seen:
            wrong[f"sections.{number}.name"] = f"there is a section {name!r} already"
        seen.add(name)
    return wrong


def faults_by_field(errors: Iterable[tuple[str, str]], fields: Mapping[str, str]) -> dict[str, str]:
    """Field → all that is wrong with it, of (pointer, sentence) pairs; in the page's order."""
    whys: dict[str, list[str]] = {}
    for pointer, why in errors:
        whys.setdefault(field_of(pointer, fields), []).append(why)
    return {name: "; ".join(dict.fromkeys(whys[name])) for name in sorted(whys, key=_place)}


def _place(field: str) -> int:
    part = field.split(".")[0]
    return ORDER.index(part) if part in ORDER else len(ORDER)


def section_numbers(fields: Mapping[str, str]) -> list[int]:
    """The numbers of the sections in a form, in order."""
    return sorted(
        int(parts[1])
        for parts in (key.split(".") for key in fields)
        if len(parts) == 3
        and parts[0] == "sections"
        and parts[2] == "name"
        and re.fullmatch(r"[0-9]{1,4}", parts[1])
    )


def field_of(pointer: str, fields: Mapping[str, str]) -> str:
    """The field that a refusal's pointer means."""
    parts = [p.replace("~1", "/").replace("~0", "~") for p in pointer.split("/")[1:]]
    if parts[:1] == ["words"]:
        return ".".join(parts[:2])
    if parts[:1] == ["sections"] and len(parts) > 1:
        for number in section_numbers(fields):
            if fields[f"sections.{number}.name"].strip() == parts[1]:
                crossed = ["hold"] if len(parts) == 4 and parts[2] == "thresholds" else []
                return ".".join(["sections", str(number), *parts[2:], *crossed])
    if parts[:1] == ["thresholds"] and len(parts) == 2:
        return f"thresholds.{parts[1]}.hold"
    return ".".join(parts)


def _section_fields(number: int, name: str, section: Mapping[str, Any]) -> dict[str, str]:
    start = f"sections.{number}"
    fields = {f"{start}.name": name}
    if section["premoderate"]:
        fields[f"{start}.premoderate"] = "on"
    for attribute, limits in section["thresholds"].items():
        for key in limits:
            shown = "never" if limits[key] is None else _shown(limits[key])
            fields[f"{start}.thresholds.{attribute}.{key}"] = shown
    return fields


def _section(fields: Mapping[str, str], number: int) -> dict[str, Any]:
    start = f"sections.{number}"
    limits: dict[str, dict[str, Any]] = {}
    for attribute in ATTRIBUTES:
        for key in LIMITS:
            text = fields.get(f"{start}.thresholds.{attribute}.{key}", "").strip()
            if text:  # what is left empty is as in the rest of the site
                value = None if text == "never" else _number(text)
                limits.setdefault(attribute, {})[key] = value
    return {"premoderate": bool(fields.get(f"{start}.premoderate")), "thresholds": limits}


def _thresholds(fields: Mapping[str, str], start: str) -> dict[str, Any]:
    limits = {
        name: {key: _number(fields.get(f"{start}.{name}.{key}", "")) for key in LIMITS}
        for name in ATTRIBUTES
    }
    return {name: pair for name, pair in limits.items() if pair != {"hold": None, "reject": None}}


def _number(text: str) -> float | int | str | None:
    """A number, None for nothing, or the text itself, to be refused where it stands."""
    text = text.strip()
    if not text:
        return None
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _shown(value: float | int | None) -> str:
    return "" if value is None else str(value).removesuffix(".0")
