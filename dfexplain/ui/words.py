"""The words of the desk. What is said of a report in all places is said by `report.words`.

Numbers have two digits, a rate stands beside its sample size, a probability is never shown alone.
"""

from __future__ import annotations

import html

from dfexplain.report.words import band, clock, operating_point
from dfexplain.structures import Calibration, Progress

TITLE = "dfexplain"
TAGLINE = "Scores a video for manipulated faces and shows when, which face and where in it."

TAB_DESK, TAB_EXPLAIN = "Desk", "Explain"
TAB_CALIBRATION, TAB_WEIGHTS = "Calibration", "Weights"

DROP = "Video"
PLAYER = "Player"
FRAMES = "Frames to look at"
AGAIN, CANCEL = "Analyse again", "Cancel"
EXAMPLES = "Or try an example:"
NO_EXAMPLES = "No example clips are installed beside the program."
PREVIOUS, NEXT = "◀ Previous flagged", "Next flagged ▶"
CROP = "Face crop ◂▸ where the model looked"
FRAME = "Full frame ◂▸ where the model looked"
TIMELINE = "Timeline"
TIMELINE_HELP = (
    "Click a lane, or focus it and use the arrow keys: left and right for the frame, "
    "up and down for the face, N and P for flagged frames."
)

EMPTY_VERDICT = "No video yet"
EMPTY_VERDICT_TEXT = (
    "Drop a video on the left or pick an example. It stays on the machine that runs this page."
)
EMPTY_TIMELINE = "One lane per face appears here while the video is read."
EMPTY_FRAME = "The frame that you pick on the timeline appears here, beside where the model looked."

P_FAKE = "p_fake of each frame, 0 to 1, on the scale of the whole video"
SCORE = "score of each frame, up is toward fake: not a probability"
NO_LANES = "No face is drawn: none was followed for long enough to be scored."
COVERAGE = "frames"
KEY_FLAGGED, KEY_BAND, KEY_CUT = "flagged span", "no decision in this band", "cut between shots"
WAITING = "Waiting in line"
WAITING_TEXT = "One video is analysed at a time; this one starts by itself when its turn comes."
BUSY = "That did not work"
BUSY_TEXT = "Too many videos wait in line, or the program failed: see its log. Try again soon."
CANCELLED = "Cancelled"
CANCELLED_TEXT = "Nothing was kept. Press “Analyse again” or choose another video."
REFUSED = "This file was not analysed"
NO_WEIGHTS = "No weights are loaded"
NO_WEIGHTS_TEXT = "Choose others in the Weights tab."
COPYING = "This browser cannot play the file; a playable copy is being made."
COPIED = "Shown is a re-encoded copy that this browser can play; the file itself was analysed."
NOT_PLAYABLE = "This browser cannot play the file, and no copy could be made:"

STAGES = {
    "open": "Opening the file",
    "read": "Reading frames and finding faces",
    "score": "Scoring faces",
    "explain": "Drawing where the model looked",
    "done": "Writing the verdict",
}

WORKING = "Working"
NOT_CHECKED, NOTES = "Not checked:", "Notes:"
ANOTHER = "Another video"

SHOW_LABEL = "Show"
SHOW = ("both", "picture", "map")
SIGNED = "Show what speaks for real, too"
BAR_HELP = (
    "One scale for every frame of every video of these weights. Grad-CAM (for networks over time "
    "HiResCAM) is evidence in logits at each place of the crop, a mask head says from 0 to 1 where "
    "it takes the crop to be forged. Both show where the model looked, not what was changed."
)

EXPLAIN_LEAD = (
    "Why the frame that is open on the desk got its score, whether that answer beats chance, and "
    "what the score becomes without a part of the face."
)
EMPTY_EXPLAIN = "Analyse a video on the desk and pick a frame: its explanation appears here."
LOOKING = "Asking what the score hangs on …"
COVER = "Click a place to cover it"
COVER_REGIONS = "Or cover a region"
COVER_WITH, COVER_SIZE = "Cover with", "Size of a click"
COVER_HOW = {"blur": "blur", "inpaint": "surroundings", "mean": "flat colour"}
COVER_SIZES = {"0.06": "small", "0.11": "medium", "0.18": "large"}
UNCOVER = "Uncover"
WHEN_COVERED = "with the covered places"
COVERED_NOTE = (
    "A cover is itself a change of the picture. Compare covers, and cover a place that should not "
    "matter, before you believe a change of the score. Uncover to see what was found of the frame."
)
METHOD = "Method"
FACE, OPEN_FRAME = "Face", "Frame"
AGAINST_CHANCE = "Map against chance"
CHANCE_HELP = (
    "What the places where a map is hot are worth more than those where it is cold, in logits: "
    "each shown alone, and each covered. The same for a random map and for the middle of the crop."
)
THE_MAP, RANDOM_MAP, CENTRE_MAP = "this map", "a random map", "the middle"
BEATS = "better than chance here"
REGIONS_TITLE = "By region"
REGION_COLUMNS = ("region", "share of the heat", "without it")
NEIGHBOURS = "Nearest training crops"
NEIGHBOURS_HELP = (
    "Training crops that the detector takes to be alike, by how they were forged and not by who is "
    "shown; the number is the cosine of their features."
)
LABELS = ("untouched", "forged")
TESTING = "Testing the maps of the flagged frames against chance: {done} of {total} …"

CALIBRATION_LEAD = (
    "What a score of the loaded weights is worth, measured on videos that they were not trained on."
)
UNCALIBRATED_TITLE = "These weights are not calibrated"
UNCALIBRATED_TEXT = (
    "Their folder has no calibration, or one that belongs to other weights. Scores are shown as "
    "“score, not calibrated”; there is no probability, threshold or band to draw."
)
RELIABILITY, HISTOGRAM, ROC = "Reliability diagram", "Score histograms", "ROC curve"
RELIABILITY_HELP = (
    "Of the videos given about this p, how many are fake: on the diagonal, p means what it says. "
    "Bars are 95 % intervals."
)
HISTOGRAM_HELP = "Where real and fake validation videos score, the threshold, and the band between."
ROC_HELP = "How many fakes are found at each rate of false alarms; the dashed line is chance."
TABLE = "Reliability table"
TABLE_COLUMNS = [
    "p from",
    "p to",
    "mean p",
    "share fake",
    "95 % low",
    "95 % high",
    "videos",
]

EVALUATION = "What was measured"
EVALUATION_HELP = (
    "Under each number: its 95 % interval, the number n of samples, and what chance would reach."
)
NO_EVALUATION = "No evaluation is recorded"

CALIBRATED, UNCALIBRATED = "calibrated", "not calibrated"
WEIGHTS_FIELD = "Weights"
WEIGHTS_INFO = "A folder, a name under weights/, or org/name@revision on the Hugging Face Hub."
LOAD = "Load"
LOADED = "Loaded"
WEIGHTS_FAILED = "Not loaded"
KEPT = "The weights that were loaded before stay in use."


def two_digits(p: float) -> str:
    """A probability with two digits that never claims certainty: 0.91, “< 0.01”, “> 0.99”."""
    if p < 0.005:
        return "< 0.01"
    return "> 0.99" if p >= 0.995 else f"{p:.2f}"


def frames(number: int) -> str:
    """A choice of how many frames to look at."""
    return f"{number} frames"


def p_fake(p: float) -> str:
    """A frame's probability, beside a band."""
    return f"p_fake {two_digits(p)}"


def score(logit: float) -> str:
    """A frame's raw score, where there is no probability."""
    return f"score {logit:.2f}"


def face(track_id: str) -> str:
    """A choice of faces."""
    return f"face {track_id}"


def frame(track_id: str, time_s: float, value: str) -> str:
    """One frame of one face in a line."""
    return f"{clock(time_s)} · face {track_id} · {value}"


def progress(step: Progress) -> str:
    """What is being done right now."""
    stage = STAGES.get(step.stage, step.stage)
    return f"{stage}: {step.done} of {step.total}" if step.done and step.total > 1 else stage


def note(text: str) -> str:
    """A quiet line of HTML."""
    return f'<p class="hint">{html.escape(text)}</p>'


def elapsed(seconds: float) -> str:
    """How long the work has taken."""
    return f"{clock(seconds)} so far"


def gauge(p: float, low: float, high: float) -> str:
    """What the bar under the verdict shows, for a tooltip and for a screen reader."""
    return (
        f"p_fake {two_digits(p)} between 0 and 1. At or below {two_digits(low)}: no sign found. "
        f"At or above {two_digits(high)}: likely manipulated. Between them: cannot tell."
    )


def standing(calibration: Calibration) -> str:
    """What the number under the verdict is worth, and where that was measured."""
    worth = f"{operating_point(calibration)} {calibration_error(calibration)}"
    return f"{worth} {measured_on(calibration)}"


def measured_on(calibration: Calibration) -> str:
    """Which videos the numbers come from."""
    return f"Measured on {calibration.measured_on.rstrip('.')}."


def calibration_error(calibration: Calibration) -> str:
    """ECE with its interval and sample size."""
    low, high = calibration.ece_interval
    return f"ECE {calibration.ece:.2f} ({low:.2f} to {high:.2f}; {len(calibration.labels)} videos)."


SCALINGS = {
    "temperature": "temperature scaling (one factor)",
    "platt": "Platt scaling (a factor and a shift)",
    "isotonic": "isotonic regression (a rising curve)",
}


def grounds(calibration: Calibration) -> list[str]:
    """Everything that the probability rests on, each with its sample size."""
    low, high = band(calibration)
    return [
        measured_on(calibration),
        f"Likely manipulated: score at least {calibration.threshold:.2f}, p at least {high:.2f}.",
        f"No sign found: score at most {calibration.band_low:.2f}, p at most {low:.2f}.",
        operating_point(calibration),
        f"Calibration error: {calibration_error(calibration)}",
        f"Score to p by {SCALINGS[calibration.method]}.",
        "A p takes as many fake as real videos for granted; other mixes need another p.",
    ]


def place(number: int | None, of: int) -> str:
    """Where a frame stands among the flagged ones."""
    if of == 0:
        return "no frame of this video is flagged"
    return f"flagged frame {number} of {of}" if number else f"not flagged; {of} others are"


def bar(scale: float, signed: bool, mask: bool = False) -> tuple[str, str]:
    """The ends of the colour bar; of a `mask` the values are shares, not logits."""
    if mask:
        return "0", f"{scale:.1f} taken to be forged"
    start = f"−{scale:.1f} toward real" if signed else "0"
    return start, f"+{scale:.1f} toward fake"
