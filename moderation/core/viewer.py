"""Who asks, and what they may do."""

from dataclasses import dataclass
from enum import StrEnum


class Scope(StrEnum):
    """What a key may be used for."""

    SUBMIT = "submit"
    READ = "read"
    REVIEW = "review"
    POLICY = "policy"


class PersonRole(StrEnum):
    ADMIN = "admin"
    MODERATOR = "moderator"


SCOPES_OF = {
    PersonRole.ADMIN: frozenset(Scope),
    PersonRole.MODERATOR: frozenset({Scope.READ, Scope.REVIEW}),
}


@dataclass(frozen=True, slots=True)
class Viewer:
    """A person or a key, with the sites it may see."""

    actor: str
    """Its name on record: a person's e-mail, or a key's name."""
    scopes: frozenset[Scope]
    site_ids: frozenset[int] | None = None
    """None is every site."""
    is_admin: bool = False
    person_id: int | None = None
    timezone: str = "UTC"

    def sees(self, site_id: int) -> bool:
        return self.site_ids is None or site_id in self.site_ids


OPERATOR = Viewer("the operator", frozenset(Scope), is_admin=True)
"""Whoever has the command line: they have the database too. No request is ever theirs."""
