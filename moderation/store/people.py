"""People, as an admin sees them: those with a site that the admin sees."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from moderation.core.viewer import Viewer
from moderation.store.tables import Person, PersonSite, Site


@dataclass(frozen=True, slots=True)
class Colleague:
    """A person, with as much of their sites as the admin sees."""

    person: Person
    sites: tuple[str, ...]
    """Slugs of those sites of theirs that the admin sees, by slug."""
    all_sites: bool
    changeable: bool
    """Whether the admin may change them: not who has sites that the admin doesn't have."""


def colleagues(session: Session, viewer: Viewer) -> list[Colleague]:
    """The people whom a viewer sees, by e-mail."""
    limits: dict[int, dict[int, str]] = {}
    for person_id, site_id, slug in session.execute(
        select(PersonSite.person_id, Site.id, Site.slug).join(Site, Site.id == PersonSite.site_id)
    ):
        limits.setdefault(person_id, {})[site_id] = slug
    everyone = session.scalars(select(Person).order_by(Person.email))
    found = (_seen(viewer, person, limits.get(person.id, {})) for person in everyone)
    return [who for who in found if who]


def colleague(session: Session, viewer: Viewer, person: Person) -> Colleague | None:
    """One person; None where the viewer sees none of their sites."""
    limits = session.execute(
        select(Site.id, Site.slug)
        .join(PersonSite, PersonSite.site_id == Site.id)
        .where(PersonSite.person_id == person.id)
    )
    return _seen(viewer, person, dict(limits.tuples().all()))


def _seen(viewer: Viewer, person: Person, limits: dict[int, str]) -> Colleague | None:
    seen = tuple(sorted(slug for site_id, slug in limits.items() if viewer.sees(site_id)))
    if limits and not seen:
        return None
    within = bool(limits) and len(seen) == len(limits)
    return Colleague(person, seen, not limits, viewer.site_ids is None or within)
