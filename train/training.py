"""All that changes while a run goes on, and how it is kept and taken up again."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch.amp.grad_scaler import GradScaler

from dfexplain import weights_folder
from dfexplain.errors import SettingError
from dfexplain.models import VideoModel, build
from train import config as configs
from train import distributed, loggers, steps
from train.batches import Batch, Batches, Samples, loader
from train.checkpoints import check_same_run, load_checkpoint, save_checkpoint
from train.config import FitConfig
from train.pretrained import load_imagenet
from train.teacher import teacher_of

__all__ = ["Say", "Training", "between"]

Say = Callable[[str], None]


class Training:
    """A run between two moments: weights, optimiser, averages, and the place it has come to."""

    def __init__(
        self,
        config: FitConfig,
        data: Samples,
        here: distributed.Here,
        data_digest: str,
        before: Mapping[str, Path] | None = None,
    ) -> None:
        self.teacher = teacher_of(config, here.device, before)
        torch.manual_seed(config.run.seed)
        self.config, self.data, self.here = config, data, here
        self.data_digest = data_digest
        self.precision = steps.mixed_precision(config.run.precision, here.device)
        weight = steps.pos_weight(data.rows, config)
        model = build(config.model)
        steps.drop_paths(model, config.optimiser.drop_path)
        learner = steps.Learner(model, config, weight, self.teacher)
        self.learner = steps.channels_last(learner.to(here.device))
        self.averaged: VideoModel = self.learner.model
        if config.optimiser.ema:
            self.averaged = copy.deepcopy(self.averaged)
        self.optimizer = steps.make_optimizer(self.learner, config)
        self.batches = Batches(
            data,
            config.data.batch_size,
            config.data.sampling,
            config.run.seed,
            rank=here.rank,
            world=here.world,
        )
        self.pace = steps.Pace(self.optimizer, config, config.run.epochs * self.batches.steps)
        halves = self.precision == torch.float16
        self.scaler = GradScaler(here.device.type, enabled=halves)
        self.history: list[dict[str, Any]] = []
        self.epoch = 0
        self.began: dict[str, torch.Tensor] = {}
        self._begin_epoch()

    def _begin_epoch(self) -> None:
        self.step, self.spent, self.since = 0, 0.0, time.monotonic()
        # Over the clips seen in this epoch: loss, mask loss, on the right side, how many.
        self.sums = torch.zeros(4, dtype=torch.float64, device=self.here.device)

    @property
    def step_number(self) -> int:
        """Steps done in the whole run."""
        return self.epoch * self.batches.steps + self.step

    def seconds(self) -> float:
        """Time spent on this epoch, before it was cut too."""
        return self.spent + time.monotonic() - self.since

    def train_epoch(
        self, epoch: int, run_dir: Path, logs: loggers.Logs, say: Say
    ) -> dict[str, Any]:
        """One pass over the training samples, from the step that the run had come to."""
        run, here = self.config.run, self.here
        frozen = steps.choose_weights(self.learner.model, self.config, epoch)
        self.learner.train()
        learner = here.wrap(self.learner)
        self.data.set_epoch(epoch)
        self.batches.epoch, self.batches.start = epoch, self.step
        total, saved = self.batches.steps, time.monotonic()
        batches = loader(
            self.data, self.batches, self.config.data.workers, pin=here.device.type == "cuda"
        )
        name = f"epoch {epoch + 1}/{run.epochs}"
        for batch in loggers.bar(batches, total, self.step, name, here.first):
            self._learn(learner, batch, epoch)
            self.step += 1
            if self.step % run.log_interval or self.step == total:
                continue
            sums = here.total(self.sums)
            mean = float(sums[0] / sums[3])
            say(f"{name} step {self.step}/{total}: loss {mean:.4f}")
            logs.step(self.step_number, mean, self.rates())
            if here.agree(time.monotonic() - saved >= 60.0 * run.checkpoint_minutes):
                if here.first:
                    save_checkpoint(run_dir, "last", self.state(sums))
                saved = time.monotonic()
        loss, mask_loss, correct, clips = here.total(self.sums).tolist()
        row: dict[str, Any] = {"epoch": epoch + 1, "lr": self.rates()[0], "frozen": frozen}
        row |= {"loss": round(loss / clips, 6), "acc": round(correct / clips, 6)}
        if self.learner.mask_head is not None:
            row["mask_loss"] = round(mask_loss / clips, 6)
        spent = max(self.seconds(), 1e-9)
        row["images_per_s"] = round(clips * self.config.model.clip_frames / spent, 1)
        return row

    def _learn(self, learner: torch.nn.Module, batch: Batch, epoch: int) -> None:
        """One step: the loss of a batch, its gradients, the weights, their average."""
        config, here = self.config, self.here
        rng = steps.seed_step(config.run.seed, epoch, self.step, here.rank)
        batch = Batch(*(part.to(here.device, non_blocking=True) for part in batch))
        halves = self.precision != torch.float32
        with torch.autocast(here.device.type, self.precision, enabled=halves):
            loss: steps.StepLoss = learner(batch, rng)
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss.whole).backward()  # type: ignore[no-untyped-call]
        if config.optimiser.clip_norm:
            self.scaler.unscale_(self.optimizer)
            torch.nn.utils.clip_grad_norm_(self.learner.parameters(), config.optimiser.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.pace.after_step()
        if config.optimiser.ema:
            steps.average(self.averaged, self.learner.model, config.optimiser.ema)
        clips = len(batch.labels)
        parts = (
            loss.clips * clips,
            loss.cells * clips,
            loss.correct,
            loss.correct.new_tensor(clips),
        )
        self.sums += torch.stack([part.detach().double() for part in parts])

    def rates(self) -> list[float]:
        """The learning rates of the head and of the backbone."""
        return [float(group["lr"]) for group in self.optimizer.param_groups]

    def close_epoch(self, epoch: int, row: dict[str, Any]) -> None:
        """Put the epoch into the history."""
        self.history.append(row)
        self.epoch = epoch + 1
        self._begin_epoch()

    def weights(self) -> dict[str, Any]:
        """A checkpoint of the averaged weights, between them and those that the run began with."""
        share = self.config.run.init_share
        return self._checkpoint(between(self.began, self.averaged.state_dict(), share))

    def _checkpoint(self, averaged: Mapping[str, torch.Tensor]) -> dict[str, Any]:
        return {
            "averaged": averaged,
            "config": self.config.model.to_dict(),
            "settings": configs.to_dict(self.config),
            "name": self.config.name,
            "history": self.history,
            "epoch": self.epoch,
        }

    def state(self, sums: torch.Tensor) -> dict[str, Any]:
        """A checkpoint that `resume` takes; `sums` over all processes."""
        parts = ("learner", "optimizer", "pace", "scaler")
        return {
            # What goes on learning is not what is kept of it.
            **self._checkpoint(self.averaged.state_dict()),
            **{name: getattr(self, name).state_dict() for name in parts},
            "began": self.began,
            "step": self.step,
            "sums": sums.cpu(),
            "spent": self.seconds(),
            "data": self.data_digest,
            "teacher": self._teacher_sha256(),
        }

    def _teacher_sha256(self) -> str:
        return "" if self.teacher is None else self.teacher.sha256

    def resume(self, run_dir: Path, say: Say) -> bool:
        """Go on with the run in `run_dir`; False if there is none."""
        state = load_checkpoint(run_dir, "last")
        if state is None:
            return False
        check_same_run(state, self.config, self.data_digest, self._teacher_sha256(), run_dir)
        for name in ("learner", "optimizer", "pace", "scaler", "averaged"):
            if state[name]:  # A scaler that is not in use has no state.
                getattr(self, name).load_state_dict(state[name])
        self.history, self.epoch = list(state["history"]), int(state["epoch"])
        self.step, self.spent = int(state["step"]), float(state["spent"])
        self.began = state.get("began", {})  # Runs from before it was kept have no share of it.
        if self.here.first:
            self.sums = state["sums"].to(self.here.device)
        say(f"resumed in epoch {self.epoch + 1} after {self.step} of {self.batches.steps} steps")
        return True

    def start(self, init: Path | None, say: Say) -> None:
        """Take the first weights: of another run, of ImageNet, or those that the seed drew."""
        model = self.learner.model
        if init is not None:
            _take_over(model, init)
        elif self.config.run.from_teacher:
            assert self.teacher is not None  # FitConfig asks for one.
            count = self.teacher.give(model)
            say(f"first weights: {count} of {len(model.state_dict())} tensors are the teacher's")
        elif self.config.run.pretrained and self.here.first:
            load_imagenet(model, say)
        self.here.share(model.state_dict().values())
        self.averaged.load_state_dict(model.state_dict())
        if self.config.run.init_share:
            self.began = {name: x.detach().clone() for name, x in model.state_dict().items()}


def between(
    began: Mapping[str, torch.Tensor], left: Mapping[str, torch.Tensor], share: float
) -> dict[str, torch.Tensor]:
    """`share` of the tensors that a run `began` with and the rest of those that it `left`.

    What was learnt for other pictures is kept for the old ones (weight-space ensembles: Wortsman et
    al., Robust fine-tuning of zero-shot models, CVPR 2022). Counters are those that were left.
    """
    if not share:
        return dict(left)
    return {
        name: torch.lerp(began[name], x, 1.0 - share) if x.is_floating_point() else x
        for name, x in left.items()
    }


def _take_over(model: VideoModel, init: Path) -> None:
    earlier = load_checkpoint(init)
    if earlier is not None:
        state = earlier["averaged"]
    elif (init / weights_folder.CONFIG).is_file():
        state = weights_folder.read(init).state
    else:
        raise SettingError(f"--init or run.init must hold weights, but got '{init}'. Fit it first.")
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise SettingError(
            f"--init must hold a {model.config.label}, but got '{init}'. Use its model section."
        ) from error
