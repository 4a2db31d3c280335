"""What the arithmetic of detector and classifier would take at the rate of a large matrix product.

python -m benchmarks.arithmetic CLIP
"""

from __future__ import annotations

import json
import subprocess
import sys
import time

from benchmarks import pipeline, sides

__all__ = ["seconds_of"]

SIDE = 1024
REPEATS = 40


def seconds_of(task: sides.Task) -> tuple[float, float, float]:
    """FLOP (two a multiply-add) of the networks in one analysis, FLOP a CPU second of a matrix
    product, and the CPU seconds that follow; measured in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.arithmetic", json.dumps(task)]
    answer = subprocess.run(
        command, cwd=pipeline.ROOT, env=sides.calm(), check=True, capture_output=True, text=True
    )
    flops, rate = json.loads(answer.stdout.splitlines()[-1])
    return flops, rate, flops / rate


def main() -> int:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from dfexplain import hub
    from dfexplain.detector import Detector
    from dfexplain.structures import Sampling

    task = sides.Task(*json.loads(sys.argv[1]))
    detector = Detector(hub.load(None))
    with FlopCounterMode(display=False) as counter:
        for _ in detector.analyze(task.clip, Sampling(task.frames, task.fps, task.every)):
            pass
    left, right = torch.randn(2, SIDE, SIDE).unbind()
    rates = []
    for _ in range(5):
        began = time.process_time()
        for _ in range(REPEATS):
            left @ right
        rates.append(REPEATS * 2 * SIDE**3 / (time.process_time() - began))
    print(json.dumps([counter.get_total_flops(), max(rates)]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
