"""Sites, and which of them a viewer sees."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, bindparam, select, true
from sqlalchemy.orm import Session

from moderation.core.viewer import Viewer
from moderation.store.database import Database
from moderation.store.tables import Comment, Site, SiteSecret, table_of


def site_by_slug(session: Session, slug: str, viewer: Viewer | None = None) -> Site | None:
    """A site, or None; also None where the viewer may not see it, so that none can be listed."""
    if "\0" in slug:  # PostgreSQL takes none, not even to look for it
        return None
    site = session.scalars(select(Site).where(Site.slug == slug)).first()
    if site is None or (viewer is not None and not viewer.sees(site.id)):
        return None
    return site


@dataclass(frozen=True, slots=True)
class SiteDoor:
    """What is needed to let a site's webhook in."""

    site_id: int
    secrets: tuple[str, ...]
    allow_bearer: bool


_SITE, _SECRET = map(table_of, (Site, SiteSecret))
_DOOR = (
    select(_SITE.c.id, _SITE.c.allow_bearer, _SECRET.c.secret)
    .outerjoin_from(
        _SITE,
        _SECRET,
        (_SECRET.c.site_id == _SITE.c.id)
        & (_SECRET.c.expires_at.is_(None) | (_SECRET.c.expires_at > bindparam("now"))),
    )
    .where(_SITE.c.slug == bindparam("slug"))
)
"""One statement, built once: every comment comes through here."""


def door_of(database: Database, slug: str, now: datetime) -> SiteDoor | None:
    """A site's secrets in force, or None where there is no such site."""
    found = [] if "\0" in slug else database.execute(_DOOR, {"slug": slug, "now": now}).all()
    if not found:
        return None
    secrets = tuple(secret for *_, secret in found if secret is not None)
    return SiteDoor(found[0].id, secrets, found[0].allow_bearer)


def sites_of(session: Session, viewer: Viewer) -> list[Site]:
    """The sites a viewer sees, by name."""
    query = select(Site).order_by(Site.name)
    if viewer.site_ids is not None:
        query = query.where(Site.id.in_(viewer.site_ids))
    return list(session.scalars(query))


def visible_to(viewer: Viewer) -> ColumnElement[bool]:
    """The condition that a comment is of a site that the viewer sees."""
    return true() if viewer.site_ids is None else Comment.site_id.in_(viewer.site_ids)
