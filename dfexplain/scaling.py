"""Three ways from a score to a probability, and which of them fits held-out people best."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from dfexplain.errors import SettingError
from dfexplain.structures import Scaling

__all__ = ["METHODS", "apply", "balance", "choose", "fit", "held_out_losses"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# From the one with the fewest free numbers; where two do equally well the first is taken.
METHODS = ("temperature", "platt", "isotonic")
FOLDS = 5


def _sigmoid(x: Floats) -> Floats:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * x)), np.float64)


def balance(labels: Ints) -> Floats:
    """Weights (N,) under which reals and fakes count alike, 1 on average."""
    fakes = int(np.sum(labels))
    reals = len(labels) - fakes
    return np.where(labels == 1, 0.5 / max(fakes, 1), 0.5 / max(reals, 1)) * len(labels)


def _targets(labels: Ints) -> tuple[float, float]:
    """What reals and fakes are fitted to: Laplace's rule keeps both off 0 and 1 (Platt, sec. 2.2).

    1 / (N- + 2) and (N+ + 1) / (N+ + 2): no fit is surer than its number of videos allows.
    """
    fakes = int(np.sum(labels))
    return 1.0 / (len(labels) - fakes + 2), (fakes + 1.0) / (fakes + 2.0)


def _newton(x: Floats, target: Floats, weight: Floats) -> Floats:
    """Coefficients (k,) of a logistic regression on columns x (N, k) with soft targets.

    Newton's method with step halving, as in Lin, Lin and Weng, Machine Learning 2007, sec. 3.
    """
    beta = np.zeros(x.shape[1])

    def loss(b: Floats) -> float:
        z = x @ b
        return float((weight * (np.logaddexp(0.0, z) - target * z)).sum())

    for _ in range(100):
        p = _sigmoid(x @ beta)
        gradient = x.T @ (weight * (p - target))
        hessian = (x * (weight * p * (1 - p))[:, None]).T @ x + 1e-12 * np.eye(len(beta))
        step = np.linalg.solve(hessian, gradient)
        size = 1.0
        while loss(beta - size * step) > loss(beta) and size > 1e-8:
            size *= 0.5
        beta = beta - size * step
        if float(np.abs(step).max()) < 1e-10:
            break
    return beta


def _temperature(scores: Floats, labels: Ints) -> Scaling:
    """sigmoid(score / T) (Guo et al., ICML 2017, sec. 4.2, for two classes); the slope is 1 / T."""
    low, high = _targets(labels)
    spread = max(float(np.abs(scores).max()), 1e-9)
    x = (scores / spread)[:, None]
    beta = _newton(x, np.where(labels == 1, high, low), balance(labels) / len(labels))
    return Scaling("temperature", float(beta[0]) / spread, 0.0, None)


def _platt(scores: Floats, labels: Ints) -> Scaling:
    """sigmoid(slope * score + intercept) by maximum likelihood (Platt 1999, sec. 2.2)."""
    low, high = _targets(labels)
    centre, spread = float(scores.mean()), max(float(scores.std()), 1e-9)
    x = np.stack([(scores - centre) / spread, np.ones_like(scores)], axis=1)
    beta = _newton(x, np.where(labels == 1, high, low), balance(labels) / len(labels))
    slope = float(beta[0]) / spread
    return Scaling("platt", slope, float(beta[1]) - slope * centre, None)


def _isotonic(scores: Floats, labels: Ints) -> Scaling:
    """The rising steps nearest to the labels, by pool-adjacent-violators (Barlow et al. 1972).

    Each level has a knot at its first and its last score; between levels p rises in a straight line
    (Zadrozny and Elkan, KDD 2002, with the steps joined).
    """
    at, place = np.unique(scores, return_inverse=True)
    weight = balance(labels)
    mass = np.bincount(place, weights=weight)
    level = np.bincount(place, weights=weight * labels) / mass
    blocks: list[tuple[float, float, int, int]] = []
    for i in range(len(at)):
        value, size, first = float(level[i]), float(mass[i]), i
        while blocks and blocks[-1][0] >= value:
            before, held, first, _ = blocks.pop()
            value = (before * held + value * size) / (held + size)
            size += held
        blocks.append((value, size, first, i))
    low, high = _targets(labels)
    knots = [
        (float(at[end]), min(max(value, low), high))
        for value, _, first, last in blocks
        for end in dict.fromkeys((first, last))
    ]
    return Scaling("isotonic", None, None, np.array(knots))


_FITS = {"temperature": _temperature, "platt": _platt, "isotonic": _isotonic}


def fit(method: str, scores: Floats, labels: Ints) -> Scaling:
    """Fit one of METHODS to scores (N,) and labels (N,); both classes count alike, however many."""
    return _FITS[method](scores, labels)


def apply(scaling: Scaling, scores: Floats) -> Floats:
    """Probability in 0..1 of each score (N,), given as many real as fake videos."""
    x = np.asarray(scores, np.float64)
    if scaling.knots is not None:
        return np.interp(x, scaling.knots[:, 0], scaling.knots[:, 1])
    assert scaling.slope is not None
    assert scaling.intercept is not None
    return _sigmoid(scaling.slope * x + scaling.intercept)


def _folds(labels: Ints, groups: NDArray[np.generic]) -> Ints:
    """The fold (N,) of each video: a group is in one fold, and each class is spread over them."""
    names, group = np.unique(groups, return_inverse=True)
    has_fake = np.bincount(group, weights=labels) > 0
    has_real = np.bincount(group, weights=1 - labels) > 0
    for kind, has in (("real", has_real), ("fake", has_fake)):
        if int(has.sum()) < 2:
            raise SettingError(
                f"videos to calibrate on must hold {kind} ones of at least two people or sources, "
                f"but got {int(has.sum())}. Add validation videos."
            )
    shuffled = np.random.default_rng(42).permutation(len(names))
    # Groups with one class first, then those with the other, then those with both: dealt in turn.
    classes = has_fake.astype(np.int64) + 2 * has_real
    dealt = shuffled[np.argsort(classes[shuffled], kind="stable")]
    fold = np.empty(len(names), np.int64)
    fold[dealt] = np.arange(len(names)) % min(FOLDS, len(names))
    return fold[group]


def _held_out(
    fold: Ints, labels: Ints, kinds: NDArray[np.generic] | None
) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Which videos (N,) a method is fitted to, and which others (N,) it is then judged on."""
    if kinds is None:
        yield from ((fold != k, fold == k) for k in np.unique(fold))
        return
    fake = labels == 1
    for kind in np.unique(kinds[fake]):
        of_kind = fake & (kinds == kind)
        for k in np.unique(fold):
            yield (fold != k) & ~of_kind, (fold == k) & (of_kind | ~fake)


def choose(
    scores: Floats,
    labels: Ints,
    groups: NDArray[np.generic],
    methods: Sequence[str] = METHODS,
    *,
    kinds: NDArray[np.generic] | None = None,
) -> tuple[Scaling, dict[str, float], Floats]:
    """The simplest method whose log loss on people that it was not fitted to is about the lowest.

    About: within one standard error over groups of the lowest (Breiman et al. 1984, sec. 3.4.3), so
    that few videos do not choose a curve that follows their noise. Returns its fit to all videos,
    the cross-validated log loss of each method (both classes count alike: guessing costs log 2 =
    0.693), and the held-out probability (N,) of each video under the chosen method.

    `kinds` (N,) names the recipe of each fake ("" for reals, not looked at). A fold then leaves out
    a part of the people and one recipe at once: it is fitted to other people's reals and to their
    fakes of other recipes, and judged on its own people's reals and fakes of that recipe. A real
    is so judged once for each recipe: its loss and its probability are the means. Methods that do
    equally well on recipes that they were not fitted to are told apart by folds of people alone, in
    which all recipes are known.

    Raises SettingError where a class has fewer than two groups, where `kinds` are fewer than two,
    or where a fold leaves one class only.
    """
    by_group, probability = _judged(scores, labels, groups, methods, kinds)
    equal = _about_lowest(by_group)
    if kinds is not None and len(equal) > 1:
        equal = _about_lowest(_judged(scores, labels, groups, equal, None)[0])
    return fit(equal[0], scores, labels), _losses(by_group), probability[equal[0]]


def held_out_losses(
    scores: Floats,
    labels: Ints,
    groups: NDArray[np.generic],
    methods: Sequence[str],
    *,
    kinds: NDArray[np.generic] | None = None,
) -> dict[str, float]:
    """The losses of `choose` alone, with its errors."""
    return _losses(_judged(scores, labels, groups, methods, kinds)[0])


def _losses(by_group: Mapping[str, Floats]) -> dict[str, float]:
    return {method: float(part.sum()) for method, part in by_group.items()}


def _judged(
    scores: Floats,
    labels: Ints,
    groups: NDArray[np.generic],
    methods: Sequence[str],
    kinds: NDArray[np.generic] | None,
) -> tuple[dict[str, Floats], dict[str, Floats]]:
    """Of each method, what each group (G,) adds to the log loss, and the probability (N,) of each
    video under fits that did not see it."""
    if kinds is not None and len(found := np.unique(kinds[labels == 1])) < 2:
        raise SettingError(
            f"fakes to calibrate on must be of two recipes at least, but got {len(found)}. "
            "Calibrate without recipes."
        )
    group = np.unique(groups, return_inverse=True)[1]
    times = np.zeros(len(scores))
    probability = {method: np.zeros(len(scores)) for method in methods}
    loss = {method: np.zeros(len(scores)) for method in methods}
    for known, unseen in _held_out(_folds(labels, groups), labels, kinds):
        if not 0 < labels[known].sum() < known.sum():
            raise SettingError(
                "videos to calibrate on must leave both classes when a fold is held out, but got "
                f"{int(known.sum())} of one class. Add validation videos."
            )
        times[unseen] += 1
        for method in methods:
            p = apply(fit(method, scores[known], labels[known]), scores[unseen])
            truth = np.clip(np.where(labels[unseen] == 1, p, 1.0 - p), 1e-7, 1.0)
            probability[method][unseen] += p
            loss[method][unseen] -= np.log(truth)
    weight = balance(labels) / len(labels) / times
    by_group = {
        method: np.bincount(group, weights=weight * own).astype(np.float64)
        for method, own in loss.items()
    }
    return by_group, {method: own / times for method, own in probability.items()}


def _about_lowest(by_group: Mapping[str, Floats]) -> list[str]:
    """The methods whose sum over groups (G,) lies within one standard error of the lowest sum, by
    their difference from it; in their order, one at least."""
    lowest = min(by_group.values(), key=lambda losses: float(losses.sum()))
    out = []
    for method, losses in by_group.items():
        difference = losses - lowest
        error = float(np.std(difference, ddof=1)) * len(difference) ** 0.5
        if difference.sum() <= error:
            out.append(method)
    return out
