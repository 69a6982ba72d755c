"""The operator's commands, as a process of their own: JSON with --json, one line when they fail."""

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def flask(tmp_path: Path):
    """Run a command on an instance of its own."""
    environ = {k: v for k, v in os.environ.items() if k not in ("DATABASE_URL", "SECRET_KEY")}
    environ |= {
        "FLASK_APP": "wsgi",
        "INSTANCE_DIR": str(tmp_path / "instance"),
        "TOXICITY_MODEL": "bundled",
        "DELIVERY_NETWORKS": "127.0.0.0/8",
    }

    def run(*words: str, given: str | None = None, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "flask", *words],
            cwd=ROOT,
            env=environ | more,
            input=given,
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run


def printed(done: subprocess.CompletedProcess[str]) -> dict:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def failed(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode != 0
    [line] = done.stderr.strip().splitlines()
    return line


def test_a_first_start_makes_an_admin_whose_password_is_printed_once(flask) -> None:
    first, second = flask("init"), flask("init")

    assert first.returncode == second.returncode == 0
    assert "admin@localhost" in first.stdout
    assert "password" not in second.stdout.lower()


def test_a_site_and_its_people_are_made(flask) -> None:
    flask("db", "upgrade")

    made = printed(flask("site", "add", "daily", "--name", "The Daily", "--json"))
    assert made["webhook_secret"].startswith("whsec_")
    assert made["api_key"].startswith("cdk_")
    person = printed(
        flask("user", "add", "Mo@Daily.example", "--role", "moderator", "--site", "daily", "--json")
    )
    assert person["email"] == "mo@daily.example"
    assert len(person["password"]) >= 12
    chosen = flask(
        "user", "add", "a@b.example", "--role", "admin", "--password-stdin", given="my own words\n"
    )
    assert chosen.returncode == 0
    assert "my own words" not in chosen.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("site", "add", "Not A Slug", "--name", "x"), "Not A Slug"),
        (("user", "add", "nobody", "--role", "admin"), "nobody"),
        (("user", "add", "a@b.example", "--role", "admin", "--site", "none"), "none"),
        (("deliveries", "replay", "99"), "99"),
        (("db", "upgrade", "nope"), "nope"),
        (("db", "backup", "no-such-folder/copy.db"), "no-such-folder"),
    ],
)
def test_what_can_not_be_done_is_one_line_that_names_it(flask, words, says) -> None:
    flask("db", "upgrade")

    assert says in failed(flask(*words))


def test_a_database_that_was_not_migrated_is_one_line(flask) -> None:
    said = failed(flask("site", "add", "daily", "--name", "x"))
    assert "site" in said
    assert said.endswith("run flask db upgrade")


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("PORT", "http"),
        ("PORT", "70000"),
        ("DATABASE_URL", "mysql://x"),
        ("DATABASE_URL", "postgresql:/x"),
        ("DATABASE_URL", "postgresql+asyncpg://x/y"),
        ("DATABASE_URL", "postgresql://x:port/y"),
        ("DATABASE_URL", "sqlite://copydesk.db"),
        ("DATABASE_URL", "sqlite:///:memory:"),
        ("INSTANCE_DIR", "/proc/none"),
        ("BASE_URL", "https://"),
        ("TOXICITY_MODEL", "gpt"),
        ("WEB_CONCURRENCY", "65"),
        ("SECRET_KEY", "short"),
        ("DELIVERY_TIMEOUT_S", "long"),
    ],
)
def test_a_wrong_setting_stops_the_start_with_its_name(flask, setting, value) -> None:
    assert setting in failed(flask("settings", **{setting: value}))


def test_going_down_asks_first(flask) -> None:
    flask("db", "upgrade")

    refused = flask("db", "downgrade", "base", given="n\n")
    assert refused.returncode != 0
    assert "Delete everything" in refused.stdout
    assert printed(flask("db", "current", "--json"))["current"] is not None
    assert printed(flask("db", "downgrade", "base", "--yes", "--json"))["to"] is None


def test_a_database_and_its_copies_are_for_their_owner_alone(flask, tmp_path) -> None:
    flask("db", "upgrade")
    flask("db", "backup", str(tmp_path / "copy.db"))

    for file in (tmp_path / "instance" / "copydesk.db", tmp_path / "copy.db"):
        assert file.stat().st_mode & 0o077 == 0


def test_a_command_leaves_no_figures_behind(flask, tmp_path) -> None:
    flask("db", "upgrade")

    assert list((tmp_path / "instance" / "metrics").iterdir()) == []


def test_the_demo_is_told_where_the_service_is_now(flask, tmp_path) -> None:
    flask("init")
    for base in ("http://127.0.0.1:8000", "http://127.0.0.1:8001"):
        assert flask("demo", BASE_URL=base).returncode == 0

    database = sqlite3.connect(tmp_path / "instance" / "copydesk.db")
    told = database.execute("SELECT url FROM endpoint").fetchall()
    assert told == [("http://127.0.0.1:8001/demo/events",)]


def test_settings_are_shown_with_secrets_masked(flask) -> None:
    shown = printed(flask("settings", "--json", SECRET_KEY="a very secret value"))

    assert shown["SECRET_KEY"] == shown["DATABASE_URL"] == "(secret)"
    assert shown["PORT"] == "8000"


def test_an_insult_scores_above_the_hold_threshold_and_news_of_war_below(flask) -> None:
    texts = [
        {"text": "You are a pathetic idiot"},
        {"text": "Our army has liberated the town, the enemy was destroyed"},
    ]
    insult = printed(flask("score", texts[0]["text"], "--json"))
    news = printed(flask("score", texts[1]["text"], "--json"))

    assert insult["scores"]["toxicity"] >= 0.6
    assert news["scores"]["toxicity"] < 0.6
    assert news["scores"]["profanity"] == 0


@pytest.mark.parametrize(
    ("given", "processes"),
    [
        ({"TOXICITY_MODEL": "bundled"}, min(len(os.sched_getaffinity(0)), 4)),
        ({"TOXICITY_MODEL": "detoxify:original"}, 1),
        ({"TOXICITY_MODEL": "detoxify:original", "WEB_CONCURRENCY": "3"}, 3),
    ],
)
def test_web_processes_are_chosen_by_cores_and_model(tmp_path, given, processes) -> None:
    asked = "import moderation.gunicorn_conf as conf; print(conf.workers)"
    environ = {k: v for k, v in os.environ.items() if k != "WEB_CONCURRENCY"}
    done = subprocess.run(
        [sys.executable, "-c", asked],
        cwd=ROOT,
        env=environ | {"INSTANCE_DIR": str(tmp_path)} | given,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout == f"{processes}\n", done.stderr
