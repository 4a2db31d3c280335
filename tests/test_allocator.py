"""allocator.py: asked of glibc, and harmless elsewhere."""

from __future__ import annotations

import platform
import sys

import pytest

from dfexplain import allocator


def test_glibc_takes_the_settings() -> None:
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("glibc alone has these settings")
    assert allocator.keep_memory()


def test_without_glibc_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not allocator.keep_memory()
