"""Sites, and which of them a viewer sees."""

from sqlalchemy import ColumnElement, select, true
from sqlalchemy.orm import Session

from moderation.core.viewer import Viewer
from moderation.store.tables import Comment, Site


def site_by_slug(session: Session, slug: str, viewer: Viewer | None = None) -> Site | None:
    """A site, or None; also None where the viewer may not see it, so that none can be listed."""
    if "\0" in slug:  # PostgreSQL takes none, not even to look for it
        return None
    site = session.scalars(select(Site).where(Site.slug == slug)).first()
    if site is None or (viewer is not None and not viewer.sees(site.id)):
        return None
    return site


def sites_of(session: Session, viewer: Viewer) -> list[Site]:
    """The sites a viewer sees, by name."""
    query = select(Site).order_by(Site.name)
    if viewer.site_ids is not None:
        query = query.where(Site.id.in_(viewer.site_ids))
    return list(session.scalars(query))


def visible_to(viewer: Viewer) -> ColumnElement[bool]:
    """The condition that a comment is of a site that the viewer sees."""
    return true() if viewer.site_ids is None else Comment.site_id.in_(viewer.site_ids)
