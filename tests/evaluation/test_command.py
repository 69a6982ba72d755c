"""`flask evaluate`: a newsroom's own file and a folder of sets, with the bundled model."""

import io
import json
from types import SimpleNamespace

import pytest
from flask import Flask

from moderation.commands import evaluate
from moderation.evaluation.card import BEGIN, END
from moderation.scoring.loading import load_model
from tests.evaluation.conftest import KIND, RUDE, write


@pytest.fixture
def flask(tmp_path):
    """Run the command with the bundled model in force."""
    settings = SimpleNamespace(
        toxicity_model="bundled", models_dir=tmp_path / "models", exact=False
    )
    return lambda *words: run(settings, *words)


def run(settings, *words):
    """Run the command in an app that has no more than it needs."""
    app = Flask("test")
    app.extensions["moderation"] = SimpleNamespace(settings=settings)
    app.cli.add_command(evaluate.command)
    return app.test_cli_runner().invoke(args=["evaluate", *map(str, words)])


@pytest.fixture
def own(tmp_path):
    path = tmp_path / "own.csv"
    rude = [(f"{RUDE} {at}", 1, at % 2) for at in range(20)]
    kind = [(f"{KIND} {at}", 0, 0) for at in range(30)]
    write(path, "text,toxic,insult_col", *rude, *kind)
    return path


def failed(result) -> str:
    """The one line of a refusal."""
    assert result.exit_code != 0
    assert not result.stdout
    [line] = result.stderr.strip().splitlines()
    return line


def test_an_own_file_is_a_table(flask, own):
    result = flask(own, "--text", "text", "--label", "toxic")
    assert result.exit_code == 0, result.output
    for part in (
        "own.csv",
        "50",
        "40.0 %",
        "1.000 [1.000–1.000]",
        "µs",
        "ROC-AUC",
        "recall at 1 %",
    ):
        assert part in result.stdout, part
    assert not result.stderr


def test_an_own_file_is_json(flask, own):
    result = flask(own, "--label", "toxic", "--json")
    document = json.loads(result.stdout)
    [one] = document["sets"]
    assert (one["stem"], one["rows"], one["share_toxic"]) == ("own.csv", 50, 0.4)
    model = load_model("bundled", own.parent).name
    assert [found["name"] for found in document["models"]] == [model]
    assert one["by_model"][model]["auc"] == {"value": 1.0, "low": 1.0, "high": 1.0}
    assert set(one["by_model"][model]) == {
        "auc", "average_precision", "recall_at_1", "recall_at_5"
    }  # fmt: skip
    assert document["models"][0]["median_us"] > 0


def test_more_labels_are_measured_each_on_its_own(flask, own):
    result = flask(own, "--label", "toxic", "--label", "insult=insult_col", "--json")
    found = {one["attribute"]: one["share_toxic"] for one in json.loads(result.stdout)["sets"]}
    assert found == {"toxicity": 0.4, "insult": 0.2}


def test_page_plots_and_figures_are_written_where_asked(flask, own, tmp_path):
    out = tmp_path / "new" / "folder"
    places = (
        "--html",
        out / "page.html",
        "--figures",
        out / "figures",
        "--json-to",
        out / "a.json",
    )
    result = flask(own, *places, "--compare", "alt-profanity-check")
    assert result.exit_code == 0, result.output
    assert (out / "page.html").read_text().startswith("<!doctype html>")
    written = {path.name for path in (out / "figures").iterdir()}
    assert written == {"roc-own.svg", "reliability-own.svg", "figures.json"}
    assert (out / "figures" / "figures.json").read_text() == (out / "a.json").read_text()


def test_a_model_that_can_not_be_compared_is_skipped_with_a_reason(flask, own):
    result = flask(own, "--compare", "detoxify:unbiased", "--compare", "bundled", "--json")
    why = {one["spec"]: one["why"] for one in json.loads(result.stdout)["skipped"]}
    assert "flask model fetch unbiased" in why["detoxify:unbiased"]
    assert "measured already" in why["bundled"]


def test_exact_holds_for_the_model_in_force_and_for_those_beside_it(own, tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("detoxify")
    from tests.scoring.tiny import make_checkpoint, record

    first = make_checkpoint(tmp_path / "first")
    second = make_checkpoint(tmp_path / "second", spread=2.0)
    record(first)
    record(second)
    for exact in (True, False):
        settings = SimpleNamespace(
            toxicity_model=str(first), models_dir=tmp_path / "models", exact=exact
        )
        document = json.loads(run(settings, own, "--compare", str(second), "--json").stdout)
        names = [one["name"] for one in document["models"]]
        assert len(names) == 2
        assert [" int" in name for name in names] == [not exact] * 2


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_only_is_not_defined_and_no_crash(flask, tmp_path, label):
    path = tmp_path / "one.csv"
    write(path, "text,toxic", *[(f"{KIND} {at}", label) for at in range(5)])
    result = flask(path, "--html", tmp_path / "page.html", "--figures", tmp_path / "figures")
    assert result.exit_code == 0, result.output
    assert "not defined" in result.stdout
    assert "not defined" in (tmp_path / "page.html").read_text()


def test_a_folder_of_sets_is_measured(flask, folder):
    result = flask("--data", folder)
    assert result.exit_code == 0, result.output
    for part in ("harmless held", "clear abuse held", "HateCheck by functionality", "Not there: "):
        assert part in result.stdout, part


def test_a_narrow_terminal_loses_no_figure(flask, folder):
    from rich.console import Console

    from moderation.evaluation import table
    from moderation.evaluation.run import gather

    app = Flask("test")
    settings = SimpleNamespace(toxicity_model="bundled", models_dir=folder, exact=False)
    app.extensions["moderation"] = SimpleNamespace(settings=settings)
    with app.app_context():
        report = evaluate._measure(gather(folder, cap=0, trained_on=False), ())
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(table.tables(report, 120))
    assert "…" not in console.export_text()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "own.csv is empty"),
        (b"text,toxic\n", "own.csv has no row with a text"),
        (b"body,toxic\nhello,1\n", "own.csv row 1: there is no column 'text'"),
        (b"text,toxic\nhello,2\n", "own.csv row 2: toxic is '2', not 0 or 1"),
        (b"text,toxic\n\xe9,1\n", "own.csv row 2: is not UTF-8"),
    ],
)
def test_a_file_that_breaks_a_rule_is_one_line(flask, tmp_path, content, says):
    path = tmp_path / "own.csv"
    path.write_bytes(content)
    assert says in failed(flask(path))


def test_a_file_or_folder_that_is_not_there_is_one_line(flask, tmp_path):
    assert "none.csv can't be read: No such file" in failed(flask(tmp_path / "none.csv"))
    assert "can't be read: Is a directory" in failed(flask(tmp_path))
    assert "has none of the known sets" in failed(flask("--data", tmp_path))


def test_a_place_that_can_not_be_written_is_one_line(flask, own):
    assert "own.csv" in failed(flask(own, "--html", own / "page.html"))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "Give a FILE"),
        (("own.csv", "--data", "sets"), "Give a FILE"),
        (("own.csv", "--label", "rude=toxic"), "'rude' is no attribute"),
        (("own.csv", "--label", "toxic", "--label", "insult"), "toxicity has a column already"),
        (("own.csv", "--rows", "-1"), "-1"),
    ],
)
def test_a_wrong_option_is_refused_with_its_name(flask, words, says):
    result = flask(*words)
    assert result.exit_code == 2
    assert says in result.stderr


def test_figures_are_put_into_a_model_card_and_the_rest_of_it_stays(flask, folder, tmp_path):
    card = tmp_path / "card.md"
    card.write_text(f"# Ours\n\n{BEGIN}\nof last year\n{END}\n\n## Not for\n")
    for _ in range(2):  # what was written is replaced, not added to
        result = flask("--data", folder, "--card", card)
        assert result.exit_code == 0, result.output
    written = card.read_text()
    assert written.startswith("# Ours\n\n") and written.endswith(f"{END}\n\n## Not for\n")
    assert "of last year" not in written and written.count("### By set") == 1
    for part in ("| set | rows | model |", "### HateCheck by functionality", "### Where it fails"):
        assert part in written
    assert RUDE not in written and KIND not in written


def test_a_card_without_a_place_for_figures_is_left_as_it_was(flask, folder, tmp_path):
    card = tmp_path / "card.md"
    card.write_text("# Ours\n")
    result = flask("--data", folder, "--card", card)
    assert result.exit_code == 1
    assert "no lines" in result.stderr and card.read_text() == "# Ours\n"
