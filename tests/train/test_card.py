"""The model card: every table with intervals and n, the data with its terms, recipe and commit."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import ModelCard

from dfexplain import evaluation, hub, weights_writing
from dfexplain.release_checks import check, stated
from tests import small_weights as small
from train import card, card_data, config, forgeries
from train.portraits import Portrait, split_of

CC, US = "CC BY 4.0", "public domain (work of the United States government)"


def portraits() -> list[Portrait]:
    """Twelve pictures of six people, without the pictures."""
    nothing = np.zeros((1, 1, 3), np.uint8)
    box, points = np.zeros(4, np.float32), np.zeros((5, 2), np.float32)
    who = [(f"{i}.jpg", f"person-{i // 2}", CC if i < 4 else US) for i in range(12)]
    return [Portrait(*names, split_of(names[1]), nothing, box, points) for names in who]


def written(subject: card_data.Subject, **further: object) -> str:
    given: dict[str, object] = {
        "config": small.CONFIG,
        "calibration": small.calibration(),
        "trained": card.Trained("run", 3, "name: run\nloss:\n  kind: bce", (0.8, 0.7, 0.9), 272),
        "slices": {"forgery": [card.Slice("blend", 60, 0.9, None)]},
        "unscored": 2,
        "size_bytes": 13_660_000,
    }
    return card.write(subject=subject, **(given | further))  # type: ignore[arg-type]


def headings(text: str) -> list[str]:
    return re.findall(r"^## (.*)$", text, re.MULTILINE)


def test_the_card_of_portraits_has_every_section() -> None:
    people = portraits()
    subject = card_data.portraits(people[:8], people[8:], test=259)
    measured = small.evaluation()
    text = written(subject, evaluation=measured)
    assert ModelCard(text).data.license == "apache-2.0"
    assert headings(text) == [
        "What it is for",
        "What it was trained on",
        "What it is worth",
        "What `python -m train evaluate` measured",
        "What it cannot see",
        "Recipe",
    ]
    assert "8 portraits of 4 people for training, 4 portraits of 2 people for validation" in text
    assert "259 further people kept for `python -m train evaluate`" in text
    assert f"| {CC} | 4 |\n| {US} | 8 |" in text
    assert evaluation.card_section(measured) in text
    for words in stated(small.calibration()).values():
        assert words in text
    for blind in ("Whole-image synthesis", "lip-sync of a single word", "animation", "voices"):
        assert blind in text
    assert "```yaml\nname: run\nloss:\n  kind: bce\n```" in text
    assert re.search(r"Code: commit ([0-9a-f]{40}(, with changes)?|not known) when", text)


def test_the_words_for_portraits_name_every_recipe_that_was_trained_on() -> None:
    assert set(card_data.FORGERIES) == set(forgeries.RECIPES)
    people = portraits()
    told = card_data.portraits(people, people).trained_on
    assert all(f"{name}: {told_of}" in told for name, told_of in card_data.FORGERIES.items())
    assert "left out" not in told
    assert "kept for" not in told
    without = card_data.portraits(people, people, left_out="warp").trained_on
    assert card_data.FORGERIES["warp"] not in without
    assert card_data.FORGERIES["swap"] in without
    assert "The recipe `warp` was left out of the training." in without


def test_the_people_kept_for_the_evaluation_are_counted_in_the_folder(tmp_path: Path) -> None:
    lines = [f"{i}.jpg,person-{i // 3},1,1,made up,CC0" for i in range(90)]
    head = "file,identity,width,height,source,licence"
    (tmp_path / "portraits.csv").write_text("\n".join([head, *lines]))
    expected = sum(split_of(f"person-{i}") == "test" for i in range(30))
    assert card_data.test_people(tmp_path) == expected > 0


def test_without_git_the_commit_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert "Code: commit not known when" in written(card_data.videos([], [], {}))


def test_the_settings_of_a_card_make_a_config(tmp_path: Path) -> None:
    settings = config.read(Path(config.__file__).parent / "configs" / "default.yaml")
    config.write(tmp_path / "config.yaml", settings)
    trained = card.Trained("r", 1, (tmp_path / "config.yaml").read_text(), (0.8, 0.7, 0.9), 9)
    text = written(card_data.portraits(portraits(), portraits()), trained=trained)
    block = re.search(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert block is not None
    (tmp_path / "again.yaml").write_text(block[1])
    assert config.read(tmp_path / "again.yaml") == settings


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return small.publishable(tmp_path / "mine")


def test_refresh_puts_the_evaluation_into_the_card_and_leaves_the_rest(folder: Path) -> None:
    before = hub.load(folder).card
    weights_writing.record_evaluation(folder, small.evaluation())
    first = weights_writing.refresh_card(folder)
    assert first.evaluation is not None
    section = evaluation.card_section(first.evaluation)
    assert first.card == before.replace(evaluation.card_section(None), section)
    assert first.card != before
    other = replace(small.evaluation(), measured_on="other crops")
    weights_writing.record_evaluation(folder, other)
    second = weights_writing.refresh_card(folder)
    assert second.card == first.card.replace("made-up numbers", "other crops")
    assert weights_writing.refresh_card(folder).card == second.card
    check(folder)


@pytest.mark.parametrize(
    ("older", "expected"),
    [
        ("# A\n\n## What it cannot see\n\nB.\n", "# A\n\n{}\n\n## What it cannot see\n\nB.\n"),
        ("# A\n", "# A\n\n{}\n"),
    ],
)
def test_a_card_from_before_evaluations_gets_one(folder: Path, older: str, expected: str) -> None:
    weights_writing.record_card(folder, older)
    section = evaluation.card_section(None)
    assert weights_writing.refresh_card(folder).card == expected.format(section)
