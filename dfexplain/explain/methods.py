"""Every way to say where a model looked, by name, with one call.

A map is raw: in the unit that its method says, never stretched, so one scale for each set of
weights makes a colour mean the same on every frame.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from dfexplain.engine import Engine
from dfexplain.errors import SettingError
from dfexplain.explain import cams, perturbation, rollout
from dfexplain.explain.drawing import GRAD_CAM, MASK_HEAD
from dfexplain.models import VideoModel
from dfexplain.structures import EVIDENCE, MASK

__all__ = ["IN_LOGITS", "METHODS", "Method", "available", "maps"]

Array = NDArray[np.float32]
Clips = NDArray[np.uint8]


@dataclass(frozen=True)
class Method:
    """One way to draw a map.

    `signed`: below 0 is toward real; an unsigned map is nowhere below 0. `unit` says what a value
    is, `note` in one sentence what the map shows and where it does not apply. `passes` is how many
    times it runs the model on a clip (a crop, for models that judge each for itself), the one that
    scores it included; what the first four do beyond it is a step through the head.
    """

    name: str
    label: str
    signed: bool
    unit: str
    passes: int
    note: str
    applies: Callable[[VideoModel], bool]
    draw: Callable[[Engine, Clips], Array]


def _always(model: VideoModel) -> bool:
    return True


def _ends_in_activations(model: VideoModel) -> bool:
    """Whether the last maps come out of a ReLU or one like it, and not of a layer norm."""
    config = model.config
    of_backbone = config.architecture in ("frame", "pooled")
    name = config.backbone if of_backbone else config.architecture
    return not name.startswith(("convnext", "deit", "mvit", "swin", "vit"))


def _has_mask_head(model: VideoModel) -> bool:
    return model.config.mask_head


_METHODS = (
    Method(
        EVIDENCE,
        GRAD_CAM,
        True,
        "logits: for a linear head the map's mean is the score less the model's bias",
        1,
        "The score, spread over the places it was pooled from; it comes with the score, and for "
        "heads that are not linear it is activation times gradient.",
        _always,
        cams.evidence,
    ),
    Method(
        "grad_cam_pp",
        "Grad-CAM++",
        False,
        "activation, weighted by gradients toward fake",
        1,
        "Channels count by their gradients toward fake, more where several places support them; "
        "not for models whose last maps are normed, as it takes them to be activations.",
        _ends_in_activations,
        partial(cams.library_maps, name="grad_cam_pp"),
    ),
    Method(
        "hires_cam",
        "HiResCAM",
        True,
        "logits",
        1,
        "Activation times gradient at each place, by pytorch-grad-cam; it equals the evidence that "
        "comes with the score, and is here as its check.",
        _always,
        partial(cams.library_maps, name="hires_cam"),
    ),
    Method(
        "layer_cam",
        "LayerCAM",
        False,
        "logits toward fake",
        1,
        "Activation times gradient where that is toward fake; not for models whose last maps are "
        "normed, as it takes them to be activations.",
        _ends_in_activations,
        partial(cams.library_maps, name="layer_cam"),
    ),
    Method(
        "eigen_cam",
        "EigenCAM",
        False,
        "activation",
        1,
        "The strongest pattern of the last maps, whatever the score makes of it: it shows what "
        "stands out and not what speaks for fake.",
        _always,
        partial(cams.library_maps, name="eigen_cam"),
    ),
    Method(
        "attention_rollout",
        "Attention rollout",
        False,
        "excess over an even share of the attention",
        1,
        "The patches that a transformer mixed into its answer, whatever it made of them; for ViT "
        "and DeiT only, as attention in windows or over pooled patches does not multiply to a map.",
        rollout.has_global_attention,
        rollout.attention_rollout,
    ),
    Method(
        "occlusion",
        "Occlusion",
        True,
        "logits by which the score falls when the place is covered",
        perturbation.OCCLUSION_PASSES,
        "Each place is blurred in turn and the score is asked again; what needs two places at once "
        "or shows in either of two is missed.",
        _always,
        perturbation.occlusion,
    ),
    Method(
        "rise",
        "RISE",
        True,
        "logits by which the mean score is higher when the place is shown",
        perturbation.RISE_MASKS,
        "Half of the places are blurred at random, many times over, and places are credited with "
        "the scores under which they were shown.",
        _always,
        perturbation.rise,
    ),
    Method(
        "shap",
        "SHAP",
        True,
        "logits: the map's mean is the score less that of the wholly blurred crop",
        perturbation.SHAP_PASSES,
        "What each place adds to the score when places are shown one after the other, averaged "
        "over a few orders.",
        _always,
        perturbation.shap,
    ),
    Method(
        MASK,
        MASK_HEAD,
        False,
        "0..1",
        1,
        "Where a head that was taught with known masks takes the crop to be forged; only for "
        "weights that were trained with one.",
        _has_mask_head,
        cams.mask,
    ),
)
METHODS: dict[str, Method] = {method.name: method for method in _METHODS}
# Maps in the unit of the evidence, for which its scale is right where none was recorded.
IN_LOGITS = (EVIDENCE, "hires_cam", "layer_cam", "shap")


def available(engine: Engine) -> tuple[str, ...]:
    """The names of the methods that apply to the engine's model, in the order of METHODS."""
    return tuple(name for name, method in METHODS.items() if method.applies(engine.model))


def maps(engine: Engine, clips: Clips, method: str) -> Array:
    """Maps (V, T, h, w) of clips (V, T, S, S, 3), T = 1 for models that judge a crop for itself.

    h and w are the method's own. The same clips give the same maps, whatever stands beside them.
    Raises SettingError for a method that there is not or that does not apply to the model, and
    ValueError for clips of another shape.
    """
    names = available(engine)
    if method not in names:
        raise SettingError(
            f"method must be one of {', '.join(names)} for {engine.config.label}, but got "
            f"{method!r:.40}. Choose one of these."
        )
    frames, size = engine.config.clip_frames, engine.config.crop_px
    if clips.ndim != 5 or not len(clips) or clips.shape[1:] != (frames, size, size, 3):
        raise ValueError(
            f"clips must be (V, {frames}, {size}, {size}, 3) with V of 1 or more, but got "
            f"{clips.shape}."
        )
    return METHODS[method].draw(engine, clips)
