"""Deepfake video detection that shows why, and says what a score is worth."""

import os

__version__ = "0.1.0"

# Read once, when torch loads its OpenMP: threads that wait for work sleep instead of spinning. On
# two idle cores an analysis takes as long and a tenth less CPU time; beside other work it takes
# less than half of the CPU time, and little more than half as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
