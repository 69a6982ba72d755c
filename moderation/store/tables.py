"""The tables. Only `ledger` writes decisions, statuses and deliveries.

Texts a person wrote stand in one place each (`revision.body`, `decision.note`), so
that erasing is one update: findings, reasons and deliveries keep offsets and numbers.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, cast

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

ID_MOST = 2**31 - 1
"""The greatest number of a row of a newsroom's own; PostgreSQL refuses to look for a greater."""
NUMBER_MOST = 2**63 - 1
"""… and of a row that readers bring about."""
Number = Annotated[int, "number"]
"""The number of a row that readers bring about, of which 32 bits might not do."""

CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Instant(TypeDecorator[datetime]):
    """A moment: aware and in UTC in Python, on every database."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=CONVENTION)
    type_annotation_map = {
        str: Text(),
        Number: BigInteger().with_variant(Integer(), "sqlite"),  # whose integers have 64 bits
        datetime: Instant(),
        dict[str, Any]: JSON(),
        list[Any]: JSON(),
    }


def _partial(name: str, *columns: Any, where: str) -> Index:
    """An index of some rows only."""
    return Index(name, *columns, sqlite_where=text(where), postgresql_where=text(where))


class Site(Base):
    """One publication. Its words are kept in its policy."""

    __tablename__ = "site"
    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    allow_bearer: Mapped[bool] = mapped_column(default=False)
    """Whether its webhook takes an API key in place of a signature."""
    created_at: Mapped[datetime]


class SiteSecret(Base):
    """A webhook secret; several may be in force while they are rotated."""

    __tablename__ = "site_secret"
    id: Mapped[int] = mapped_column(primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"), index=True)
    secret: Mapped[str]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]


class APIKey(Base):
    """A bearer token, kept as its SHA-256: of a site with scopes, or of a person."""

    __tablename__ = "api_key"
    id: Mapped[int] = mapped_column(primary_key=True)
    key_hash: Mapped[str] = mapped_column(unique=True)
    prefix: Mapped[str]
    """Its first characters, by which people tell keys apart."""
    name: Mapped[str]
    site_id: Mapped[int | None] = mapped_column(ForeignKey("site.id"), index=True)
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"), index=True)
    scopes: Mapped[list[Any]]
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class Endpoint(Base):
    """Where a site hears of events."""

    __tablename__ = "endpoint"
    id: Mapped[int] = mapped_column(primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"), index=True)
    url: Mapped[str]
    events: Mapped[list[Any]]
    """Event types it wants; empty means all."""
    secret: Mapped[str]
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]
    disabled_why: Mapped[str | None]
    failures: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    """Attempts that failed since the last one that did not."""
    failing_since: Mapped[datetime | None]
    paused_until: Mapped[datetime | None]
    """Until then nothing is tried."""


class Person(Base):
    """A moderator or an admin."""

    __tablename__ = "person"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    role: Mapped[str]
    password_hash: Mapped[str]
    must_change_password: Mapped[bool] = mapped_column(default=False)
    timezone: Mapped[str] = mapped_column(default="UTC")
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]


class PersonSite(Base):
    """A site that a person may see. A person with none sees every site."""

    __tablename__ = "person_site"
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"), primary_key=True)


class PersonSession(Base):
    """A login. The cookie holds a random token, this row its SHA-256: logout ends it here."""

    __tablename__ = "person_session"
    token_hash: Mapped[str] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    address: Mapped[str]
    agent: Mapped[str]


class LoginFailure(Base):
    """A failed login, counted for a quarter of an hour by account and address."""

    __tablename__ = "login_failure"
    id: Mapped[int] = mapped_column(primary_key=True)
    account: Mapped[str] = mapped_column(index=True)
    """SHA-256 of e-mail and address."""
    at: Mapped[datetime]


class PolicyVersion(Base):
    """A policy as it was published. Never changed; the newest is in force."""

    __tablename__ = "policy_version"
    __table_args__ = (UniqueConstraint("site_id", "version"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"))
    version: Mapped[int]
    document: Mapped[dict[str, Any]]
    fingerprint: Mapped[str]
    created_at: Mapped[datetime]
    created_by: Mapped[str]
    """Who published it: a person's e-mail, or the name of a key or command."""
    note: Mapped[str] = mapped_column(default="")


class Article(Base):
    __tablename__ = "article"
    __table_args__ = (UniqueConstraint("site_id", "external_id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"))
    external_id: Mapped[str]
    title: Mapped[str | None]
    url: Mapped[str | None]
    section: Mapped[str | None]


class Author(Base):
    __tablename__ = "author"
    __table_args__ = (UniqueConstraint("site_id", "external_id"),)
    id: Mapped[Number] = mapped_column(primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"))
    external_id: Mapped[str]
    """The site's id, or `name:` and the name where it gives none."""
    given_id: Mapped[str | None]
    name: Mapped[str | None]
    email: Mapped[str | None]
    ip: Mapped[str | None]
    role: Mapped[str]
    created_at: Mapped[datetime]


class Comment(Base):
    """A reader's comment, identified by (site, external_id).

    `status`, `seq` and `decision_id` are a projection of its decisions; `fold` in
    the ledger rebuilds them.
    """

    __tablename__ = "comment"
    __table_args__ = (
        UniqueConstraint("site_id", "external_id"),
        Index("ix_comment_article_status", "article_id", "status", "id"),
        Index("ix_comment_author", "author_id", "id"),
        _partial(
            "ix_comment_waiting", "site_id", "waiting_since", where="waiting_since IS NOT NULL"
        ),
        _partial("ix_comment_claimed", "claimed_by", where="claimed_by IS NOT NULL"),
    )
    id: Mapped[Number] = mapped_column(primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"))
    external_id: Mapped[str]
    article_id: Mapped[int] = mapped_column(ForeignKey("article.id"))
    author_id: Mapped[Number] = mapped_column(ForeignKey("author.id"))
    parent_external_id: Mapped[str | None]
    created_at: Mapped[datetime]
    revision: Mapped[int] = mapped_column(default=1)
    status: Mapped[str]
    seq: Mapped[int] = mapped_column(default=0)
    """How many decisions it has had."""
    decision_id: Mapped[str | None]
    """The newest decision."""
    waiting_since: Mapped[datetime | None]
    """Since when it stands in the moderation queue; none if it does not."""
    urgency: Mapped[float] = mapped_column(default=0.0)
    escalated: Mapped[bool] = mapped_column(default=False)
    claimed_by: Mapped[str | None]
    """The actor who has it on the desk: a person's e-mail, or a key's name."""
    claimed_until: Mapped[datetime | None]

    site: Mapped[Site] = relationship(lazy="raise_on_sql")
    article: Mapped[Article] = relationship(lazy="raise_on_sql")
    author: Mapped[Author] = relationship(lazy="raise_on_sql")


_partial(
    "ix_comment_urgent",  # in the order of the queue, so that its first page is read, not sorted
    Comment.escalated.desc(),
    Comment.urgency.desc(),
    Comment.waiting_since,
    Comment.id,
    where="waiting_since IS NOT NULL",
)


class Revision(Base):
    """One wording of a comment, and its duty to be decided."""

    __tablename__ = "revision"
    __table_args__ = (
        UniqueConstraint("comment_id", "number"),
        _partial("ix_revision_due", "due_at", where="due_at IS NOT NULL"),
        Index("ix_revision_author_received", "author_id", "received_at"),
    )
    id: Mapped[Number] = mapped_column(primary_key=True)
    comment_id: Mapped[Number] = mapped_column(ForeignKey("comment.id"))
    author_id: Mapped[Number] = mapped_column(ForeignKey("author.id"))
    number: Mapped[int]
    body: Mapped[str]
    format: Mapped[str]
    language: Mapped[str | None]
    content_key: Mapped[str]
    """By which the same text is known again (`text.content_key`)."""
    role: Mapped[str]
    section: Mapped[str | None]
    published_before: Mapped[int]
    submitted_at: Mapped[datetime | None]
    received_at: Mapped[datetime]
    extra: Mapped[dict[str, Any]]
    """Keys of the submission that we don't know, kept as they came."""
    due_at: Mapped[datetime | None]
    """When the worker shall screen it, unless a request has done so; none once done."""
    attempts: Mapped[int] = mapped_column(default=0)


class AssessmentRow(Base):
    """What the checks said of a revision, as JSON (`wire.dump_assessment`)."""

    __tablename__ = "assessment"
    id: Mapped[Number] = mapped_column(primary_key=True)
    revision_id: Mapped[Number] = mapped_column(ForeignKey("revision.id"), index=True)
    document: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]


class DecisionRow(Base):
    """An append-only entry: what was decided, by whom, and why."""

    __tablename__ = "decision"
    __table_args__ = (UniqueConstraint("comment_id", "seq"),)
    id: Mapped[str] = mapped_column(primary_key=True)
    comment_id: Mapped[Number] = mapped_column(ForeignKey("comment.id"))
    revision: Mapped[int]
    seq: Mapped[int]
    """1, 2, 3 … per comment, without a gap."""
    action: Mapped[str]
    """publish, hold, reject, or remove (by the author)."""
    by: Mapped[str]
    """policy, moderator or author."""
    actor: Mapped[str | None]
    """Who: a person's e-mail, or a key's name; none for a policy or an author."""
    policy_version: Mapped[int | None]
    assessment_id: Mapped[Number | None] = mapped_column(ForeignKey("assessment.id"), index=True)
    reasons: Mapped[list[Any]]
    """As in the contract, with spans as [start, end] and no words."""
    reason: Mapped[str | None]
    """The moderator's reason code."""
    note: Mapped[str | None]
    escalated: Mapped[bool] = mapped_column(default=False)
    undoes: Mapped[str | None]
    """The decision that this one takes back."""
    decided_at: Mapped[datetime]


class Report(Base):
    """A reader's flag; open until the comment is next decided on by a person."""

    __tablename__ = "report"
    id: Mapped[Number] = mapped_column(primary_key=True)
    comment_id: Mapped[Number] = mapped_column(ForeignKey("comment.id"), index=True)
    revision: Mapped[int]
    reporter_id: Mapped[str | None]
    reason: Mapped[str | None]
    note: Mapped[str | None]
    received_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]


class Inbound(Base):
    """A webhook that we answered: the same id gets the same answer."""

    __tablename__ = "inbound"
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"), primary_key=True)
    webhook_id: Mapped[str] = mapped_column(primary_key=True)
    body_hash: Mapped[str]
    comment_id: Mapped[Number] = mapped_column(ForeignKey("comment.id"), index=True)
    revision: Mapped[int]
    decision_id: Mapped[str | None]
    """The decision that was answered with; none while it is pending."""
    received_at: Mapped[datetime]


class Delivery(Base):
    """An event that an endpoint shall hear of; rendered from its decision when it is sent."""

    __tablename__ = "delivery"
    __table_args__ = (
        UniqueConstraint("endpoint_id", "decision_id"),
        _partial(
            "ix_delivery_owed",
            "endpoint_id",
            "next_attempt_at",
            where="next_attempt_at IS NOT NULL",
        ),
        _partial("ix_delivery_withheld", "endpoint_id", where="status = 'withheld'"),
    )
    id: Mapped[Number] = mapped_column(primary_key=True)
    endpoint_id: Mapped[int] = mapped_column(ForeignKey("endpoint.id"))
    comment_id: Mapped[Number] = mapped_column(ForeignKey("comment.id"), index=True)
    decision_id: Mapped[str] = mapped_column(ForeignKey("decision.id"), index=True)
    event: Mapped[str]
    status: Mapped[str]
    """pending, delivered, dead, or withheld (its endpoint is disabled)."""
    attempts: Mapped[int] = mapped_column(default=0)
    next_attempt_at: Mapped[datetime | None]
    """When it is due; moved ahead as a lease before each attempt."""
    request_id: Mapped[str | None]
    """Of the request that caused the decision, where one did."""
    first_attempt_at: Mapped[datetime | None]
    answered: Mapped[int | None]
    """The HTTP status of the last answer."""
    error: Mapped[str | None]
    created_at: Mapped[datetime]
    delivered_at: Mapped[datetime | None]

    endpoint: Mapped[Endpoint] = relationship(lazy="raise_on_sql")


class Job(Base):
    """Long work that a worker does a piece at a time: each piece, with the place reached,
    is one transaction."""

    __tablename__ = "job"
    __table_args__ = (_partial("ix_job_due", "due_at", where="due_at IS NOT NULL"),)
    id: Mapped[str] = mapped_column(primary_key=True)
    """Its kind, where there is one of it for ever; else a new id."""
    kind: Mapped[str]
    details: Mapped[dict[str, Any]]
    cursor: Mapped[Number] = mapped_column(default=0)
    """The number of the last comment that it has seen to."""
    done: Mapped[int] = mapped_column(default=0)
    failures: Mapped[int] = mapped_column(default=0)
    """In a row."""
    error: Mapped[str | None]
    due_at: Mapped[datetime | None]
    """When its next piece is to be done; none once it has ended."""
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


def table_of(entity: type[Base]) -> Table:
    """The table of an entity, for statements that need no objects."""
    return cast(Table, entity.__table__)
