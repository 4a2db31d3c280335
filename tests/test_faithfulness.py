"""faithfulness.py and cover.py: a map is worth what the score loses without its hot places (G3)."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from dfexplain.engine import Engine
from dfexplain.errors import SettingError
from dfexplain.explain import cover, faithfulness
from dfexplain.models import ModelConfig, build
from dfexplain.report import words
from dfexplain.structures import Faithfulness
from tests import planted

# Left and top of patches that lie in several cells of the model's map, away from the middle.
CORNERS = ((42, 10), (10, 42), (42, 42), (10, 10), (42, 26))


class Counting(Engine):
    """An engine that counts the crops that it is asked to score."""

    passes = 0

    def logits(self, clips: NDArray[np.uint8]) -> NDArray[np.float64]:
        self.passes += clips.shape[0]
        return super().logits(clips)


def asked(running: Engine, crop: NDArray[np.uint8], values: NDArray[np.float32]) -> Faithfulness:
    return faithfulness.cheap(running, crop[None], 0, values)


@pytest.mark.parametrize("colour", [planted.MAGENTA, planted.GREEN], ids=["fake", "real"])
def test_the_map_of_what_decides_beats_chance(colour: tuple[int, int, int]) -> None:
    running, found, elsewhere = planted.engine(bias=0.0), [], []
    for seed, corner in enumerate(CORNERS):
        crop = planted.patched(*corner, colour, seed=seed)
        output = running.run(crop[None])
        assert (output.logit[0] > 0) == (colour is planted.MAGENTA)
        found.append(asked(running, crop, output.evidence[0]))
        elsewhere.append(asked(running, crop, output.evidence[0, ::-1, ::-1].copy()))
    assert faithfulness.beats_chance_share(found) == 1.0
    # Nearly all that the logit is.
    assert min(one.of_map for one in found) > 15.0
    # The same map, put where nothing is.
    assert max(one.of_map for one in elsewhere) < 1.0
    lucky = faithfulness.beats_chance_share(elsewhere)
    assert lucky is not None
    assert lucky <= 0.4


def test_a_map_put_elsewhere_is_reported_as_no_better_than_chance() -> None:
    running, crop = planted.engine(), planted.patched(42, 10)
    evidence = running.run(crop[None]).evidence[0]
    right, wrong = (asked(running, crop, m) for m in (evidence, evidence[::-1, ::-1].copy()))
    assert words.NO_BETTER in words.faithfulness(wrong)
    assert words.NO_BETTER not in words.faithfulness(right)
    assert "on 1 of 2 flagged frames" in words.beats_chance([right, wrong])
    assert words.beats_chance([]) == ""


def test_an_unsigned_map_is_not_turned_round() -> None:
    running, crop = planted.engine(), planted.patched(42, 10, planted.GREEN)
    heat = -running.run(crop[None]).evidence[0]
    logit = float(running.run(crop[None]).logit[0])
    unsigned = faithfulness.cheap(running, crop[None], 0, heat, logit, signed=False)
    signed = faithfulness.cheap(running, crop[None], 0, heat, logit)
    assert unsigned.beats_chance
    assert not signed.beats_chance


def test_maps_of_random_weights_lose_on_average() -> None:
    """Asked of the model that decides: chance is about a seventh (`beats_chance_share`)."""
    running, found, own = planted.engine(bias=0.0), [], []
    for seed in range(16):
        random, crop = np.random.default_rng(seed), planted.busy(seed)
        state = {
            name: value if value.ndim < 2 else value.new_tensor(random.normal(0, 0.05, value.shape))
            for name, value in planted.state().items()
        }
        evidence = Engine(planted.CONFIG, state).run(crop[None]).evidence[0]
        found.append(asked(running, crop, evidence))
        own.append(asked(running, crop, running.run(crop[None]).evidence[0]))
    by_chance, by_knowing = (faithfulness.beats_chance_share(each) for each in (found, own))
    assert by_chance is not None
    assert by_knowing is not None
    assert by_chance < 0.4
    assert by_knowing > 0.9


def test_twelve_passes_and_the_same_answer_every_time() -> None:
    running = Counting(planted.CONFIG, planted.state())
    crop = planted.patched(42, 10)
    output = running.run(crop[None])
    first = faithfulness.cheap(running, crop[None], 0, output.evidence[0], float(output.logit[0]))
    assert running.passes == faithfulness.PASSES == 12
    again = faithfulness.cheap(running, crop[None], 0, output.evidence[0])
    assert running.passes == 25
    assert first == again


def test_a_flat_map_counts_as_a_random_one() -> None:
    found = asked(planted.engine(), planted.patched(10, 10), np.full((4, 4), 3.0, np.float32))
    assert found.of_map == found.of_random
    assert not found.beats_chance


def test_cells_that_tie_are_taken_in_no_order() -> None:
    """A map that knows half of the crop from the other: which cells are hottest must be chance."""
    values = np.zeros((8, 8), np.float32)
    values[:, 4:] = 1.0
    masks = [
        faithfulness.probes(planted.face(seed), values, toward_real=False)[2] for seed in range(40)
    ]
    often = np.mean(masks, axis=0).reshape(8, 8, 8, 8).mean(axis=(1, 3))
    assert often[:, :4].max() == 0.0
    assert often[:, 4:].min() > 0.0
    assert often[:, 4:].max() < 0.7


# The library hands tensors to numpy in a way that will end.
@pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")
def test_road_agrees() -> None:
    running, crop = planted.engine(), planted.patched(42, 10)
    evidence = running.run(crop[None]).evidence[0]
    found = faithfulness.road(running, crop[None], 0, evidence, percentiles=(80,))
    assert found.beats_chance
    assert found.how == "ROAD"
    # What is removed is 20 % of the crop, and the patch is less: without it the score is the bias.
    assert found.of_map > 2.0


def test_a_frame_of_a_clip() -> None:
    config = ModelConfig("pooled", "mobilenetv3_small_100", 32, clip_frames=3, embed_dim=32)
    running = Engine(config, build(config).state_dict())
    clip = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    values = running.run_clip(clip).evidence[1]
    found = faithfulness.cheap(running, clip, 1, values)
    assert np.isfinite((found.of_map, found.of_random, found.of_centre)).all()
    with pytest.raises(ValueError, match="frame must lie in"):
        faithfulness.cheap(running, clip, 3, values)
    with pytest.raises(ValueError, match="finite map"):
        faithfulness.cheap(running, clip, 1, np.full((2, 2), np.nan, np.float32))


def test_no_frames_have_no_share() -> None:
    assert faithfulness.beats_chance_share([]) is None


GRAINY = ("noise", "texture")
HIDING = [how for how in cover.HOW if how not in GRAINY]


@pytest.mark.parametrize("how", HIDING)
def test_covering_hides_what_is_covered_and_nothing_else(how: str) -> None:
    crop = planted.patched(42, 10)
    mask = np.zeros((64, 64), np.float32)
    mask[6:26, 38:58] = 1.0
    out = cover.covered(crop, mask, how)
    np.testing.assert_array_equal(out[:, :32], crop[:, :32])
    np.testing.assert_array_equal(cover.covered(crop, 0 * mask, how), crop)
    colour = np.ptp(out[12:20, 44:52].astype(int), axis=2)
    assert colour.max() < 0.25 * np.ptp(planted.MAGENTA)
    before, after = planted.engine(bias=0.0).run(np.stack([crop, out])).logit
    assert before > 10.0
    assert after < 0.15 * before


@pytest.mark.parametrize("how", GRAINY)
def test_grain_hides_fine_traces_alone(how: str) -> None:
    crop = np.random.default_rng(3).integers(60, 196, (64, 64, 3), np.uint8)
    mask = np.zeros((64, 64), np.float32)
    mask[:, 32:] = 1.0
    out = cover.covered(crop, mask, how)
    np.testing.assert_array_equal(out, cover.covered(crop, mask, how))
    np.testing.assert_array_equal(out[:, :28], crop[:, :28])
    kept = np.corrcoef(out[:, 40:].ravel(), crop[:, 40:].ravel())[0, 1]
    assert abs(kept) < 0.2
    # The light of the place is still there.
    light = np.repeat(np.linspace(40, 210, 64)[None, :, None], 64, axis=0)
    lit = np.repeat(light, 3, axis=2).astype(np.uint8)
    shown = cover.covered(lit, mask, how)[:, 40:60].mean(axis=(0, 2))
    assert np.abs(shown - lit[:, 40:60].mean(axis=(0, 2))).max() < 14


def test_texture_is_as_rough_as_what_it_covers() -> None:
    random = np.random.default_rng(5)
    for rough in (4.0, 24.0):
        grain = rough * random.standard_normal((96, 96, 1))
        crop = np.repeat(np.clip(128 + grain, 0, 255), 3, axis=2).astype(np.uint8)
        out = cover.covered(crop, np.ones((96, 96), np.float32), "texture")
        assert out.std() == pytest.approx(crop.std(), rel=0.15)
        assert np.ptp(out.astype(int), axis=2).max() <= 1  # grey stays grey


@pytest.mark.parametrize("how", HIDING)
def test_all_of_a_crop_can_be_covered(how: str) -> None:
    out = cover.covered(planted.patched(42, 10), np.ones((64, 64), np.float32), how)
    assert out.std(axis=(0, 1)).max() < 12.0


@pytest.mark.parametrize(
    ("mask", "how", "rule"),
    [
        (np.zeros((64, 64)), "paint", "how must be one of"),
        (np.zeros((32, 64)), "blur", "mask must be 64 by 64"),
        (np.full((64, 64), 255.0), "mean", "mask must lie in 0..1"),
        (np.full((64, 64), np.nan), "mean", "mask must lie in 0..1"),
    ],
)
def test_what_cannot_be_covered_is_refused(mask: NDArray[np.float64], how: str, rule: str) -> None:
    with pytest.raises(SettingError, match=rule):
        cover.covered(planted.face(), mask.astype(np.float32), how)
