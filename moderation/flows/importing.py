"""Importing: comments that a site had before it came to us, with what people said of them.

The whole file is read first, and one line that can't be taken refuses it all. Then it is
taken in two hundred lines to a transaction; a comment that is on record is left as it is,
so that an import that was cut off is simply begun again. The site is told nothing: it
knows where its comments stand.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from marshmallow import ValidationError
from sqlalchemy.orm import Session

from moderation import jsontext
from moderation.core.comment import PastComment, Status
from moderation.flows.errors import Invalid, NotFound
from moderation.flows.runtime import Runtime
from moderation.store import intake, ledger
from moderation.store.database import tried_again
from moderation.store.policies import policy_in_force
from moderation.store.sites import site_by_slug
from moderation.wire import PastCommentSchema, error_pointers

AT_ONCE = 200
FAULTS_MOST = 20
LINE_MOST = 256 * 1024
ACTOR = "import"
SCHEMA = PastCommentSchema()


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of some lines."""

    new: int
    known: int
    """They were on record."""


def site_named(rt: Runtime, slug: str) -> tuple[int, int]:
    """The number of a site, and how long a comment may be there. Raises NotFound."""
    with rt.sessions.read() as session:
        site = site_by_slug(session, slug)
        if site is None:
            raise NotFound(f"there is no site {slug!r}")
        return site.id, policy_in_force(session, site.id)[1].max_length


def count(lines: Iterable[bytes], max_length: int) -> int:
    """Read every line, and count the comments. Raises Invalid with the first faults."""
    good, faults = 0, list[tuple[str, str]]()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            _read(line, max_length)
            good += 1
        except Invalid as error:
            faults += [(f"line {number} {pointer}", why) for pointer, why in error.errors]
            if len(faults) >= FAULTS_MOST:
                break
    if faults:
        raise Invalid(*faults[:FAULTS_MOST])
    return good


def take_in(rt: Runtime, site_id: int, lines: Iterable[bytes], max_length: int) -> Iterator[Taken]:
    """Store the comments of the lines, a transaction at a time; tells of each."""
    past = (_read(line, max_length) for line in lines if line.strip())
    while some := list(islice(past, AT_ONCE)):
        new = _store_all(rt, site_id, some)
        yield Taken(new, len(some) - new)


@tried_again
def _store_all(rt: Runtime, site_id: int, some: Sequence[PastComment]) -> int:
    """Store comments in one transaction; gives how many were not on record."""
    with rt.sessions.write() as session:
        now = rt.now()
        return sum(_store(rt, session, site_id, comment, now) for comment in some)


def _read(line: bytes, max_length: int) -> PastComment:
    if len(line) > LINE_MOST:
        raise Invalid(("#", f"has {len(line)} bytes; at most {LINE_MOST}"))
    try:
        past: PastComment = SCHEMA.load(jsontext.loads(line))
    except jsontext.BadText as error:
        raise Invalid((error.pointer, error.why)) from None
    except jsontext.BadJSON as error:
        raise Invalid(("#", str(error))) from None
    except ValidationError as error:
        pointers = error_pointers(error.messages)
        raise Invalid(*((e["pointer"], e["detail"]) for e in pointers)) from None
    length = len(past.submission.body)
    if length > max_length:
        raise Invalid(("#/body", f"has {length} characters; at most {max_length}"))
    return past


def _store(rt: Runtime, session: Session, site_id: int, past: PastComment, now: datetime) -> bool:
    """Store a comment with the decision that is known of it; False if it is on record."""
    given = past.submission
    at = min(given.submitted_at or now, now)
    place = ledger.admit(session, site_id, given, at)
    if place.before is not None:
        return False
    ledger.revise(
        session,
        place,
        given,
        number=1,
        published_before=intake.published_before(session, place.author_id, but=place.comment_id),
        received_at=at,
        due_at=None,
    )
    comment = ledger.lock_comment(session, place.comment_id, parts=False)
    entry = ledger.Entry(
        id=rt.new_id("dec"),
        action="reject" if past.verdict is Status.REJECTED else "publish",
        by="policy" if past.verdict is None else "moderator",
        decided_at=at,
        actor=ACTOR,
    )
    ledger.record(session, comment, entry, tell=False)
    return True
