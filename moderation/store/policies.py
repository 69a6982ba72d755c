"""Policies as they are kept: versions that are never changed."""

import json
from datetime import datetime
from functools import lru_cache

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from moderation.core.policy import Policy, dump, fingerprint, parse
from moderation.store.database import Database
from moderation.store.tables import PolicyVersion, table_of

_T = table_of(PolicyVersion)
_NEWEST = (
    select(_T.c.version, _T.c.fingerprint)
    .where(_T.c.site_id == bindparam("site_id"))
    .order_by(_T.c.version.desc())
    .limit(1)
)
_DOCUMENT = select(_T.c.document).where(
    _T.c.site_id == bindparam("site_id"), _T.c.version == bindparam("version")
)
MOST_KNOWN = 256
_by_fingerprint: dict[str, Policy] = {}
"""Policies by what they say: a version never changes, so it is parsed once a process."""


def policy_in_force(database: Database, site_id: int) -> tuple[int, Policy]:
    """A site's newest policy and its version."""
    version, fingerprint = database.execute(_NEWEST, {"site_id": site_id}).one()
    known = _by_fingerprint.get(fingerprint)
    if known is None:
        asked = {"site_id": site_id, "version": version}
        known = parse(database.execute(_DOCUMENT, asked).scalar_one())
        if len(_by_fingerprint) >= MOST_KNOWN:
            _by_fingerprint.clear()
        _by_fingerprint[fingerprint] = known
    return version, known


def newest(session: Session, site_id: int) -> PolicyVersion:
    return session.scalars(
        select(PolicyVersion)
        .where(PolicyVersion.site_id == site_id)
        .order_by(PolicyVersion.version.desc())
        .limit(1)
    ).one()


def parsed(row: PolicyVersion) -> Policy:
    """The policy of a row; parsed once per process, as a version never changes."""
    return _parsed(json.dumps(row.document))


def add_version(
    session: Session,
    site_id: int,
    version: int,
    policy: Policy,
    *,
    by: str,
    note: str,
    now: datetime,
) -> PolicyVersion:
    """Put a policy in force. A taken version raises IntegrityError at the flush."""
    row = PolicyVersion(
        site_id=site_id,
        version=version,
        document=dump(policy),
        fingerprint=fingerprint(policy),
        created_at=now,
        created_by=by,
        note=note,
    )
    session.add(row)
    session.flush()
    return row


@lru_cache(maxsize=256)
def _parsed(document: str) -> Policy:
    return parse(json.loads(document))
