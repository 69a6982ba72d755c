"""The application: builds the Runtime once, and hangs every door on it."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from moderation import edge, logs, sender
from moderation.api import health, openapi, review, screening, tuning
from moderation.checks.links import LinksCheck
from moderation.checks.profanity import ProfanityCheck
from moderation.checks.repetition import RepetitionCheck
from moderation.checks.toxicity import ToxicityCheck
from moderation.checks.words import WordsCheck
from moderation.commands import database, evaluate, past, people, score, setup, sites, worker
from moderation.demo import site
from moderation.desk import front, pages, queue, session
from moderation.desk import settings as settings_pages
from moderation.flows.runtime import Room, Runtime
from moderation.scoring.loading import load_model
from moderation.scoring.remembering import RememberingModel
from moderation.store.database import open_database


def create_app(settings: Any, **overrides: Any) -> Flask:
    """Build the service.

    settings   a `config.Settings`, completed
    overrides  parts of the Runtime to take in place of the usual: `checks`, `now`, `post` …
    """
    app = Flask("moderation", static_folder=str(Path(__file__).parent / "static"))
    app.config.update(
        SECRET_KEY=settings.secret_key,
        MAX_CONTENT_LENGTH=8 * 1024 * 1024,
        WTF_CSRF_CHECK_DEFAULT=False,
        WTF_CSRF_TIME_LIMIT=None,
        WTF_CSRF_SSL_STRICT=False,
    )
    app.json.sort_keys = False  # type: ignore[attr-defined]
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    app.extensions["moderation"] = build_runtime(settings, **overrides)
    logs.configure(settings.log_format)
    edge.csrf.init_app(app)
    edge.register_problems(app)
    app.before_request(edge.begin_request)
    app.after_request(edge.add_security_headers)
    app.after_request(edge.end_request)
    openapi.register(app, (screening.bp, review.bp, tuning.bp))
    for bp in (health.bp, front.bp, session.bp, queue.bp, settings_pages.bp):
        app.register_blueprint(bp)
    if settings.demo:
        app.register_blueprint(site.bp)
    pages.register_filters(app)
    for command in (
        database.group,
        past.import_command,
        past.rescore_command,
        past.group,
        people.group,
        sites.group,
        sites.deliveries,
        setup.command,
        setup.demo,
        setup.settings,
        score.score_command,
        score.model_group,
        evaluate.command,
        worker.command,
    ):
        app.cli.add_command(command)
    return app


def build_runtime(settings: Any, **overrides: Any) -> Runtime:
    parts: dict[str, Any] = {
        "settings": settings,
        "sessions": open_database(settings.database_url),
        "checks": (
            WordsCheck(),
            LinksCheck(),
            RepetitionCheck(),
            ProfanityCheck(),
            ToxicityCheck(
                lambda: RememberingModel(
                    load_model(settings.toxicity_model, settings.models_dir, exact=settings.exact)
                ),
                gate=settings.gate,
            ),
        ),
        "post": _sender(settings),
        # Some threads stay free to take comments when all the others score.
        "room": Room(max(1, settings.web_threads * 3 // 4)),
        "pool": ThreadPoolExecutor(settings.web_threads, thread_name_prefix="check"),
    }
    return Runtime(**(parts | overrides))


def _sender(settings: Any) -> sender.Sender:
    # The demo site is in this process, whatever the network that it listens on.
    demo = f"{settings.base_url}/demo/" if settings.demo else None
    networks = [one.strip() for one in settings.delivery_networks.split(",")]
    return sender.Sender(filter(None, networks), own=demo)
