"""Learning and explaining against the plain way: images a second, and Grad-CAM of 16 crops.

    python -m benchmarks.learning SIDE BACKBONE

Each side in a process of its own. `plain` is the loop of any tutorial: the network in float32 as it
is built, a batch, its loss, a step of AdamW. `dfexplain` is one step of `train` on the same batch:
`steps.Learner` in channels_last, with memory that is kept. Nothing is read or augmented on either
side. `pytorch-grad-cam` and `evidence` explain the same network on the same crops in one batch.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable

from benchmarks import pipeline, sides
from benchmarks.table import Row

__all__ = ["explaining", "training"]

PICTURES, SIDE_PX, CROPS = 16, 224, 16
STEPS = 3


def _plain(backbone: str) -> Callable[[], object]:
    import torch

    model, labels = _model(backbone), torch.arange(PICTURES).remainder(2).float()
    pictures = torch.rand(PICTURES, 3, SIDE_PX, SIDE_PX) * 2 - 1
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)

    def step() -> None:
        logits, _ = model(pictures.unsqueeze(1))
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def _ours(backbone: str) -> Callable[[], object]:
    import numpy as np
    import torch

    from dfexplain.allocator import keep_memory
    from train import steps
    from train.batches import Batch
    from train.config import FitConfig, Loss

    keep_memory()
    model = _model(backbone)
    config = FitConfig(model=model.config, loss=Loss(mask=0.0))
    learner = steps.channels_last(steps.Learner(model, config, 1.0))
    optimizer = steps.make_optimizer(learner, config)
    clips = torch.randint(0, 256, (PICTURES, 1, SIDE_PX, SIDE_PX, 3), dtype=torch.uint8)
    labels = torch.arange(PICTURES).remainder(2).float()
    batch = Batch(clips.permute(0, 1, 4, 2, 3), labels, torch.zeros(0), torch.arange(PICTURES))
    random = np.random.default_rng(0)

    def step() -> None:
        loss = learner(batch, random)
        optimizer.zero_grad(set_to_none=True)
        loss.whole.backward()
        optimizer.step()

    return step


def _model(backbone: str):  # type: ignore[no-untyped-def]
    import torch

    from dfexplain.models import ModelConfig, build

    torch.set_num_threads(pipeline.CORES)
    torch.manual_seed(0)
    return build(ModelConfig(backbone=backbone, crop_px=SIDE_PX)).train()


def _evidence(_: str) -> Callable[[], object]:
    engine, crops = _shipped()
    return lambda: engine.run(crops).evidence


def _library(_: str) -> Callable[[], object]:
    import torch
    from pytorch_grad_cam import GradCAM

    from benchmarks.naive import Fake

    engine, crops = _shipped()
    model = engine.model.requires_grad_(True)

    class Logits(torch.nn.Module):
        """Crops (N, 3, S, S) to logits (N, 1), as the library wants it."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, crops: torch.Tensor) -> torch.Tensor:
            return self.model.forward_frames(crops).logit[:, None]

    cam = GradCAM(model=Logits(), target_layers=[model.maps])
    batch = engine.normalise(crops)

    def explain() -> object:
        with torch.no_grad():
            scores = torch.sigmoid(model.forward_frames(batch).logit)
        return scores, cam(input_tensor=batch, targets=[Fake()] * len(crops))

    return explain


def _shipped():  # type: ignore[no-untyped-def]
    from benchmarks.explanations import _crops
    from dfexplain import hub
    from dfexplain.engine import Engine

    weights = hub.load(None)
    return Engine(weights.config, weights.state), _crops(weights.config.crop_px)


SIDES = {"plain": _plain, "dfexplain": _ours, "pytorch-grad-cam": _library, "evidence": _evidence}


def _spent(side: str, backbone: str) -> tuple[float, float]:
    """CPU and clock seconds of one step."""
    command = [sys.executable, "-m", "benchmarks.learning", side, backbone]
    answer = subprocess.run(
        command, cwd=pipeline.ROOT, env=sides.calm(), check=True, capture_output=True, text=True
    )
    cpu, wall = json.loads(answer.stdout.splitlines()[-1])
    return cpu, wall


def _raced(slow: str, fast: str, backbone: str, rounds: int, say: Callable[[str], None]):  # type: ignore[no-untyped-def]
    pairs = [(_spent(slow, backbone), _spent(fast, backbone)) for _ in range(rounds)]
    for a, b in pairs:
        say(f"  {slow}: {a[0]:.3f} CPU s a step, {a[1]:.3f} s; {fast}: {b[0]:.3f}, {b[1]:.3f}")
    ratios = [sorted(a[k] / b[k] for a, b in pairs)[len(pairs) // 2] for k in (0, 1)]
    return ratios, pairs[-1]


def training(backbone: str, rounds: int, say: Callable[[str], None], last: float | None) -> Row:
    """Images a second of the project's step against the plain one's."""
    (cpu, wall), (slow, fast) = _raced("plain", "dfexplain", backbone, rounds, say)
    words = f"{PICTURES / fast[0]:.1f} / {PICTURES / slow[0]:.1f} images a CPU second"
    name = f"training {backbone} at {SIDE_PX} px"
    return Row(name, "plain fp32 loop", 1.5, cpu, wall, words, last=last)


def explaining(rounds: int, say: Callable[[str], None]) -> Row:
    """Scores and maps of 16 crops: the closed form against the library, batched too."""
    (cpu, wall), (slow, fast) = _raced("pytorch-grad-cam", "evidence", "", rounds, say)
    words = f"{slow[0]:.2f} / {fast[0]:.2f} CPU s"
    return Row("scores and Grad-CAM of 16 crops", "pytorch-grad-cam", 4, cpu, wall, words)


def main() -> int:
    step = SIDES[sys.argv[1]](sys.argv[2])
    step()
    taken = []
    for _ in range(STEPS):
        began, clock = time.process_time(), time.perf_counter()
        step()
        taken.append((time.process_time() - began, time.perf_counter() - clock))
    print(json.dumps([sorted(row[k] for row in taken)[STEPS // 2] for k in (0, 1)]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
