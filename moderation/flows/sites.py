"""Sites: made, given secrets and keys, told where to send events. By admins only.

An admin who is limited to some sites sees and changes those, and makes none: to them
every other site is one that does not exist. Without a `viewer` it is the operator.
"""

import hashlib
import re
import secrets
from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from moderation.core.policy import DEFAULT
from moderation.core.viewer import OPERATOR, Scope, Viewer
from moderation.flows.errors import Forbidden, Invalid, NotFound
from moderation.flows.runtime import Runtime
from moderation.signing import new_secret
from moderation.store.database import tried_again
from moderation.store.policies import add_version
from moderation.store.sites import site_by_slug
from moderation.store.tables import APIKey, Delivery, Endpoint, Site, SiteSecret
from moderation.wire import EVENT_TYPES

SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
OVERLAP = timedelta(hours=24)
"""How long the old secret is taken beside a new one."""
NAME_MOST = 200
"""Characters of a site's or a key's name."""


def add_site(
    rt: Runtime,
    slug: str,
    name: str,
    *,
    callback: str | None = None,
    by: str,
    viewer: Viewer = OPERATOR,
) -> dict[str, Any]:
    """Make a site with the default policy, a webhook secret and an API key.

    The secrets are in the answer and can't be read again (but for the webhook's, by
    admins). Raises Invalid; Forbidden to an admin of some sites only.
    """
    if viewer.site_ids is not None:
        raise Forbidden("only an admin of all sites makes sites")
    if not SLUG.fullmatch(slug):
        raise Invalid(("#/slug", f"{slug!r}: use 1 to 63 lower-case letters, digits and dashes"))
    name = _name(name)
    if callback:
        _refuse_address(rt, callback)
    now = rt.now()
    try:
        with rt.sessions.write() as session:
            site = Site(slug=slug, name=name, created_at=now)
            session.add(site)
            session.flush()
            add_version(session, site.id, 1, DEFAULT, by=by, note="The default policy", now=now)
            secret = _add_secret(rt, session, site.id)
            key = _add_key(rt, session, "First key", frozenset(Scope), site_id=site.id)
            made: dict[str, Any] = {"site": slug, "webhook_secret": secret, "api_key": key}
            if callback:
                # One secret serves both ways, so that a site is set up with one value.
                made["callback"] = _add_endpoint(rt, session, site.id, callback, (), secret=secret)[
                    "url"
                ]
            return made
    except IntegrityError:
        raise Invalid(("#/slug", f"there is a site {slug!r} already")) from None


def change_site(
    rt: Runtime, slug: str, *, name: str, allow_bearer: bool, viewer: Viewer = OPERATOR
) -> None:
    """Rename a site, or let its webhook take an API key in place of a signature.

    Raises Invalid, NotFound.
    """
    name = _name(name)
    with rt.sessions.write() as session:
        site = _site(session, viewer, slug)
        site.name, site.allow_bearer = name, allow_bearer


def rotate_secret(rt: Runtime, slug: str, *, viewer: Viewer = OPERATOR) -> str:
    """A new webhook secret; those in force go on for `OVERLAP`. Raises NotFound."""
    with rt.sessions.write() as session:
        site = _site(session, viewer, slug)
        session.execute(
            update(SiteSecret)
            .where(SiteSecret.site_id == site.id, SiteSecret.expires_at.is_(None))
            .values(expires_at=rt.now() + OVERLAP)
        )
        return _add_secret(rt, session, site.id)


def add_key(
    rt: Runtime, slug: str, name: str, scopes: Iterable[str], *, viewer: Viewer = OPERATOR
) -> str:
    """A new API key of a site; shown once. Raises Invalid, NotFound."""
    chosen = frozenset(Scope(scope) for scope in scopes if scope in list(Scope))
    if not chosen:
        raise Invalid(("#/scopes", f"choose at least one of {', '.join(Scope)}"))
    name = _name(name)
    with rt.sessions.write() as session:
        return _add_key(rt, session, name, chosen, site_id=_site(session, viewer, slug).id)


def revoke_key(rt: Runtime, slug: str, key_id: int, *, viewer: Viewer = OPERATOR) -> None:
    """End a key of a site at once, for good. Raises NotFound."""
    with rt.sessions.write() as session:
        site = _site(session, viewer, slug)
        keys = session.scalars(select(APIKey).where(APIKey.site_id == site.id))
        key = next((key for key in keys if key.id == key_id), None)
        if key is None:
            raise NotFound(f"there is no key {key_id}")
        key.revoked_at = key.revoked_at or rt.now()


def add_endpoint(
    rt: Runtime, slug: str, url: str, events: Iterable[str], *, viewer: Viewer = OPERATOR
) -> dict[str, Any]:
    """Register where events go; empty `events` means all. Raises Invalid, NotFound."""
    _refuse_address(rt, url)
    with rt.sessions.write() as session:
        return _add_endpoint(rt, session, _site(session, viewer, slug).id, url, tuple(events))


def move_endpoints(rt: Runtime, slug: str, path: str, url: str) -> None:
    """Give the endpoints of a site whose address ends in a path another address. Raises Invalid."""
    _refuse_address(rt, url)
    of_site = select(Site.id).where(Site.slug == slug).scalar_subquery()
    with rt.sessions.write() as session:
        session.execute(
            update(Endpoint)
            .where(Endpoint.site_id == of_site, Endpoint.url.endswith(path), Endpoint.url != url)
            .values(url=url, failures=0, failing_since=None, paused_until=None)
        )


@tried_again
def switch_endpoint(
    rt: Runtime, slug: str, endpoint_id: int, *, on: bool, viewer: Viewer = OPERATOR
) -> None:
    """Disable an endpoint, or enable it again; what was withheld is then due. Raises NotFound."""
    now = rt.now()
    with rt.sessions.write() as session:
        site = _site(session, viewer, slug)
        endpoints = session.scalars(select(Endpoint).where(Endpoint.site_id == site.id))
        endpoint = next((found for found in endpoints if found.id == endpoint_id), None)
        if endpoint is None:
            raise NotFound(f"there is no endpoint {endpoint_id}")
        endpoint.disabled_at = None if on else now
        endpoint.disabled_why = None if on else "switched off by an admin"
        endpoint.failures, endpoint.failing_since, endpoint.paused_until = 0, None, None
        was, becomes = ("withheld", "pending") if on else ("pending", "withheld")
        session.execute(
            update(Delivery)
            .where(Delivery.endpoint_id == endpoint_id, Delivery.status == was)
            .values(status=becomes, next_attempt_at=rt.clock(session) if on else None)
        )
    rt.to_tell.set()


def site_details(rt: Runtime, slug: str, *, viewer: Viewer = OPERATOR) -> dict[str, Any]:
    """A site with its secrets in force, keys and endpoints. For admins. Raises NotFound."""
    now = rt.now()
    with rt.sessions.read() as session:
        site = _site(session, viewer, slug)
        return {
            "site": site,
            "secrets": session.scalars(
                select(SiteSecret)
                .where(SiteSecret.site_id == site.id)
                .where(SiteSecret.expires_at.is_(None) | (SiteSecret.expires_at > now))
                .order_by(SiteSecret.id.desc())
            ).all(),
            "keys": session.scalars(
                select(APIKey).where(APIKey.site_id == site.id).order_by(APIKey.id)
            ).all(),
            "endpoints": session.scalars(
                select(Endpoint).where(Endpoint.site_id == site.id).order_by(Endpoint.id)
            ).all(),
        }


def hash_key(key: str) -> str:
    """What is kept of a key. It has 256 random bits, so a fast hash is enough."""
    return hashlib.sha256(key.encode()).hexdigest()


def _add_secret(rt: Runtime, session: Session, site_id: int) -> str:
    secret = new_secret()
    session.add(SiteSecret(site_id=site_id, secret=secret, created_at=rt.now()))
    return secret


def _add_key(
    rt: Runtime, session: Session, name: str, scopes: frozenset[Scope], *, site_id: int
) -> str:
    key = f"cdk_{secrets.token_urlsafe(32)}"
    session.add(
        APIKey(
            key_hash=hash_key(key),
            prefix=key[:12],
            name=name,
            site_id=site_id,
            scopes=sorted(scopes),
            created_at=rt.now(),
        )
    )
    return key


def _add_endpoint(
    rt: Runtime,
    session: Session,
    site_id: int,
    url: str,
    events: tuple[str, ...],
    secret: str | None = None,
) -> dict[str, Any]:
    unknown = [event for event in events if event not in EVENT_TYPES]
    if unknown:
        raise Invalid(("#/events", f"{unknown[0]!r} is not one of {', '.join(EVENT_TYPES)}"))
    endpoint = Endpoint(
        site_id=site_id,
        url=url.strip(),
        events=list(events),
        secret=secret or new_secret(),
        created_at=rt.now(),
    )
    session.add(endpoint)
    session.flush()
    return {"id": endpoint.id, "url": endpoint.url, "secret": endpoint.secret}


def _refuse_address(rt: Runtime, url: str) -> None:
    """Raise Invalid for what is no address, or one that nothing may be sent to.

    Outside any transaction: to look a name up may take seconds.
    """
    if not _is_web_address(url.strip()):
        raise Invalid(("#/url", f"{url.strip()!r} is not an http or https address"))
    if why := rt.post.refusal(url.strip()):
        raise Invalid(("#/url", why))


def _is_web_address(url: str) -> bool:
    """Whether a POST could be sent there, as far as the address itself tells."""
    try:
        parts = urlsplit(url)
        port = parts.port  # a ValueError where it is none
    except ValueError:
        return False
    plain = url.isprintable() and " " not in url and len(url) <= 2000
    return plain and parts.scheme in ("http", "https") and bool(parts.hostname) and port != 0


def _name(name: str) -> str:
    """A name as it is kept: printable (PostgreSQL takes no NUL), and short enough to read."""
    name = name.strip()
    if not name:
        raise Invalid(("#/name", "must not be empty"))
    if not name.isprintable() or len(name) > NAME_MOST:
        raise Invalid(("#/name", f"must be one line of at most {NAME_MOST} printable characters"))
    return name


def _site(session: Session, viewer: Viewer, slug: str) -> Site:
    site = site_by_slug(session, slug, viewer)
    if site is None:
        raise NotFound(f"there is no site {slug!r}")
    return site
