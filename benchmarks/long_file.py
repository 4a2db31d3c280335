"""Peak memory of sampling a two-hour 1080p file against a five-minute one; at most 1.2 is wanted.

    python -m benchmarks.long_file [FOLDER]

Makes both files in FOLDER (default: a temporary one) by repeating the packets of a ten-second clip,
without encoding anew, about 4 GB in all, removed afterwards. Each is then sampled in a process of
its own, as the detector does it; the number is the peak resident memory of that process plus that
of its decoding child. Linux only: `ru_maxrss` would count what a parent held before it started the
child, /proc does not.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from dfexplain import video
from dfexplain.structures import Sampling

CLIP_S = 10
FPS = 25
LENGTHS_S = {"five minutes": 300, "two hours": 7200}
LIMIT = 1.2


def pictures() -> Iterator[NDArray[np.uint8]]:
    """Ten seconds of 1080p with motion everywhere: a textured picture that drifts."""
    noise = np.random.default_rng(0).normal(0, 1, (270, 480, 3))
    smooth = np.fft.ifft2(
        np.fft.fft2(noise, axes=(0, 1)) / (1 + 0.05 * np.arange(270)[:, None, None]), axes=(0, 1)
    ).real
    texture = np.clip(128 + 60 * smooth / smooth.std(), 0, 255).astype(np.uint8)
    texture = texture.repeat(4, axis=0).repeat(4, axis=1)
    for number in range(CLIP_S * FPS):
        yield np.roll(texture, (number, 3 * number), axis=(0, 1))


def repeat(clip: Path, out: Path, times: int) -> Path:
    """Write the packets of `clip` `times` in a row."""
    with av.open(str(clip)) as source:
        film = source.streams.video[0]
        length, clock = film.duration, film.time_base
        assert length is not None
        assert clock is not None
        packets = [
            (bytes(packet), packet.pts, packet.dts, packet.is_keyframe)
            for packet in source.demux(film)
            if packet.pts is not None and packet.dts is not None
        ]
        with av.open(str(out), "w") as target:
            copy = target.add_stream_from_template(film)
            for number in range(times):
                for content, pts, dts, key in packets:
                    packet = av.Packet(content)
                    packet.pts, packet.dts = pts + number * length, dts + number * length
                    packet.time_base, packet.stream = clock, copy
                    packet.is_keyframe = key
                    target.mux(packet)
    return out


def peak_mib(process: int | str) -> float:
    """Peak resident memory of a process that runs, in MiB."""
    status = Path(f"/proc/{process}/status").read_text()
    lines = [line.split() for line in status.splitlines() if line.startswith("VmHWM:")]
    return float(lines[0][1]) / 1024 if lines else 0.0  # a child that has ended has none


def measure(path: Path) -> dict[str, object]:
    """Sample a file here; peak memory in MiB of this process and of its child."""
    begin = time.perf_counter()
    with video.sample(path, Sampling()) as stream:
        indices, child_mib = [], 0.0
        for event in stream.events():
            child_mib = max(child_mib, peak_mib(stream.child_pid))
            if event is not None:
                indices.append(event.index)
        info, wanted, notes = stream.info, stream.wanted, stream.notes
    own = resource.getrusage(resource.RUSAGE_SELF)
    child = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "duration_s": info.duration_s,
        "frames": len(set(indices)),
        "wanted": wanted,
        "parent_mib": peak_mib("self"),
        "child_mib": child_mib,
        "wall_s": time.perf_counter() - begin,
        "cpu_s": sum(u.ru_utime + u.ru_stime for u in (own, child)),
        "notes": notes,
    }


def run(folder: Path) -> float:
    """Make the files, measure them, print a table; returns the ratio of the peaks."""
    clip = video.write(folder / "clip.mp4", pictures(), FPS, crf=27, preset="veryfast", threads=2)
    peaks: list[float] = []
    for name, length_s in LENGTHS_S.items():
        path = repeat(clip, folder / f"{length_s}.mp4", length_s // CLIP_S)
        command = [sys.executable, "-m", "benchmarks.long_file", "--measure", str(path)]
        answer = subprocess.run(command, check=True, capture_output=True, text=True)
        row = json.loads(answer.stdout)
        peaks.append(row["parent_mib"] + row["child_mib"])
        print(
            f"{name}: {path.stat().st_size / 1e6:.0f} MB, {row['frames']} of {row['wanted']} "
            f"frames, peak {peaks[-1]:.0f} MiB (parent {row['parent_mib']:.0f}, child "
            f"{row['child_mib']:.0f}), {row['wall_s']:.1f} s, {row['cpu_s']:.1f} s of CPU"
        )
        print("  " + "; ".join(row["notes"]))
        path.unlink()
    ratio = peaks[1] / peaks[0]
    print(f"ratio {ratio:.3f}, at most {LIMIT} is wanted")
    return ratio


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--measure", type=Path, help="measure one file in this process")
    chosen = parser.parse_args()
    if chosen.measure:
        json.dump(measure(chosen.measure), sys.stdout)
        return 0
    if chosen.folder:
        return int(run(chosen.folder) > LIMIT)
    with tempfile.TemporaryDirectory() as folder:
        return int(run(Path(folder)) > LIMIT)


if __name__ == "__main__":
    raise SystemExit(main())
