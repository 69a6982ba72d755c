"""Where a comment belongs: the article and the author that its site names.

Both are rows that many comments share, found by the site's own ids and kept as the site
last told them.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, cast

from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite

from moderation.core.comment import Submission
from moderation.store.database import Database, dialect_of
from moderation.store.tables import Article, Author, Base, table_of


@dataclass(frozen=True, slots=True)
class Place:
    """Where a submission belongs."""

    article_id: int
    author_id: int


def place_of(database: Database, site_id: int, given: Submission, now: datetime) -> Place:
    """Find the article and the author of a submission, or make them; keep what is new of them.

    The author is nobody else's until this transaction ends: what one author posts at once
    is stored one after the other, so that the second is known to repeat the first.
    """
    article_id = _kept(
        database,
        Article,
        {"site_id": site_id, "external_id": given.article.id},
        {name: getattr(given.article, name) for name in ("title", "url", "section")},
    )
    author_id = _kept(
        database,
        Author,
        {"site_id": site_id, "external_id": given.author.key},
        {name: getattr(given.author, name) for name in ("name", "email", "ip")}
        | {"role": given.author.role.value},
        given_id=given.author.id,
        created_at=now,
    )
    return Place(article_id, author_id)


def _kept(
    database: Database,
    table: type[Base],
    key: dict[str, Any],
    values: dict[str, Any],
    **first: Any,
) -> int:
    """Give the number of the row with a key; made if it is new, changed where a value is.

    A row is written only if something is new: every comment on a busy page names the
    same article, and must not wait for the others' transactions.

    values  by column; None is not known, and changes nothing
    first   values of a new row only
    """
    by_key = _by_key(table, locked=table is Author)
    row = database.execute(by_key, key).one_or_none()
    if row is None:
        made = database.scalar(insert_missing(dialect_of(database), table), key | values | first)
        if made is not None:
            return cast(int, made)
        row = database.execute(by_key, key).one()  # another was faster
    known = row._mapping
    changed = {
        name: value for name, value in values.items() if value is not None and value != known[name]
    }
    if changed:
        own = table_of(table)
        database.execute(update(own).where(own.c.id == row.id).values(**changed))
    return cast(int, row.id)


@cache
def _by_key(table: type[Base], *, locked: bool) -> Any:
    own = table_of(table)
    names = ("site_id", "external_id")
    found = select(own).where(*(own.c[name] == bindparam(name) for name in names))
    return found.with_for_update(key_share=True) if locked else found


@cache
def insert_missing(dialect: str, table: type[Base]) -> Any:
    """Give the statement that makes a row, and gives its number, unless there is one like it."""
    kind = postgresql if dialect == "postgresql" else sqlite
    own = table_of(table)
    return kind.insert(own).on_conflict_do_nothing().returning(own.c.id)
