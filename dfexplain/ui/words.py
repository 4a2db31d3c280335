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

DROP = "Video or picture"
PLAYER, PICTURE = "Player", "Picture"
IN_A_PICTURE = "a picture: its faces have scores, and nothing is flagged"
FRAMES = "Frames to look at"
AGAIN, CANCEL = "Analyse again", "Cancel"
EXAMPLES = "Or try an example:"
NO_EXAMPLES = "No example clips are installed beside the program."
PREVIOUS, NEXT = "◀ Previous flagged", "Next flagged ▶"
NEXT_HOLDING = "Next map that beats chance ▶"
CROP = "Face crop ◂▸ where the model looked"
FRAME = "Full frame ◂▸ where the model looked"
TIMELINE = "Timeline"
TIMELINE_HELP = (
    "Click a lane, or focus it and use the keys: arrows left and right for the frame, up and down "
    "for the face, F for the next flagged frame, Shift+F for the one before, space to play. Drag "
    "to zoom in; Escape or a double click shows the whole time again."
)
WHOLE = "Show the whole time"

EMPTY_VERDICT = "No video yet"
EMPTY_VERDICT_TEXT = (
    "Drop a video or a picture into the box, or pick an example. It stays on the machine that runs "
    "this page."
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
FORGET = "Delete my files"
FORGOTTEN = "Deleted"
FORGOTTEN_TEXT = (
    "The files that this browser sent or was shown are deleted from the machine that runs this "
    "page: {files}. What the History tab keeps is deleted there."
)
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
COVER = "Click a place, or drag over it, to cover it"
COVER_REGIONS = "Or cover a region"
COVER_WITH, COVER_SIZE = "Cover with", "Size of a click or stroke"
COVER_HOW = {
    "blur": "blur",
    "noise": "noise",
    "texture": "texture",
    "inpaint": "surroundings",
    "mean": "flat colour",
}
COVER_SIZES = {"0.06": "small", "0.11": "medium", "0.18": "large"}
UNCOVER = "Uncover"
WHEN_COVERED = "with the covered places"
COVERED_NOTE = (
    "A cover is itself a change of the picture. Compare covers, and cover a place that should not "
    "matter, before you believe a change of the score. Uncover to see what was found of the frame."
)
AS_STORED = (
    "It was {value} in the video. Here the crop is asked as the report keeps it, a JPEG, so that "
    "every cover is compared with the same picture."
)
METHOD = "Method"
EXACT = "exact test (ROAD, slow)"
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
EVALUATION_ELSEWHERE = f"The tables are in the {TAB_CALIBRATION} tab."
NO_EVALUATION = "No evaluation is recorded"

CALIBRATED, UNCALIBRATED = "calibrated", "not calibrated"
WEIGHTS_FIELD = "Weights"
WEIGHTS_INFO = "A folder, a name under weights/, or org/name@revision on the Hugging Face Hub."
WEIGHTS_INFO_HOSTED = "A name under weights/, or org/name@revision on the Hugging Face Hub."
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
    return measured(calibration.measured_on)


def measured(on: str) -> str:
    """The same of the words for those videos."""
    return f"Measured on {on.rstrip('.')}."


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


# Downloads

DOWNLOAD = "Download:"
DOWNLOADS = {
    "html": "Report, HTML",
    "pdf": "Report, PDF",
    "json": "JSON",
    "frames": "CSV of frames",
    "video": "CSV of the video",
    "vtt": "WebVTT",
    "srt": "SRT",
    "edl": "EDL",
    "annotated": "Annotated video",
    "bundle": "Evidence bundle",
}
DOWNLOAD_HELP = "Each file is made when you ask for it, and deleted here within the hour."
SAVE_AGAIN = "Save again"
DIGEST = "Digest:"
DIGEST_HELP = (
    "Note it where whoever holds the bundle cannot change it: “dfexplain verify” wants it."
)


def making(name: str, step: Progress | None, elapsed_s: float) -> str:
    """A file is being made: "Report, PDF, asking why: 3 of 7, 0:04.0 so far"."""
    doing = f", asking why: {step.done} of {step.total}" if step and step.total > 1 else ""
    return f"{name}{doing}, {elapsed(elapsed_s)}"


def size(count: int) -> str:
    """The size of a file, in kB (1000 bytes) or MB."""
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.1f} kB"


# What it is worth

TAB_WORTH = "What it is worth"
WORTH_LEAD = (
    "What a flag and a p mean for your own mix of videos, at the threshold that you choose, and "
    "whether the verdict survives compression."
)
PRIOR = "Fakes among the videos that you get"
POINT = "Operating point"
NO_VIDEO = "Analyse a video on the desk: what its p becomes at this share of fakes appears here."
RISK = "What abstaining buys"
RISK_HELP = (
    "Left, few videos get an answer and few answers are wrong; right, all get one. The dot is the "
    "band of these weights, the shade the 95 % interval."
)
AS_TABLE = "The numbers"
RECOMPRESS = "Does the verdict survive compression?"
RECOMPRESS_HELP = (
    "The video is encoded again (H.264 at CRF 23, 28, 35 and 40, and at half size), and each copy "
    "is analysed like the video. A verdict that changes hangs on traces that compression removes."
)
COMPRESS = "Compress and score again"
NOT_COMPRESSED = (
    "There is nothing to compress: it takes a video with a score, and the weights that gave it."
)
DOING = {"encode": "encoding", "analyze": "analysing"}
SLICES = "On genuine recordings, by size, compression and recipe"
SLICES_HELP = (
    "How the same threshold and band do on recordings that nobody forged, where that was measured, "
    "and on parts of the test clips: what holds for all may not hold for small faces or coarse "
    "compression."
)
NO_SLICES = "Nothing was recorded of parts of the videos with these weights."


def recompressing(name: str, doing: str, step: Progress) -> str:
    """What the recompression check does right now: "CRF 28, analysing: 8 of 32"."""
    text = f"{name}, {DOING.get(doing, doing)}"
    return f"{text}: {step.done} of {step.total}" if step.done and step.total > 1 else text


# History, notes and readings

TAB_HISTORY = "History"
HISTORY_LEAD = (
    "Past analyses of this computer, the newest first. Choose a row to see its verdict, its notes "
    "and its readings. They are kept in {path} and nowhere else."
)
HISTORY_TABLE = "Past analyses"
HISTORY_COLUMNS = ("#", "when", "file", "verdict", "p or score", "spans", "weights")
OPEN_PAST = "Open"
NOTHING_KEPT = "Nothing is kept yet: the next analysis that ends on the desk appears here."
NOT_KEPT = "This analysis was not kept in the history:"
BLIND = "Blind reading"
BLIND_INFO = "The desk hides each verdict until you have committed to your own reading."
BUNDLED = "Keep the evidence bundle"
BUNDLED_INFO = "With each analysis from now on, pictures of faces included. Else numbers only."
HIDDEN = "Your reading first"
HIDDEN_TEXT = (
    "The analysis is done and kept. Its verdict, timeline and maps are hidden until you commit to "
    "a reading below; switching blind reading off in the History tab shows them without one."
)
HIDDEN_PAST = "Verdicts are hidden"
HIDDEN_PAST_TEXT = (
    "Blind reading is on, or an analysis on the desk waits for your reading. To read a kept video "
    "blind, analyse its file again on the desk."
)
HIDDEN_CELL = "hidden"
READING = "Reading"
READING_FIRST = (
    "What do you take this video to be? A reading cannot be changed once it is committed; a later "
    "one is stored beside it."
)
READING_KNOWN = "The verdict is known, so this reading is stored as not blind."
READER, READER_INFO = "Reader", "Initials or a label."
ANSWER = "This video is"
ANSWER_NAMES = {"fake": "fake", "real": "real", "cannot_tell": "cannot tell"}
CONFIDENCE = "Confidence, 1 (a guess) to 5 (sure)"
READING_NOTE = "Why (optional)"
COMMIT = "Commit this reading"
NOTES_TITLE, READINGS_TITLE = "Notes", "Readings"
NO_NOTES, NO_READINGS = "No notes yet.", "No readings yet."
NOTE, NOTE_TIME, ADD_NOTE = "Note", "At second (empty: all of it)", "Add note"
OTHER_WEIGHTS = (
    "Scored with other weights than those that are loaded now: their scores cannot be compared."
)
SAVE_BUNDLE = "Save its evidence bundle"
DELETE = "Delete this analysis"
DELETE_ALL, DELETE_SURE, DELETE_NOT = "Delete all …", "Yes, delete everything", "No, keep it"
DELETE_ASK = "Delete all {count} analyses with their notes and readings? This cannot be undone."
DELETED = "Deleted: {count}."
AGREEMENT = "Agreement of readers"
NO_AGREEMENT = "Not measured: it takes two readers who have read the same videos blind."


# Comparing two sets of weights

TAB_COMPARE = "Compare"
COMPARE_LEAD = (
    "Two sets of weights, or two revisions of one, on one video: what each says of it, frame by "
    "frame, and whether they agree. Faces are looked for once and are the same for both."
)
COMPARE_FILE = "Another video or picture (else that of the desk)"
COMPARE_FIRST, COMPARE_SECOND = "First weights", "Second weights"
COMPARE_RUN = "Compare"
COMPARE_NOTHING = (
    "There is no video to compare on: drop one here, or finish an analysis on the desk first."
)
COMPARE_LANES = "Lanes of each face above each other"
COMPARE_LANES_HELP = (
    "On one time axis. Each set of weights keeps its own scale, named at the left: p, or its "
    "uncalibrated score."
)
COMPARE_CROWDED = "Only the first {most} lanes are drawn."
COMPARE_STOPPED = (
    "The comparison ended before it was done: it was cancelled, or too many videos wait in line."
)
COMPARE_NONE = "Neither shows a face."


def comparing(which: int, step: Progress | None) -> str:
    """What the comparison does right now: "First weights: reading ..."."""
    name = (COMPARE_FIRST, COMPARE_SECOND)[which]
    return f"{name}: {progress(step) if step else STAGES['open']}"


# A training run

TAB_TRAINING = "Training"
TRAINING_LEAD = (
    "What the training commands wrote about a run, a data set or a comparison of models: curves "
    "over the epochs, how many videos of each kind there are, and which model to take, each beside "
    "what chance would reach."
)
RUN_FOLDER = "Folder of a run, of a comparison or of statistics"
RUN_FOLDER_INFO = "On this computer: the one that --run or --out named."
RUN_SHOW = "Show"
RUN_FILES = "Or drop its files: history, stats and comparison (JSON or CSV), config.yaml"
RUN_EMPTY = "Nothing is shown yet: name a folder or drop files."
RUN_REFUSED = "These files are not shown"
CURVES = "Curves"
CURVES_HELP = "Left on training data, right on validation data, at the end of each epoch."
LOSS_CURVE, ACCURACY_CURVE = "Loss", "Accuracy"
ACCURACY_HELP = (
    "The dotted line is the accuracy of answering “fake” to everything; accuracy chooses nothing."
)
AUC_CURVE = "AUC of validation videos"
AUC_HELP = "With its 95 % interval, people and sources drawn anew. The dotted line is chance."
RATE_CURVE, RATE_HELP = "Learning rate", "That of the head, at the end of each epoch."
EPOCHS_NOTE = "One row an epoch. Under each AUC: its 95 % interval, the videos, and chance."
EPOCH_COLUMNS = (
    "epoch", "loss", "validation loss", "accuracy", "validation accuracy", "AUC",
    "learning rate",
)  # fmt: skip
DATA = "Data"
DATA_HELP = (
    "Real and fake videos by part, then formats and sizes as far as the files know them. A program "
    "that always answers “fake” is right as often as fakes are common."
)
DATA_NOTE = "“Always fake” is the accuracy of that answer: the chance line of the part."
DATA_COLUMNS = ("part", "videos", "real", "fake", "unlabelled", "always fake")
SPREADS_NOTE = "Over all videos that could be read."
SPREAD_COLUMNS = ("what", "least", "median", "most")
MODELS = "Models"
MODELS_HELP = (
    "Chosen by the AUC of validation videos. Where the interval of the difference holds 0, the "
    "models are not told apart."
)
MODELS_NOTE = "The best first. “Behind” is how far the AUC lies behind that of the first."
MODEL_COLUMNS = (
    "model", "AUC", "behind", "told apart", "accuracy", "parameters", "minutes",
)  # fmt: skip
MODEL_AUC, MODEL_COST = "AUC of validation videos", "What each costs"
CONFIG = "Settings"


def best_epoch(name: str, epoch: int, of: int, auc: str) -> str:
    """Where a run was best: "default: best AUC in epoch 33 of 40, 0.91 (...)"."""
    return f"{name}: best AUC in epoch {epoch} of {of}, {auc}."


def imbalance(real: int, fake: int, share: float, unreadable: int) -> str:
    """A data set in a sentence, beside its chance line."""
    lost = f" {unreadable} could not be read." if unreadable else ""
    ratio = f", {fake / real:.2g} fakes a real video" if real else ""
    return (
        f"{real} real and {fake} fake videos{ratio}. Answering “fake” always is right "
        f"{100 * share:.1f} % of the time.{lost}"
    )


# Batch

TAB_BATCH = "Batch"
BATCH_LEAD = (
    "Many files, one after the other, with the weights that are loaded: a row each, which can be "
    "sorted by any column and opened as a report. A file that cannot be used does not stop "
    "the others."
)
BATCH_DROP = "Videos"
BATCH_TABLE = "The files of this batch"
BATCH_COLUMNS = ("#", "file", "verdict", "p or score", "score", "spans", "reason or error")
GO_ON = "Go on"
SAVE_TABLE = "Save as CSV"
OPEN_REPORT = "Open the report of"
BROKEN = "the program failed on this file: see its log"
BATCH_OVER = "the batch is over"
BATCH_STOPPED = "cancelled; what is done is kept, “Go on” does the rest"
REPORT_GONE = "This report was kept for a while only. Analyse the file again."


def batch_progress(over: int, of: int, doing: str) -> str:
    """How far a batch is: "3 of 12 files done; b.mp4: scoring"."""
    return f"{over} of {of} files done" + (f"; {doing}" if doing else "")


def too_many(count: int, most: int) -> str:
    """More files than a batch takes."""
    return f"A batch must have at most {most} files, but got {count}. Drop fewer at once."


def report_of(name: str) -> str:
    """The title of the frame that shows a report."""
    return f"Report of {name}"
