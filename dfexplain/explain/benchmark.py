"""What the maps of one set of weights are worth: every method, on crops whose forged part is known,
beside rivals that know nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dfexplain.engine import Engine
from dfexplain.errors import SettingError
from dfexplain.explain import sanity, truth
from dfexplain.explain.cover import HOW, variants
from dfexplain.explain.faithfulness import COARSE, judge, probes
from dfexplain.explain.localisation import centre_maps, localise, random_localised
from dfexplain.explain.methods import IN_LOGITS, METHODS, available, maps
from dfexplain.explain.perturbation import OCCLUSION_PASSES
from dfexplain.explain.tables import CENTRE, RANDOM, TRUTH, Results, record
from dfexplain.explain.truth import KnownForgeries
from dfexplain.structures import EVIDENCE, HeatmapRecord
from dfexplain.weights_folder import Weights

__all__ = ["chosen", "measure"]

Array = NDArray[np.float32]
Floats = NDArray[np.float64]
Clips = NDArray[np.uint8]

# Crops that one call draws maps of: no more are held as the model's own tensors.
AT_ONCE = 16
# Crops on which maps are tested for faithfulness and for sanity: each costs many passes.
FAITHFUL, SANE = 64, 24
# Random maps that are tested on each of them, for the chance line.
LUCKY = 2
# Crops found forged that give a scale to methods which are not measured: they are offered, too.
SCALED = 4
# The magnitude that is drawn in full colour: this percentile of all places.
FULL = 99.0


def chosen(engine: Engine, names: Sequence[str] | None) -> tuple[str, ...]:
    """The methods to measure, in the order of METHODS: those asked for, "all" that apply, or those
    that cost no more passes than occlusion.

    Raises SettingError for a name that there is not or that does not apply to the model.
    """
    there = available(engine)
    if names is None:
        return tuple(name for name in there if METHODS[name].passes <= OCCLUSION_PASSES)
    if list(names) == ["all"]:
        return there
    if unknown := [name for name in names if name not in there]:
        raise SettingError(
            f"methods must be of {', '.join(there)} for {engine.config.label}, but got "
            f"{unknown[0]!r:.40}. Choose some of these, or all."
        )
    return tuple(name for name in there if name in names)


@dataclass(frozen=True)
class _Bench:
    """An engine, and the known forgeries as still clips (V, T, S, S, 3) of which `frame` counts."""

    engine: Engine
    known: KnownForgeries
    frame: int

    def clips(self, rows: NDArray[np.int64]) -> Clips:
        """Some of them as clips, each crop as often as the model wants frames."""
        crops = self.known.crops[rows]
        return np.repeat(crops[:, None], self.engine.config.clip_frames, axis=1)

    def parts(self) -> list[NDArray[np.int64]]:
        """All rows, a few at a time."""
        rows = np.arange(len(self.known))
        return [rows[i : i + AT_ONCE] for i in range(0, len(rows), AT_ONCE)]

    def logits(self) -> Floats:
        """The logit (V,) of each crop."""
        parts = [self.engine.logits(self.clips(rows))[:, self.frame] for rows in self.parts()]
        return np.concatenate(parts)

    def maps(self, name: str) -> Array:
        """The map (V, h, w) of each crop by one method."""
        parts = [maps(self.engine, self.clips(rows), name)[:, self.frame] for rows in self.parts()]
        return np.concatenate(parts)


def measure(
    weights: Weights,
    names: Sequence[str] | None = None,
    *,
    known: KnownForgeries | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> HeatmapRecord:
    """Measure maps on the known forgeries that ship, or on `known`, which are cut for the model.

    `names` are methods (see `chosen`), `say` is told what is being done. A model of clips is shown
    each crop as a clip that stands still. Methods that apply and are not among `names` get their
    scale alone, from SCALED crops, where that of the evidence is not right for them. The same
    weights give the same record.

    Raises SettingError where there is no material, for unknown methods, and for a model that finds
    no forged crop.
    """
    engine = Engine(weights.config, weights.state)
    methods = chosen(engine, names)
    known = truth.read(weights.config) if known is None else known
    bench = _Bench(engine, known, weights.config.clip_frames // 2)
    say(f"scores of {len(known)} crops")
    found = bench.logits() > 0.0
    if not found.any():
        raise SettingError(
            "the model must find some of the forged crops, but found none. Train it further."
        )
    values = {}
    for name in methods:
        say(f"maps by {METHODS[name].label}")
        values[name] = bench.maps(name)
    say("faithfulness")
    rows = _spread(np.flatnonzero(found), FAITHFUL)
    beats = {how: _beats_chance(bench, values, rows, how) for how in HOW}
    say("sanity")
    sane = _spread(np.flatnonzero(found), SANE)
    quick = [name for name in methods if METHODS[name].passes == 1]
    like = sanity.cascade(engine, bench.clips(sane), bench.frame, quick)
    grid = engine.run(bench.clips(np.arange(1))[0]).evidence.shape[1:]
    localised = {name: localise(value, known) for name, value in values.items()}
    localised[RANDOM] = random_localised((grid[0], grid[1]), known)
    localised[CENTRE] = localise(centre_maps(len(known), truth.GRID), known)
    scales = {name: _scale(name, value[found], weights) for name, value in values.items()}
    few = bench.clips(_spread(np.flatnonzero(found), SCALED))
    for name in (n for n in available(engine) if n not in values and n not in IN_LOGITS):
        say(f"the scale of {METHODS[name].label}")
        scales[name] = _scale(name, maps(engine, few, name)[:, bench.frame], weights)
    return record(Results(known, found, localised, beats, rows, like, sane), scales)


def _spread(rows: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """At most so many of the rows, evenly spread."""
    places = np.unique(np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(int))
    return np.asarray(rows[places], np.int64)


def _scale(name: str, found: Array, weights: Weights) -> float:
    """What is drawn in full colour; that of the evidence itself is known from the training."""
    if name == EVIDENCE:
        return weights.heat_scale
    # A map that is 0 everywhere is drawn blank, whatever its scale.
    return float(np.percentile(np.abs(found), FULL)) or 1.0


def _beats_chance(
    bench: _Bench, values: Mapping[str, Array], rows: NDArray[np.int64], how: str
) -> dict[str, Floats]:
    """For each method, whether (len(rows),) its map beats a random one and the middle of the crop
    when places are covered by `how`; of what was forged the same, which no map can better; and how
    often maps drawn at random do, which is the chance line.

    What the random map and the middle are worth does not hang on the method: it is scored once.
    """
    beats: dict[str, list[float]] = {name: [] for name in (*values, TRUTH, RANDOM)}
    for row in rows:
        clip = bench.clips(np.array([row]))[0]
        luck = np.random.default_rng([LUCKY, int(row)]).random((LUCKY, COARSE, COARSE), np.float32)
        asked = [(name, value[row], METHODS[name].signed) for name, value in values.items()]
        asked.append((TRUTH, bench.known.masks[row].astype(np.float32), True))
        asked += [(RANDOM, drawn, True) for drawn in luck]
        masks = [
            probes(clip[bench.frame], value, toward_real=False, signed=signed)
            for _, value, signed in asked
        ]
        every = np.concatenate([*(mask[:4] for mask in masks), masks[0][4:]])
        logits = bench.engine.logits(variants(clip, every, how))[:, bench.frame]
        for place, (name, value, _) in enumerate(asked):
            both = np.concatenate([logits[4 * place : 4 * place + 4], logits[4 * len(asked) :]])
            beats[name].append(float(judge(both, value, toward_real=False).beats_chance))
    # A random map's draws on one crop are one crop's answer.
    beats[RANDOM] = np.reshape(beats[RANDOM], (-1, LUCKY)).mean(axis=1).tolist()
    return {name: np.array(found) for name, found in beats.items()}
