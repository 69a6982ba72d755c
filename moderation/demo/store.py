"""The demo news site's own little database: it is another system, and shares nothing with ours."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column


class Base(DeclarativeBase):
    pass


class Setup(Base):
    """What Copydesk gave this site: its slug and webhook secret."""

    __tablename__ = "setup"
    slug: Mapped[str] = mapped_column(primary_key=True)
    secret: Mapped[str]


class Posted(Base):
    """A reader's comment, and what the site has heard of it."""

    __tablename__ = "posted"
    id: Mapped[str] = mapped_column(primary_key=True)
    article: Mapped[str]
    reader: Mapped[str]
    """The reader's cookie."""
    name: Mapped[str]
    body: Mapped[str]
    status: Mapped[str] = mapped_column(default="unsent")
    seq: Mapped[int] = mapped_column(default=0)
    posted_at: Mapped[datetime] = mapped_column(default=lambda: datetime.now(UTC))


@lru_cache(maxsize=8)
def engine(folder: Path) -> Engine:
    """The database file in a folder, with its tables."""
    found = create_engine(f"sqlite:///{folder / 'demo.db'}", connect_args={"timeout": 10})
    Base.metadata.create_all(found)
    return found


def setup(folder: Path) -> Setup | None:
    with Session(engine(folder)) as session:
        return session.scalars(select(Setup)).first()


def keep_setup(folder: Path, slug: str, secret: str) -> None:
    with Session(engine(folder)) as session, session.begin():
        session.merge(Setup(slug=slug, secret=secret))


def keep(folder: Path, **values: Any) -> None:
    """Add a comment, or change one by its id."""
    with Session(engine(folder)) as session, session.begin():
        session.merge(Posted(**values))


def find(folder: Path, id: str) -> Posted | None:
    with Session(engine(folder)) as session:
        return session.get(Posted, id)


def of_article(folder: Path, article: str, reader: str) -> Sequence[Posted]:
    """What a reader sees under an article: what is published, and their own."""
    with Session(engine(folder), expire_on_commit=False) as session:
        return session.scalars(
            select(Posted)
            .where(Posted.article == article, Posted.status != "removed")
            .where((Posted.status == "published") | (Posted.reader == reader))
            .order_by(Posted.posted_at)
        ).all()


def unsent(folder: Path) -> Sequence[Posted]:
    with Session(engine(folder), expire_on_commit=False) as session:
        return session.scalars(select(Posted).where(Posted.status == "unsent")).all()


def heard(folder: Path, id: str, status: str, seq: int) -> None:
    """Note what Copydesk says of a comment, unless something newer was heard."""
    with Session(engine(folder)) as session, session.begin():
        posted = session.get(Posted, id)
        if posted is not None and seq > posted.seq:
            posted.status, posted.seq = status, seq
