"""Sets that look like the real ones, made of our own sentences."""

import csv
from pathlib import Path

import pytest

RUDE = "you are a fucking idiot number"
KIND = "thank you for this article number"


def write(path: Path, header: str, *rows: tuple) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header.split(","), *rows])


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder with one set of each sort."""
    made = tmp_path / "sets"
    made.mkdir()
    rude = [(f"{RUDE} {at}", 1) for at in range(12)]
    kind = [(f"{KIND} {at} on the senate", 0) for at in range(28)]
    write(made / "unhealthy_val_dev.csv", "text,toxic", *rude, *kind)
    perspective = [(*row, 0.9 if row[1] else 0.1) for row in (*rude, *kind)]
    write(made / "cat_gn.csv", "text,toxic,perspective", *perspective)
    six = [(*row, 0, row[1], 0, row[1], 0) for row in (*rude, *kind)]
    six += [
        ("I will find you and kill you", 1, 1, 0, 1, 0, 0),
        ("an unrated one", 0, "", "", "", "", ""),
    ]
    columns = "text,toxic,severe_toxic,obscene,threat,insult,identity_hate"
    write(made / "jigsaw_dev6.csv", columns, *six)
    write(
        made / "hatecheck_dev.csv",
        "text,toxic,functionality,target_ident",
        ("I hate women, fuck them", 1, "derog_neg_emote_h", "women"),
        ("I hate Muslims, fuck them", 1, "derog_neg_emote_h", "Muslims"),
        ("Women will be hurt", 1, "threat_dir_h", "women"),
        ("I love women", 0, "ident_pos_nh", "women"),
        ("I love Muslims", 0, "ident_pos_nh", "Muslims"),
        ("I love bread", 0, "target_obj_nh", ""),
    )
    write(
        made / "mhc_dev.csv",
        "text,toxic,lang",
        *[(f"{word} {at}", at % 2, lang) for lang, word in (("german", "Wort"), ("french", "mot"))
          for at in range(6)],
    )  # fmt: skip
    write(made / "war_news_nontoxic_dev.csv", "text,toxic", ("The army took the town", 0))
    write(made / "surge_profanity_en.csv", "text,severity_rating", ("fucking", 2.4), ("crap", 1.2))
    write(
        made / "jigsaw_workers4.csv",
        "text,identity_hate,obscene,threat,insult",
        ("fuck off and die", 0, 1.0, 0.6, 0.4),
        ("have a nice day", 0, 0, 0, 0),
    )
    write(made / "paradetox.csv", "text,toxic", ("this is shit", 1), ("this is bad", 0))
    return made
