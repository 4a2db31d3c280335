"""The app: one page on which a video is analysed and explained. Owns gradio."""

from dfexplain.ui.page import build
from dfexplain.ui.server import launch, mount

__all__ = ["build", "launch", "mount"]
