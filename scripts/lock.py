"""Writes requirements.lock: each package that requirements.txt brings, its version and sha256.

    python scripts/lock.py

Asks pip what it would install here, and keeps the name, version and hash of each file; nothing is
installed. The lock is for the system and the Python that it is made with: wheels differ between
systems, and what they need in turn does, too. Needs a network.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
WAIT_S = 1800


def asked(requirements: Path) -> list[dict[str, Any]]:
    """What pip would install into an empty environment of this Python."""
    ask = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet"]
    ask += ["--no-cache-dir", "--report", "-", "-r", str(requirements)]
    done = subprocess.run(ask, check=True, stdout=subprocess.PIPE, text=True, timeout=WAIT_S)
    found: list[dict[str, Any]] = json.loads(done.stdout)["install"]
    return found


def lines(found: list[dict[str, Any]]) -> list[str]:
    """One line a package, by name: `name==version --hash=sha256:...`."""
    told = {}
    for package in found:
        name = re.sub(r"[-_.]+", "-", package["metadata"]["name"]).lower()
        sha256 = package["download_info"]["archive_info"]["hashes"]["sha256"]
        told[name] = f"{name}=={package['metadata']['version']} --hash=sha256:{sha256}"
    return [told[name] for name in sorted(told)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=LOCK)
    chosen = parser.parse_args()
    version = ".".join(platform.python_version_tuple()[:2])
    head = [
        f"# {platform.system()} {platform.machine()}, Python {version}; made by scripts/lock.py.",
        "# SECURITY.md says how to install from it. requirements.txt is what the README installs.",
    ]
    text = "\n".join([*head, *lines(asked(ROOT / "requirements.txt"))])
    chosen.out.write_text(f"{text}\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
