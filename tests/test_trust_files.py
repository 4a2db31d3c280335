"""R1 to R6 of docs/trust.md in their short form: bad input, mutants, references, hostile children,
and weights that are data. Each watch is shown to see what it watches for."""

from __future__ import annotations

import json
import os
import pickle
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from benchmarks import fuzz
from benchmarks.trust import cage, corpus, films, foreign, media, references, weights
from benchmarks.trust.case import EXPECTED, Case
from benchmarks.trust.rows import Row
from dfexplain import hub
from dfexplain.detector import Detector
from tests.sources import ROOT
from tests.weights_corpus import Bomb

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and strace")
# Files of seeds that failed, and of the rarest ending: a picture whose size is a lie.
MUTANTS = ROOT / "tests" / "data" / "mutants"


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector(hub.load(None))


# R1 ----------------------------------------------------------------------------------------------


def test_the_corpus_is_large_and_of_all_kinds() -> None:
    cases = corpus.cases()
    assert len(cases) >= 250
    assert len({case.name for case in cases}) == len(cases)
    counts = Counter(case.expected for case in cases)
    assert set(counts) == set(EXPECTED)
    assert min(counts.values()) >= 10
    names = " ".join(case.name for case in cases)
    for kind in ("empty", "text", "cut_30", "flip_50", "1x1", "8k", "rotated", "vfr", "edit_list",
                 "negative_start", "fps_0", "fps_1000", "interlaced", "ten_bit", "hdr", "av1",
                 "vp9_alpha", "prores", "wmv", "flv", "gif", "cover_art", "no_cues", "two_streams",
                 "no_face", "tiny_faces", "twelve_faces", "black", "spaces", "'single'",
                 "-dash", "new\nline", "видео", "link", "folder", "fifo", "sound", "one_frame",
                 "shipped_"):  # fmt: skip
        assert kind in names, kind


def test_the_corpus_is_the_same_every_time(tmp_path: Path) -> None:
    chosen = [case for case in corpus.few(40, 4) if case.name != "link.mp4"]
    made = [dict(corpus.written(tmp_path / name, chosen)) for name in ("a", "b")]
    one, two = ({case.name: path for case, path in each.items()} for each in made)
    same = [
        path.read_bytes() == two[name].read_bytes() for name, path in one.items() if path.is_file()
    ]
    assert len(same) > 15
    assert all(same)


@pytest.mark.timeout(900)  # a loaded machine
def test_odd_and_broken_files_end_in_a_report_or_one_line(
    detector: Detector, tmp_path: Path
) -> None:
    chosen = corpus.few(40, 4)
    tally = media.in_process(chosen, tmp_path, detector)
    assert tally.wrong == []
    assert (tally.files, tally.scored) == (
        40,
        len(chosen) - tally.refused - (tally.read - tally.scored),
    )
    assert tally.scored >= 4
    assert tally.refused >= 12
    assert set(tally.codes) <= media.CODES
    assert 60 < tally.longest_line <= media.LONGEST_LINE


def test_the_tally_sees_what_must_not_be() -> None:
    case = Case("a.mp4", "refused", lambda path: None)
    good = "error[not-a-video]: a.mp4: must hold a readable video, but got: x.\n"
    for said in ("", "Traceback (most recent call last):\n  File\n", good + good, "error[x]: a\n",
                 good.strip() + "." * 160, "error[input]: red \x1b[31m\n"):  # fmt: skip
        tally = media.Tally()
        tally.end(case, 1.0, None, said)
        assert len(tally.wrong) == 1, said
    tally = media.Tally()
    tally.end(case, 1.0, None, good)
    assert tally.wrong == []
    tally.end(case, 1e6, None, good)
    tally.end(case, 1.0, {"score": 1.0}, "")
    assert [re.sub(r"^\S+ ", "", one).split()[0] for one in tally.wrong] == ["took", "must"]


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("row", media.ROWS, ids=lambda row: row.key)
def test_all_of_the_corpus_in_process_by_the_command_line_and_over_http(row: Row) -> None:
    figure = row.measure(True)
    assert figure.held, figure.text


# R2 ----------------------------------------------------------------------------------------------


def test_a_mutant_is_a_function_of_its_seed() -> None:
    assert fuzz.mutant(5) == fuzz.mutant(5)
    whole = set(fuzz.bases().values())
    mutants = [fuzz.mutant(seed)[1] for seed in range(1, 200)]
    assert len(set(mutants)) > 190
    assert sum(one in whole for one in mutants) < 12  # zeros over zeros


@pytest.mark.timeout(900)  # a loaded machine
def test_three_hundred_mutants_stay_in_the_cage() -> None:
    counts, odd = fuzz.tally(range(1, 301))
    assert [one for one in odd if one[1] == "FAILED"] == []
    assert counts.total() == 300
    assert counts["read"] > 60
    assert counts["not-a-video"] > 60


def test_a_mutant_that_escapes_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def raising(*_: object, **__: object) -> None:
        raise RuntimeError("escaped")

    monkeypatch.setattr(fuzz.video, "sample", raising)
    seed, became, more = fuzz.outcome(1, tmp_path)
    assert (seed, became) == (1, "FAILED")
    assert "escaped" in more
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", sorted(MUTANTS.glob("*")), ids=lambda path: path.name)
def test_the_mutants_that_were_kept_stay_in_the_cage(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fuzz, "mutant", lambda seed: (path.name, path.read_bytes()))
    assert fuzz.outcome(0, tmp_path)[1] not in {"FAILED", "crashed"}


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_two_thousand_mutants_stay_in_the_cage() -> None:
    counts, odd = fuzz.tally(range(1, 2001), jobs=2)
    assert [one for one in odd if one[1] == "FAILED"] == []
    assert counts.total() == 2000


# R3 ----------------------------------------------------------------------------------------------


@LINUX
def test_no_reference_is_followed(tmp_path: Path) -> None:
    """A third of the references; all of them by the command."""
    why = foreign.can_trace()
    if why:
        pytest.skip(why)
    (tmp_path / "far").mkdir()
    secret = films.film(tmp_path / "far" / "secret.mp4")
    with foreign.listening() as (port, calls):
        paths = references.references(tmp_path / "given", secret, f"http://127.0.0.1:{port}")
        given = [str(path) for path in (*paths[::4], *paths[-7:-5])]
        trace = foreign.traced(given, tmp_path)
    assert len(trace.confined) >= len(given)
    assert set(trace.opened) == set(given)
    assert str(secret) not in trace.named
    assert (trace.sockets, calls) == ([], [])


@LINUX
def test_the_trace_sees_a_socket_and_a_foreign_file() -> None:
    trace = foreign.Trace(
        '7 openat(AT_FDCWD, "/lib/x", O_RDONLY) = 3\n'
        "7 prlimit64(0, RLIMIT_NOFILE, {rlim_cur=4, rlim_max=4}, NULL) = 0\n"
        '7 openat(AT_FDCWD, "/a.mp4", O_RDONLY) = 3\n'
        '7 openat(AT_FDCWD, "/secret", O_RDONLY) = -1 EMFILE (Too many open files)\n'
        '8 openat(AT_FDCWD, "/other", O_RDONLY) = 3\n'
        "7 socket(AF_INET, SOCK_STREAM, 0) = 4\n"
    )
    assert (trace.opened, trace.denied) == (["/a.mp4"], ["/secret"])
    assert trace.named == ["/lib/x", "/a.mp4", "/secret", "/other"]
    assert len(trace.sockets) == 1


@LINUX
def test_the_other_watch_sees_what_a_child_holds_open(tmp_path: Path) -> None:
    clip = films.film(tmp_path / "clip.mp4", count=120, size=(320, 240))
    assert str(clip) in foreign.watched([str(clip)] * 3)


# R4 ----------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="resource limits are POSIX")
@pytest.mark.parametrize("deed", ["hoard", "scribble", "connect", "write", "abort"])
def test_a_hostile_child_is_stopped_soon(deed: str, tmp_path: Path) -> None:
    """The others are those of tests/test_cage.py."""
    with foreign.listening() as (port, calls):
        late_s = cage.overrun_s(deed, tmp_path, port)
    assert late_s <= 5 * cage.LATEST_S  # a loaded machine; the command holds it to the limit
    assert calls == []
    scribble = tmp_path / "scribble"
    assert not scribble.exists() or scribble.stat().st_size == 0


# R5, R6 ------------------------------------------------------------------------------------------


@pytest.mark.timeout(900)  # a loaded machine
def test_weights_run_nothing_while_they_are_loaded(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.trust.weights", str(tmp_path), "12"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    )
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["folders"] >= 10
    assert (found["wrong"], found["ran"]) == ([], 0)


def test_the_hook_hears_a_pickle_that_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with weights.hearing() as heard:
        pickle.loads(pickle.dumps(Bomb()))
    assert {each.split()[0] for each in heard} >= {"pickle.find_class", "os.mkdir"}
    assert (tmp_path / "burst").is_dir()
    os.system("true")
    assert not any(each.startswith("os.system") for each in heard)
