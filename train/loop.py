"""fit(): one pass over the training portraits an epoch, a checkpoint after each, resume at any."""

from __future__ import annotations

import copy
import csv
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.utils.data import DataLoader

from dfexplain import metrics
from dfexplain.errors import SettingError
from dfexplain.models import FrameModel, ModelConfig, build
from train.config import FitConfig
from train.portraits import Portrait
from train.pretrained import load_imagenet
from train.samples import PairDataset

__all__ = ["MaskHead", "fit", "load_checkpoint", "validate"]

CHECKPOINT = "checkpoint.pt"
VALIDATION_SEED = 7_001
VALIDATION_DRAWS = 3


class MaskHead(nn.Module):
    """Says for each cell of the last feature map (N, D, h, w) whether it is forged; training only.

    Learning where the blend is sharpens the shared features (Li et al., Face X-ray, CVPR 2020).
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.cell = nn.Conv2d(width, 1, kernel_size=1)

    def forward(self, maps: Tensor) -> Tensor:
        """Logits (N, h, w)."""
        cells: Tensor = self.cell(maps).squeeze(1)
        return cells


def normalise(crops: Tensor, config: ModelConfig) -> Tensor:
    """uint8 crops (N, 3, S, S) to the model's floats, channels last."""
    mean = torch.tensor(config.mean, device=crops.device).view(1, 3, 1, 1)
    std = torch.tensor(config.std, device=crops.device).view(1, 3, 1, 1)
    return ((crops.float() / 255.0 - mean) / std).contiguous(memory_format=torch.channels_last)


def losses(
    model: FrameModel, head: MaskHead, pairs: Tensor, cells: Tensor, config: FitConfig
) -> tuple[Tensor, Tensor]:
    """The two losses of a batch of pairs (B, 2, 3, S, S) with forged cells (B, G, G)."""
    crops = normalise(pairs.flatten(0, 1), config.model)
    labels = torch.tensor([0.0, 1.0], device=crops.device).repeat(len(pairs))
    maps = model.backbone.forward_features(crops)
    logits = model.head(model.dropout(maps.mean(dim=(2, 3)))).squeeze(1)
    smooth = labels * (1.0 - 2.0 * config.label_smoothing) + config.label_smoothing
    where = head(maps)
    target = torch.zeros(len(crops), *cells.shape[1:], device=crops.device)
    target[1::2] = cells
    if where.shape[1:] != target.shape[1:]:
        target = nn.functional.adaptive_avg_pool2d(target, where.shape[1:])
    return (
        binary_cross_entropy_with_logits(logits, smooth),
        binary_cross_entropy_with_logits(where, target),
    )


@torch.inference_mode()
def validate(
    model: FrameModel, portraits: list[Portrait], config: FitConfig
) -> tuple[float, tuple[float, float], int]:
    """AUC of forged against real crops of unseen people, its 95 % interval by person, crops seen.

    The pairs are the same at every call: their seed is fixed.
    """
    model.eval()
    device = next(model.parameters()).device
    pairs = PairDataset(
        portraits,
        config.model,
        swap_share=config.swap_share,
        seed=VALIDATION_SEED,
        moving=config.moving,
    )
    scores, labels, people = [], [], []
    for draw in range(VALIDATION_DRAWS):
        pairs.set_epoch(draw)
        for crops, _ in DataLoader(
            pairs, batch_size=config.batch_pairs, num_workers=config.workers
        ):
            frames = normalise(crops.flatten(0, 1).to(device), config.model)
            scores.append(model.forward_frames(frames).logit.double().cpu().numpy())
            labels.append(np.tile([0, 1], len(crops)))
        people += [p.identity for p in portraits for _ in range(2)]
    s, y = np.concatenate(scores), np.concatenate(labels).astype(np.int64)
    interval = metrics.bootstrap_interval(metrics.auc, s, y, np.asarray(people), resamples=500)
    return metrics.auc(s, y), interval, len(s)


def load_checkpoint(run_dir: Path) -> dict[str, Any] | None:
    """The run's last checkpoint, None where there is none."""
    path = run_dir / CHECKPOINT
    if not path.is_file():
        return None
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return state


def _save(run_dir: Path, state: dict[str, Any], history: list[dict[str, float]]) -> None:
    half = run_dir / f"{CHECKPOINT}.part"
    torch.save(state, half)
    half.replace(run_dir / CHECKPOINT)
    (run_dir / "history.json").write_text(json.dumps(history, indent=1) + "\n", encoding="utf-8")
    with (run_dir / "history.csv").open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, fieldnames=list(history[0]))
        writer.writeheader()
        writer.writerows(history)


def fit(
    config: FitConfig,
    train: list[Portrait],
    val: list[Portrait],
    run_dir: Path,
    say: Callable[[str], None] = print,
    *,
    init: Path | None = None,
) -> FrameModel:
    """Train until `config.epochs`, resuming from `run_dir`, and return the averaged model.

    `init` is another run, whose averaged weights are the start of this one.

    Every random choice follows from the seed and the epoch, so a run that was cut between two
    epochs ends with the weights of an unbroken one (same machine, same number of threads).
    """
    run_dir.mkdir(parents=True, exist_ok=True)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(config.seed)
    model = build(config.model)
    if init is not None:
        earlier = load_checkpoint(init)
        if earlier is None:
            raise SettingError(f"--init must hold a checkpoint, but got '{init}'. Run fit first.")
        model.load_state_dict(earlier["averaged"])
    elif config.pretrained:
        load_imagenet(model)
    head = MaskHead(model.head.in_features)
    model = model.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    head = head.to(device)
    averaged: FrameModel = copy.deepcopy(model).eval()
    parameters = [*model.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=config.max_lr, weight_decay=config.weight_decay)
    dataset = PairDataset(
        train,
        config.model,
        swap_share=config.swap_share,
        seed=config.seed,
        moving=config.moving,
    )
    steps = len(train) // config.batch_pairs
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, config.max_lr, total_steps=max(2, config.epochs * steps), pct_start=0.15
    )
    history: list[dict[str, float]] = []
    start = 0
    state = load_checkpoint(run_dir)
    if state is not None:
        model.load_state_dict(state["model"])
        head.load_state_dict(state["head"])
        averaged.load_state_dict(state["averaged"])
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        history = list(state["history"])
        start = int(state["epoch"])
        say(f"resumed after epoch {start}")
    for epoch in range(start, config.epochs):
        began = time.monotonic()
        dataset.set_epoch(epoch)
        torch.manual_seed(config.seed + epoch)
        loader = DataLoader(
            dataset,
            batch_size=config.batch_pairs,
            shuffle=True,
            drop_last=True,
            num_workers=config.workers,
            generator=torch.Generator().manual_seed(config.seed + epoch),
        )
        model.train()
        sums = np.zeros(2)
        for done, (pairs, cells) in enumerate(loader, start=1):
            loss, mask_loss = losses(model, head, pairs.to(device), cells.to(device), config)
            optimizer.zero_grad(set_to_none=True)
            (loss + config.mask_loss * mask_loss).backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(parameters, config.clip_norm)
            optimizer.step()
            schedule.step()
            _average(averaged, model, config.ema)
            sums += (float(loss.detach()), float(mask_loss.detach()))
            if done % 20 == 0:
                say(f"epoch {epoch + 1} step {done}/{steps}: loss {sums[0] / done:.4f}")
        value, (low, high), crops = validate(averaged, val, config)
        row = {
            "epoch": epoch + 1,
            "loss": round(float(sums[0]) / steps, 5),
            "mask_loss": round(float(sums[1]) / steps, 5),
            "val_auc": round(value, 5),
            "val_auc_low": round(low, 5),
            "val_auc_high": round(high, 5),
            "val_crops": crops,
            "seconds": round(time.monotonic() - began, 1),
        }
        history.append(row)
        say(json.dumps(row))
        _save(
            run_dir,
            {
                "model": model.state_dict(),
                "head": head.state_dict(),
                "averaged": averaged.state_dict(),
                "optimizer": optimizer.state_dict(),
                "schedule": schedule.state_dict(),
                "history": history,
                "epoch": epoch + 1,
                "config": config.model.to_dict(),
                "name": config.name,
            },
            history,
        )
    return averaged


@torch.no_grad()
def _average(averaged: FrameModel, model: FrameModel, decay: float) -> None:
    for old, new in zip(averaged.state_dict().values(), model.state_dict().values(), strict=True):
        if old.dtype.is_floating_point:
            old.lerp_(new, 1.0 - decay)
        else:
            old.copy_(new)
