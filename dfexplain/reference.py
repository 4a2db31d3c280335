"""Where the training crops lie, in the network's features and as pictures, and how far off others
are: what an out-of-distribution gate compares with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dfexplain import naturalness
from dfexplain.structures import NeighbourIndex
from dfexplain.structures.neighbours import THUMBNAIL_PX
from dfexplain.untrusted import FolderReader

__all__ = [
    "Departure",
    "OutOfDistribution",
    "Pictures",
    "comparable",
    "departure",
    "distances",
    "read",
    "read_neighbours",
]

Floats = NDArray[np.float64]
Array = NDArray[np.float32]

# Crops of a track that are looked at as pictures: neighbours say the same thing again.
LOOKED_AT = 8
_F32 = frozenset({"F32"})
_PREFIX = "picture_"


@dataclass(frozen=True)
class Pictures:
    """Where the statistics of the training crops lie (`naturalness`, K of them), all float32.

    z = (statistics - `mean`) / `scale`, both (K,). The length of z @ `whitening` (K, K) is 1 for a
    typical crop, and z @ `drawn` (K,) points toward drawn pictures, with a variance of 1.
    """

    mean: Array
    scale: Array
    whitening: Array
    drawn: Array


@dataclass(frozen=True)
class OutOfDistribution:
    """Where the features of the training crops lie: `mean` (D,), and of their principal
    components `components` (k, D) and `variances` (k,), all float32; variances are positive.

    With `residual`, features are scaled to length 1 first, and it is the typical length of what the
    components do not explain of one. Older weights know neither it nor `pictures`.
    """

    mean: Array
    components: Array
    variances: Array
    residual: float | None = None
    pictures: Pictures | None = None

    def tensors(self) -> dict[str, Array]:
        """The arrays as a weights folder keeps them, float32."""
        out = {"mean": self.mean, "components": self.components, "variances": self.variances}
        if self.residual is not None:
            out["residual"] = np.array([self.residual], np.float32)
        if self.pictures is not None:
            out |= {f"{_PREFIX}{key}": value for key, value in vars(self.pictures).items()}
        return {key: np.array(value, np.float32, order="C") for key, value in out.items()}


class Departure(NamedTuple):
    """How far the crops of a track lie from the training crops: medians over them.

    `features` and `picture` are 1 for typical crops, `drawn` lies toward drawn pictures in standard
    deviations, `oddest` are the plain words for the statistic that lies farthest off. The last
    three are None where the reference does not know pictures.
    """

    features: float
    picture: float | None
    drawn: float | None
    oddest: str | None


def read(
    reader: FolderReader, name: str, data: bytes, width: int, sha256: str
) -> OutOfDistribution:
    """Read the bytes of the file `name`, for features (N, `width`) of the weights `sha256`.

    Raises WeightsRefused for tensors that are missing, odd or of other weights.
    """
    wanted: dict[str, tuple[tuple[int | None, ...], frozenset[str]]] = {
        "mean": ((width,), _F32),
        "components": ((None, width), _F32),
        "variances": ((None,), _F32),
    }
    # Weights of the first format hold these three alone. Which it is, the header says by its keys.
    if b'"residual"' in data[: 8 + int.from_bytes(data[:8], "little")]:
        k = len(naturalness.NAMES)
        shapes = {"mean": (k,), "scale": (k,), "whitening": (k, k), "drawn": (k,)}
        wanted["residual"] = ((1,), _F32)
        wanted |= {f"{_PREFIX}{key}": (shape, _F32) for key, shape in shapes.items()}
    tensors = reader.tensors(name, data, wanted, ({"weights_sha256": sha256},))
    values = {key: tensor.numpy() for key, tensor in tensors.items()}
    rows = len(values["components"])
    if len(values["variances"]) != rows or not bool((values["variances"] > 0).all()):
        raise reader.refusal(name, f"hold {rows} positive variances", values["variances"].shape)
    first = (values["mean"], values["components"], values["variances"])
    if "residual" not in values:
        return OutOfDistribution(*first)
    pictures = Pictures(**{key: values[f"{_PREFIX}{key}"] for key in shapes})
    for key, value in (("residual", values["residual"]), ("picture_scale", pictures.scale)):
        if not bool((value > 0).all()):
            raise reader.refusal(name, f"hold positive values in {key}", float(value.min()))
    return OutOfDistribution(*first, float(values["residual"][0]), pictures)


def read_neighbours(
    reader: FolderReader, name: str, data: bytes, width: int, sha256: str
) -> NeighbourIndex:
    """Read the bytes of an index of training crops, for features (N, `width`) of the weights
    `sha256`. Raises WeightsRefused for tensors that are missing, odd or of other weights."""
    side = THUMBNAIL_PX
    wanted: dict[str, tuple[tuple[int | None, ...], frozenset[str]]] = {
        "features": ((None, width), frozenset({"F16"})),
        "labels": ((None,), frozenset({"U8"})),
        "thumbnails": ((None, side, side, 3), frozenset({"U8"})),
    }
    tensors = reader.tensors(name, data, wanted, ({"weights_sha256": sha256},))
    try:
        return NeighbourIndex(**{key: tensor.numpy() for key, tensor in tensors.items()})
    except ValueError as error:
        raise reader.refusal(name, "hold rows that fit each other", f"{error}") from error


def comparable(features: Array, reference: OutOfDistribution | None) -> Array:
    """Features (N, D) as the reference holds them: scaled to length 1, or as they are."""
    if reference is None or reference.residual is None:
        return features
    norm = np.linalg.norm(features, axis=1, keepdims=True)
    return np.asarray(features / np.maximum(norm, 1e-12), np.float32)


def distances(features: Array, reference: OutOfDistribution) -> Floats:
    """Distance (N,) of features (N, D) from those of the training crops; 1 is typical.

    The length of what the principal components do not explain of a feature of length 1 (the
    residual of ViM: Wang et al., CVPR 2022, section 4; lengths of 1: Mueller and Hein, ICML 2025),
    in typical residuals. A reference without `residual` gives the Mahalanobis distance within the
    components, divided by the root of their number (Lee et al., NeurIPS 2018, eq. 2, one class).
    """
    centred = (comparable(features, reference) - reference.mean).astype(np.float64)
    projected = centred @ reference.components.T
    if reference.residual is not None:
        rest = centred - projected @ reference.components
        return np.asarray(np.linalg.norm(rest, axis=1) / reference.residual, np.float64)
    squared = (projected**2 / reference.variances).mean(axis=1)
    return np.asarray(np.sqrt(squared), np.float64)


def departure(
    features: Array, crops_jpeg: Sequence[bytes], reference: OutOfDistribution
) -> Departure:
    """How far a track with features (N, D) and N crops lies from the training crops.

    As pictures: the Mahalanobis distance of their statistics with one class, divided by the root of
    their number, and Fisher's linear discriminant toward drawn ones (Annals of Eugenics 1936).
    """
    far = float(np.median(distances(features, reference)))
    known = reference.pictures
    if known is None:
        return Departure(far, None, None, None)
    looked_at = naturalness.statistics(naturalness.decoded(crops_jpeg, LOOKED_AT))
    z = (looked_at - known.mean) / known.scale
    middle = np.median(z, axis=0)
    oddest = int(np.argmax(np.abs(middle)))
    return Departure(
        far,
        float(np.median(np.linalg.norm(z @ known.whitening, axis=1))),
        float(np.median(z @ known.drawn)),
        naturalness.NAMES[oddest][int(middle[oddest] > 0)],
    )
