"""The yardstick as a whole: what it measures, on sets whose answers are known."""

from dataclasses import dataclass

import numpy as np
import pytest

from moderation.core.policy import DEFAULT
from moderation.evaluation import page, plots, table
from moderation.evaluation.peers import AltProfanityCheck, Skipped, load_scorer
from moderation.evaluation.reading import EvaluationError, find_file, read_own, sampled
from moderation.evaluation.run import evaluate, gather
from moderation.evaluation.scores import is_flagged, is_held
from moderation.evaluation.sets import SETS
from tests.conftest import DATA
from tests.evaluation.conftest import write


class Words:
    """A model that scores what it is told to, and counts how often it is asked."""

    def __init__(self, name="words@1", **attributes):
        self.name = name
        self.attributes = tuple(attributes) or ("toxicity", "threat")
        self._words = attributes or {"toxicity": "fuck", "threat": "kill"}
        self.asked = []

    def score(self, text):
        self.asked.append(text)
        return {name: 0.95 if word in text else 0.05 for name, word in self._words.items()}


@dataclass
class Broken:
    name = "broken@1"
    attributes = ("toxicity",)
    answer: float

    def score(self, text):
        return {"toxicity": self.answer}


def quiet(what, done, total):
    pass


def measured(folder, *models, cap=0, trained_on=False, skipped=()):
    return evaluate(
        gather(folder, cap=cap, trained_on=trained_on), models or (Words(),), skipped, quiet
    )


def of(report, stem, attribute="toxicity"):
    return next(one for one in report.sets if (one.stem, one.attribute) == (stem, attribute))


def test_each_distinct_text_is_scored_once(folder):
    model = Words()
    measured(folder, model)
    assert len(model.asked) == len(set(model.asked)) > 40


def test_a_model_that_knows_the_answers_is_measured_as_perfect(folder):
    one = of(measured(folder), "unhealthy_val_dev")
    assert (one.rows, one.all_rows, one.share_toxic) == (40, 40, 0.3)
    figures = one.by_model["words@1"]
    assert {name: estimate.value for name, estimate in figures.items()} == dict.fromkeys(figures, 1)
    assert one.calibration_error["words@1"] == pytest.approx(0.05)
    harmless, toxic = one.held["words@1"]
    assert (harmless.value, toxic.value) == (0, 1)


def test_six_labels_are_measured_one_by_one_and_unknown_ones_left_out(folder):
    report = measured(folder)
    rows = {one.attribute: one.rows for one in report.sets if one.stem == "jigsaw_dev6"}
    assert rows == {
        "toxicity": 42, "severe_toxicity": 41, "obscene": 41, "threat": 41, "insult": 41,
        "identity_attack": 41,
    }  # fmt: skip
    assert of(report, "jigsaw_dev6", "threat").by_model["words@1"]["auc"].value == 1
    assert of(report, "jigsaw_dev6", "obscene").by_model == {}
    assert of(report, "jigsaw_dev6", "identity_attack").share_toxic == 0


def test_scores_that_a_set_carries_are_one_more_model(folder):
    report = measured(folder)
    assert report.recorded == ["Perspective (recorded)"]
    assert of(report, "cat_gn").by_model["Perspective (recorded)"]["auc"].value == 1
    assert list(of(report, "unhealthy_val_dev").by_model) == ["words@1"]


def test_sets_that_were_trained_on_are_left_out_unless_asked_for(folder):
    assert "paradetox" not in {one.stem for one in measured(folder).sets}
    report = measured(folder, trained_on=True)
    assert of(report, "paradetox").trained_on
    assert "ParaDetox (trained on)" in "".join(page.page(report))
    assert "paradetox" not in {stem for one in report.calibration for stem in one.sets}


def test_what_is_held_of_harmless_comments_and_of_abuse_is_one_line(folder):
    report = measured(folder)
    rows = {one.title: (one.rows, one.by_model["words@1"].value) for one in report.held}
    assert rows == {
        "Harmless comments about war": (1, 0),
        "Harmless comments about politics": (28, 0),
        "Clear abuse: threat, hate or severe": (1, 1),
        "Clear abuse: threat or hate, by most raters": (1, 1),
        "HateCheck: threats": (1, 0),
        "HateCheck: derogation": (2, 1),
        "Rude words and phrases on their own": (1, 1),
    }
    [line] = table.headline(report)
    assert line.startswith("words@1: harmless held 0.0 [0.0–11.7] %, clear abuse held 100.0 [")


def test_a_comment_on_war_and_politics_counts_once_in_the_line(folder):
    held, war = "the senate fucks up", [("The army took the town", 0)]
    write(folder / "impermium_train.csv", "text,toxic", (held, 0))
    write(folder / "war_news_nontoxic_dev.csv", "text,toxic", *war, (held, 0))
    report = measured(folder)
    rows = {one.short: one.rows for one in report.held if one.is_harmless}
    assert rows == {"harmless: war": 2, "harmless: politics": 29}
    [line] = report.headlines
    assert line.harmless.value == pytest.approx(1 / 30)


def test_a_severity_that_is_no_number_is_refused_in_one_line(folder):
    write(folder / "surge_profanity_en.csv", "text,severity_rating", ("fucking", "much"))
    with pytest.raises(EvaluationError, match="severity_rating is 'much', not a number"):
        measured(folder)


def test_hatecheck_is_told_by_functionality_the_hateful_first(folder):
    found = {one.name: one for one in measured(folder).functionalities}
    assert list(found) == ["derog_neg_emote_h", "threat_dir_h", "ident_pos_nh", "target_obj_nh"]
    right = {name: one.accuracy["words@1"].value for name, one in found.items()}
    assert list(right.values()) == [1, 0, 1, 1]
    assert found["threat_dir_h"].mean_score["words@1"] == pytest.approx(0.05)
    assert (found["threat_dir_h"].hateful, found["ident_pos_nh"].hateful) == (True, False)


def test_languages_are_told_apart(folder):
    found = {one.name: one for one in measured(folder).languages}
    assert list(found) == ["french", "german"]
    assert found["german"].by_model["words@1"]["auc"].value == 0.5
    assert found["german"].accuracy["words@1"].value == 0.5


def test_bias_is_told_by_identity_and_in_one_mean(folder):
    report = measured(folder, Words(toxicity="women"))
    found = {one.identity: one for one in report.identities}
    assert set(found) == {"women", "Muslims"}
    women = found["women"].bias["words@1"]
    # Harmless comments on women score like the worst of others.
    assert women.bpsn == 0
    assert found["women"].false_positives["words@1"].value == 1
    assert found["Muslims"].false_positives["words@1"].value == 0
    assert report.bias[0].by_model["words@1"].bpsn == 0


def test_a_model_that_scores_something_else_only_is_not_scored(folder):
    report = measured(folder, Words(threat="kill"))
    assert of(report, "unhealthy_val_dev").by_model == {}
    assert report.identities[0].bias == {}
    for text in (page.page(report), str(table.document(report))):
        assert "nan" not in text.lower().replace("finance", "")
    assert "not scored" in page.page(report)


def test_a_sample_is_told_and_stands_for_the_whole_set(folder):
    one = of(measured(folder, cap=20), "unhealthy_val_dev")
    assert (one.rows, one.all_rows) == (20, 40)
    assert one.share_toxic == pytest.approx(0.3)
    assert table.used(one) == "20 of 40"


def test_the_same_run_gives_the_same_figures(folder):
    first, second = (table.document(measured(folder, cap=20)) for _ in range(2))
    for one in (first, second):
        del one["models"]
    assert first == second


@pytest.mark.parametrize("answer", [float("nan"), 1.5, -0.1])
def test_a_model_that_answers_with_no_score_is_refused(folder, answer):
    with pytest.raises(EvaluationError, match="broken@1 gave a score that is not in"):
        measured(folder, Broken(answer))


def test_held_is_what_production_decides():
    assert not is_held({"toxicity": 0.59}, 0)
    assert is_held({"toxicity": DEFAULT.thresholds["toxicity"].hold}, 0)
    assert is_held({"toxicity": 0.0}, DEFAULT.thresholds["profanity"].hold)
    assert is_held({"toxicity": 0.0, "threat": DEFAULT.thresholds["threat"].hold}, 0)


def test_a_template_is_decided_on_toxicity_and_identity_attack_alone():
    assert is_flagged({"toxicity": 0.1, "identity_attack": 0.9})
    assert not is_flagged({"toxicity": 0.1, "threat": 0.9})


def test_no_output_has_a_word_of_a_comment(folder):
    report = measured(folder, skipped=[Skipped("other", "is not installed")])
    outputs = [
        page.page(report),
        str(table.document(report)),
        *(one.svg for one in plots.drawn(report)),
    ]
    for rows in ("thank you for this", "fucking idiot", "find you", "I love", "took the town"):
        assert not any(rows in output for output in outputs), rows


def test_the_page_loads_nothing_and_runs_nothing(folder):
    text = page.page(measured(folder, Words(), Words("a <b>bold</b> name & more")))
    lowered = text.lower()
    for forbidden in ("<script", "src=", "@import", "url(", "<link", "<b>"):
        assert forbidden not in lowered
    assert "href=" not in lowered
    assert 'name="viewport"' in text


def test_every_plot_is_a_drawing_with_words_for_who_does_not_see_it(folder):
    from xml.etree import ElementTree

    found = plots.drawn(measured(folder, Words(), Words("other & more", toxicity="you")))
    names = [one.name for one in found]
    assert len(set(names)) == len(names)
    assert {"hatecheck", "held", "roc-cat-gn", "reliability-news-comments"} <= set(names)
    for one in found:
        tree = ElementTree.fromstring(one.svg)
        space = "{http://www.w3.org/2000/svg}"
        assert tree.find(f"{space}title").text == one.title
        assert tree.find(f"{space}desc").text == one.caption


def test_a_checkpoint_is_measured_on_each_attribute_that_it_scores(folder, tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("detoxify")
    from tests.scoring.tiny import make_checkpoint, record

    path = make_checkpoint(tmp_path / "tiny")
    record(path)
    report = measured(folder, load_scorer(str(path), tmp_path))
    for attribute in ("toxicity", "severe_toxicity", "obscene", "threat", "insult"):
        [found] = of(report, "jigsaw_dev6", attribute).by_model.values()
        assert 0 <= found["auc"].value <= 1
    [of_nobody] = of(report, "jigsaw_dev6", "identity_attack").by_model.values()
    assert of_nobody["auc"] is None


def test_clear_abuse_is_counted_in_the_whole_set_not_in_a_sample(folder):
    rows = {one.title: one.rows for one in measured(folder, cap=4).held}
    assert rows["Clear abuse: threat, hate or severe"] == 1
    assert rows["HateCheck: derogation"] == 2
    assert rows["Harmless comments about politics"] == 4


def test_alt_profanity_check_answers_as_its_own_package_does():
    package = pytest.importorskip("profanity_check")
    texts = ["You are a pathetic idiot", "thank you", "", "fuck"]
    model = AltProfanityCheck()
    ours = [model.score(text)["toxicity"] for text in texts]
    assert ours == pytest.approx(package.predict_prob(texts), abs=1e-9)


def test_on_real_comments_the_known_floor_is_found_again():
    if not DATA.is_dir():
        pytest.skip("the labelled data is not beside this checkout")
    pytest.importorskip("profanity_check")
    material = gather(DATA, cap=400, trained_on=False)
    only = [(one, rows) for one, rows in material.sets if one.stem == "surge_dev"]
    [halved] = [one for one in SETS if one.stem == "cat_gn"]
    whole = read_own(find_file(DATA, halved.stem), halved, "text")
    material = type(material)([*only, (halved, sampled(whole, 400, seed=1))])

    report = evaluate(material, [AltProfanityCheck()], [], quiet)

    name = report.models[0].name
    assert of(report, "surge_dev").by_model[name]["auc"].value == pytest.approx(0.843, abs=0.03)
    perspective = of(report, "cat_gn").by_model["Perspective (recorded)"]
    assert perspective["auc"].value == pytest.approx(0.939, abs=0.03)
    assert of(report, "cat_gn").share_toxic == pytest.approx(59 / 9832)
    assert np.isfinite(report.models[0].median_us)
