"""Policies as they are kept: versions that are never changed."""

import json
from datetime import datetime
from functools import lru_cache

from sqlalchemy import select
from sqlalchemy.orm import Session

from moderation.core.policy import Policy, dump, fingerprint, parse
from moderation.store.tables import PolicyVersion


def policy_in_force(session: Session, site_id: int) -> tuple[int, Policy]:
    """A site's newest policy and its version."""
    row = newest(session, site_id)
    return row.version, parsed(row)


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
