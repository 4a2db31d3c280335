"""Puts the app on a Hugging Face Space: the files of the clone that it needs, in one commit.

The Space runs weights of its own, which go up with the app as `weights/default`, or weights of the
Hub, which DFEXPLAIN_WEIGHTS names there, pinned to their commit. It holds no secret and needs none.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from dfexplain import __version__, hub, release_checks
from dfexplain import weights_folder as layout
from dfexplain.errors import PushRefused, SettingError
from dfexplain.hub import Weights
from dfexplain.pushing import COMMIT, Pusher, api_of, check_name

__all__ = ["Plan", "Pushed", "plan", "push"]

ROOT = Path(__file__).resolve().parent.parent
TOP = ("README.md", "app.py", "requirements.txt", "LICENSE", "NOTICE")
# Ours alone on a Space: what is there and not here leaves.
FOLDERS = ("dfexplain/", "examples/", "weights/")
VARIABLE = "DFEXPLAIN_WEIGHTS"


@dataclass(frozen=True)
class Plan:
    """What a push sends: `files` (name on the Space: file here), and the weights that will run.

    `named` is their name on the Hub, `org/name@<commit sha>`, or None where they go up with the
    app. `notes` tells what could not be tested of them.
    """

    files: dict[str, Path]
    weights: Weights
    named: str | None
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Pushed:
    """What a push made."""

    repo: str
    commit: str
    url: str


def plan(spec: str | None = None, root: Path = ROOT) -> Plan:
    """Which files a Space of this clone gets, and which weights; `spec` as in `hub.load`.

    Raises the errors of `hub.load`, those of `release_checks.check` for weights that go up, and
    SettingError where `root` is no clone.
    """
    weights = hub.load(spec)
    found = {name: root / name for name in TOP}
    gone = [name for name, path in found.items() if not path.is_file()]
    if gone or not (root / "pyproject.toml").is_file():
        raise SettingError(
            "push-space must run in a clone of dfexplain, but "
            f"{', '.join(gone) or 'pyproject.toml'} is not there. Get one."
        )
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    patterns = ["*.py", *project["tool"]["setuptools"]["package-data"]["*"]]
    inner = [path for pattern in patterns for path in (root / "dfexplain").rglob(pattern)]
    for path in sorted({*inner, *(root / "examples").glob("*.mp4")}):
        found[path.relative_to(root).as_posix()] = path
    if COMMIT.fullmatch(weights.info.revision):
        return Plan(found, weights, f"{weights.info.name}@{weights.info.revision}", ())
    checked, notes = release_checks.check(weights.folder)
    for name in layout.FILES:
        if (checked.folder / name).is_file():
            found[f"weights/{hub.DEFAULT}/{name}"] = checked.folder / name
    return Plan(found, checked, None, tuple(notes))


def push(
    planned: Plan, repo: str, *, private: bool = False, message: str | None = None,
    token: str | None = None,
) -> Pushed:  # fmt: skip
    """Send a plan to the Space `repo`, `org/name`, made if it is missing.

    What the Space has in our folders and the plan has not is deleted; its other files stay. `token`
    replaces the one of `hf auth login` or HF_TOKEN.

    Raises SettingError for a name that is none, PushRefused for a Space that is less private than
    asked, for weights that the Space could not load without a token and for a push that came in
    between, and HubUnavailable where the Hub or the network says no. None of them holds the token.
    """
    check_name(repo)
    to = Pusher(repo, api_of(token), "space")
    if planned.named is not None and not to.is_open(*planned.named.split("@")):
        raise PushRefused(
            "--weights must be open to everybody, since a Space holds no token, but got "
            f"{planned.named}, which is not. Make it public, or push a folder."
        )
    there = to.look(private) or to.create(private)
    if planned.named is not None:
        # Before the commit: the old files run the new weights, but the new ones need them.
        value = planned.named
        to.ask(lambda: to.api.add_space_variable(repo, VARIABLE, value))
    commit, url = to.commit(
        planned.files,
        sorted(n for n in there.files if n.startswith(FOLDERS) and n not in planned.files),
        there,
        message or f"dfexplain {__version__}",
        f"sha256 of {layout.MODEL}: {planned.weights.info.sha256}",
    )
    if planned.named is None and VARIABLE in to.ask(lambda: to.api.get_space_variables(repo)):
        to.ask(lambda: to.api.delete_space_variable(repo, VARIABLE))
    return Pushed(repo, commit, url)
