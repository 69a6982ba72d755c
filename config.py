"""Every setting, with its unit and range. The one place that reads the environment.

A wrong value stops the start with one line that names it.
"""

import os
import secrets
from dataclasses import dataclass, field, fields, replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

MODELS = (
    "auto",
    "bundled",
    "bundled:linear",
    "detoxify:original",
    "detoxify:unbiased",
    "detoxify:multilingual",
    "detoxify:original-small",
    "detoxify:unbiased-small",
)


class SettingError(ValueError):
    """A setting with a value that can't be used."""


def _setting(name: str, doc: str, default: Any, *, secret: bool = False) -> Any:
    return field(default=default, metadata={"env": name, "doc": doc, "secret": secret})


@dataclass(frozen=True, slots=True)
class Settings:
    """How this process runs. Build it with `Settings.from_env()`, or by name in tests."""

    instance_dir: Path = _setting(
        "INSTANCE_DIR", "Folder of the embedded database, keys and models.", Path("instance")
    )
    database_url: str = _setting(
        "DATABASE_URL",
        "sqlite:///… or postgresql://…; by default SQLite in the instance folder.",
        "",
        secret=True,
    )
    secret_key: str = _setting(
        "SECRET_KEY",
        "Signs form tokens; at least 16 characters. Made and kept in the instance folder if unset.",
        "",
        secret=True,
    )
    toxicity_model: str = _setting(
        "TOXICITY_MODEL",
        f"One of {', '.join(MODELS)}, or the path of a checkpoint or a trained model.",
        "auto",
    )
    exact: bool = _setting(
        "EXACT",
        "Run a Detoxify checkpoint as Detoxify does, several times as slow as the engine: 1 or 0.",
        False,
    )
    gate: bool = _setting(
        "GATE",
        "Decide what is far from every threshold by the model's first stage alone: 1 or 0.",
        True,
    )
    host: str = _setting("HOST", "Address to serve on.", "127.0.0.1")
    port: int = _setting("PORT", "Port to serve on, 1 to 65535.", 8000)
    web_concurrency: int = _setting(
        "WEB_CONCURRENCY",
        "Web processes; each holds its own model. 1 to 64; 0 chooses by cores and model.",
        0,
    )
    web_threads: int = _setting("WEB_THREADS", "Threads of a web process, 2 to 256.", 16)
    embedded_worker: bool = _setting(
        "EMBEDDED_WORKER",
        "Finish late comments and tell sites from the web processes too: 1 or 0 (`flask worker`).",
        True,
    )
    base_url: str = _setting(
        "BASE_URL",
        "Where people and sites reach this service; http://127.0.0.1:PORT by default.",
        "",
    )
    delivery_timeout_s: float = _setting(
        "DELIVERY_TIMEOUT_S", "Seconds to wait for a site's answer to an event, 1 to 60.", 15.0
    )
    delivery_networks: str = _setting(
        "DELIVERY_NETWORKS",
        "Private networks in which sites may be told, such as 10.20.0.0/16, parted by commas.",
        "",
    )
    session_idle_h: float = _setting(
        "SESSION_IDLE_H", "Hours after which an unused login ends, 0.1 to 168.", 8.0
    )
    keep_comments_days: int = _setting(
        "KEEP_COMMENTS_DAYS",
        "Days after which a comment is deleted with all that is known of it, to 36500; 0 is never.",
        0,
    )
    keep_logs_days: int = _setting(
        "KEEP_LOGS_DAYS",
        "Days for which events told, webhooks answered and logins are on record, 1 to 36500.",
        30,
    )
    trusted_proxies: int = _setting(
        "TRUSTED_PROXIES", "Proxies in front whose X-Forwarded headers are believed, 0 to 5.", 0
    )
    log_format: str = _setting(
        "LOG_FORMAT",
        "Lines of the log: text (warnings, for people) or json (all, for machines).",
        "text",
    )
    demo: bool = _setting("DEMO", "Serve the demo news site under /demo: 1 or 0.", True)

    @property
    def models_dir(self) -> Path:
        return self.instance_dir / "models"

    @classmethod
    def from_env(cls, environ: dict[str, str] | None = None) -> "Settings":
        """Read the environment, complete it, and check it.

        Raises SettingError, naming the setting. Also says where processes put their
        figures for /metrics, which must be known before prometheus_client is imported.
        """
        settings = cls._read(environ)
        figures = os.environ.setdefault(
            "PROMETHEUS_MULTIPROC_DIR", str(settings.instance_dir / "metrics")
        )
        Path(figures).mkdir(parents=True, exist_ok=True)
        return settings

    @classmethod
    def _read(cls, environ: dict[str, str] | None) -> "Settings":
        environ = dict(os.environ) if environ is None else environ
        given = {
            f.name: _read(f.metadata["env"], environ[f.metadata["env"]], f.default)
            for f in fields(cls)
            if environ.get(f.metadata["env"], "") != ""
        }
        return cls(**given).completed()

    def completed(self) -> "Settings":
        """These settings with what depends on others filled in, and checked."""
        _check(self)
        directory = self.instance_dir.resolve()
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SettingError(f"INSTANCE_DIR: {directory}: {error.strerror}") from None
        return replace(
            self,
            instance_dir=directory,
            database_url=self.database_url or f"sqlite:///{directory / 'copydesk.db'}",
            secret_key=self.secret_key or _kept_secret(directory / "secret_key"),
            base_url=(self.base_url or f"http://127.0.0.1:{self.port}").rstrip("/"),
        )

    def shown(self) -> dict[str, str]:
        """Each setting by its name in the environment, secrets masked."""
        return {
            f.metadata["env"]: "(secret)" if f.metadata["secret"] else str(getattr(self, f.name))
            for f in fields(self)
        }


def _read(name: str, text: str, default: Any) -> Any:
    if isinstance(default, bool):
        if text not in ("0", "1"):
            raise SettingError(f"{name}: {text!r} is neither 1 nor 0")
        return text == "1"
    try:
        return type(default)(text)
    except ValueError:
        kind = "a whole number" if isinstance(default, int) else "a number"
        raise SettingError(f"{name}: {text!r} is not {kind}") from None


def _check(settings: Settings) -> None:
    _in_range("PORT", settings.port, 1, 65535)
    _in_range("WEB_CONCURRENCY", settings.web_concurrency, 0, 64)
    _in_range("WEB_THREADS", settings.web_threads, 2, 256)
    _in_range("DELIVERY_TIMEOUT_S", settings.delivery_timeout_s, 1, 60)
    _in_range("SESSION_IDLE_H", settings.session_idle_h, 0.1, 168)
    _in_range("KEEP_COMMENTS_DAYS", settings.keep_comments_days, 0, 36500)
    _in_range("KEEP_LOGS_DAYS", settings.keep_logs_days, 1, 36500)
    _in_range("TRUSTED_PROXIES", settings.trusted_proxies, 0, 5)
    if settings.database_url:
        _check_database(settings.database_url)
    if settings.log_format not in ("text", "json"):
        raise SettingError(f"LOG_FORMAT: {settings.log_format!r} is neither text nor json")
    for network in filter(None, settings.delivery_networks.split(",")):
        try:
            ip_network(network.strip())
        except ValueError as error:
            raise SettingError(f"DELIVERY_NETWORKS: {error}") from None
    if settings.secret_key and len(settings.secret_key) < 16:
        raise SettingError("SECRET_KEY: must have at least 16 characters")
    base = urlsplit(settings.base_url)
    if settings.base_url and not (base.scheme in ("http", "https") and base.hostname):
        raise SettingError(f"BASE_URL: {settings.base_url!r} is not an http or https address")
    if settings.toxicity_model not in MODELS and not Path(settings.toxicity_model).exists():
        raise SettingError(
            f"TOXICITY_MODEL: {settings.toxicity_model!r} is neither a file nor one of "
            f"{', '.join(MODELS)}"
        )


def _check_database(url: str) -> None:
    kind, begun, rest = url.partition("://")
    if not begun or kind not in ("sqlite", "postgresql", "postgresql+psycopg"):
        raise SettingError("DATABASE_URL: must begin with sqlite:/// or postgresql://")
    if kind == "sqlite" and (not rest.startswith("/") or rest in ("/", "/:memory:")):
        raise SettingError("DATABASE_URL: sqlite:/// and then the path of a file")
    try:
        _ = urlsplit(url).port
    except ValueError as error:
        raise SettingError(f"DATABASE_URL: {error}") from None


def _in_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise SettingError(f"{name}: {value} is not in [{low}, {high}]")


def _kept_secret(path: Path) -> str:
    """The secret in a file, made on first use. Safe when several processes start at once."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text().strip()
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(32))
    return path.read_text().strip()
