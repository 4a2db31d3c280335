"""What is imported is pinned, what is pinned is imported, and the tests run with the pins."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata

import pytest

from tests.sources import OURS, ROOT, files, shown, texts, third_party


def normal(package: str) -> str:
    """One spelling of a package's name."""
    return re.sub(r"[-_.]+", "-", package).lower()


def pins(name: str) -> dict[str, tuple[str, str]]:
    """A requirements file as {package: (version, comment)}, with those that it includes."""
    found: dict[str, tuple[str, str]] = {}
    for line in (ROOT / name).read_text("utf-8").splitlines():
        requirement, _, comment = (part.strip() for part in line.partition("#"))
        if requirement.startswith("-r "):
            found |= pins(requirement.removeprefix("-r "))
        elif requirement:
            exact = re.fullmatch(r"([\w.-]+)==([\w.]+)", requirement)
            assert exact, f"{name}: {requirement} is not an exact pin"
            found[normal(exact[1])] = (exact[2], comment)
    return found


def extras() -> set[str]:
    """The packages that only an extra installs, each at the version with which the tests run."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    found: dict[str, str] = {}
    for one in (one for few in project["optional-dependencies"].values() for one in few):
        exact = re.fullmatch(r"([\w.-]+)(?:\[\w+\])?==([\w.]+)", one)
        assert exact, f"pyproject.toml: {one} is not an exact pin"
        found[normal(exact[1])] = exact[2]
    tested = pins("requirements-dev.txt")
    assert {name: tested[name][0] for name in found} == found
    return set(found) - set(pins("requirements.txt"))


@pytest.mark.parametrize(
    ("name", "rooms"),
    [("requirements.txt", {"app.py", "dfexplain"}), ("requirements-dev.txt", OURS)],
    ids=["app", "dev"],
)
def test_every_import_is_pinned_and_every_pin_is_used(name: str, rooms: set[str]) -> None:
    packages = metadata.packages_distributions()
    imported = third_party(*files(*rooms))
    assert {package for package in imported if package not in packages} == set(), "not installed"
    needed = {normal(packages[package][0]) for package in imported}
    pinned = pins(name)
    if name == "requirements.txt":
        needed -= extras()
    assert needed - set(pinned) == set()
    unused = set(pinned) - needed
    assert {package for package in unused if not pinned[package][1]} == set(), "say why it is here"


def test_the_tests_run_with_the_pinned_versions() -> None:
    wanted = {package: version for package, (version, _) in pins("requirements-dev.txt").items()}
    # A local version names a build of the same source: torch 2.11.0+cu126.
    assert {p: metadata.version(p).split("+")[0] for p in wanted} == wanted


def test_only_one_package_owns_cv2() -> None:
    assert set(metadata.packages_distributions()["cv2"]) == {"opencv-python-headless"}


def test_an_installed_package_has_all_its_files() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]
    patterns = settings["package-data"]["*"]
    found = [p for p in texts() if "dfexplain" in p.relative_to(ROOT).parts[:1]]
    packed = [p for p in found if p.suffix == ".py" or any(p.match(each) for each in patterns)]
    assert {path.parent / "__init__.py" for path in packed} <= set(packed)
    assert [shown(path) for path in set(found) - set(packed)] == []
