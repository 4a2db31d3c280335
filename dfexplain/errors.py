"""Every error that dfexplain raises on purpose.

DfExplainError                  code, message; the CLI and the app catch this and nothing wider
├── InputError                  the file that was handed in
│   ├── FileRefused             not a regular file, a URL, a reference to another file, too large
│   ├── InputChanged            not the file any more that was analysed
│   ├── NotAVideo               no decodable video track in it
│   └── LimitExceeded           decoding needed more memory, time, pixels or frames than allowed
├── WeightsError                the weights that were asked for
│   ├── WeightsNotFound         no such folder, repository or revision
│   ├── WeightsRefused          a file of the folder is broken, hostile or does not belong
│   └── HubUnavailable          the Hub does not answer and nothing is cached
├── DataError                   a data set, or a table of one, that cannot be trained or measured on
│   ├── IdentityLeak            one person in two splits (DFX001)
│   ├── SourceLeak              one source video, or nearly the same frames, in two splits (DFX002)
│   └── OneClassFold            a split with real or fake videos only (DFX003)
├── PushRefused                 weights that must not be published as they are
│   ├── NotCalibrated           no calibration of these very weights (DFX004)
│   └── HeatmapsAtChance        heatmaps that are no better than random ones (DFX005)
├── GateMissed                  a measured number that does not reach the target that was set
├── HistoryUnavailable          the file of past analyses cannot be read or written
├── StoreUnavailable            the database of jobs cannot be reached, read or written
├── RequestRefused              a request to the service that is not answered as it is
│   ├── KeyRefused              no API key, or an unknown one
│   ├── NoSuchJob               no job, result or report of this name
│   ├── NotReady                the job has not ended, or ended otherwise
│   ├── TooLarge                more bytes than the service takes
│   └── TooMany                 more requests, or more waiting jobs, than the service takes
├── SettingError                an option or a config value out of its range
└── VersionRefused              an installed package is too old to be safe

Each class has a stable `code`, shown to users and used by scripts. Third-party errors are
translated where they arise, with `raise ... from`.
"""

from __future__ import annotations

__all__ = [
    "DataError",
    "DfExplainError",
    "FileRefused",
    "GateMissed",
    "HeatmapsAtChance",
    "HistoryUnavailable",
    "HubUnavailable",
    "IdentityLeak",
    "InputChanged",
    "InputError",
    "KeyRefused",
    "LimitExceeded",
    "NoSuchJob",
    "NotAVideo",
    "NotCalibrated",
    "NotReady",
    "OneClassFold",
    "PushRefused",
    "RequestRefused",
    "SettingError",
    "SourceLeak",
    "StoreUnavailable",
    "TooLarge",
    "TooMany",
    "VersionRefused",
    "WeightsError",
    "WeightsNotFound",
    "WeightsRefused",
]


class DfExplainError(Exception):
    """Base of the tree. `str(error)` is one line: what was expected, what came, what to do."""

    code = "error"

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


class InputError(DfExplainError):
    """The file that was handed in cannot be used."""

    code = "input"


class FileRefused(InputError):
    """The path is not a plain file of an accepted container and size."""

    code = "file-refused"


class InputChanged(InputError):
    """The file is not the one that was analysed, or not any more."""

    code = "input-changed"


class NotAVideo(InputError):
    """No frame could be decoded from the file."""

    code = "not-a-video"


class LimitExceeded(InputError):
    """Decoding was stopped at a limit on pixels, frames, memory or time."""

    code = "limit-exceeded"


class WeightsError(DfExplainError):
    """The weights that were asked for cannot be used."""

    code = "weights"


class WeightsNotFound(WeightsError):
    """There is no such weights folder, repository or revision."""

    code = "weights-not-found"


class WeightsRefused(WeightsError):
    """A file of the weights folder is broken, hostile or does not belong to the others."""

    code = "weights-refused"


class HubUnavailable(WeightsError):
    """The Hub does not answer and the weights are not in the cache."""

    code = "hub-unavailable"


class DataError(DfExplainError):
    """A data set, or a table of one, cannot be trained or measured on."""

    code = "data"


class IdentityLeak(DataError):
    """One person stands in two splits: a score on the second would measure memory."""

    code = "DFX001"


class SourceLeak(DataError):
    """One source video, or nearly the same frames, stand in two splits."""

    code = "DFX002"


class OneClassFold(DataError):
    """A split holds real or fake videos only: no AUC can be measured on it."""

    code = "DFX003"


class PushRefused(DfExplainError):
    """The weights must not be published as they are."""

    code = "push-refused"


class NotCalibrated(PushRefused):
    """There is no calibration of these very weights."""

    code = "DFX004"


class HeatmapsAtChance(PushRefused):
    """The heatmaps of the weights are no better than random ones."""

    code = "DFX005"


class GateMissed(DfExplainError):
    """A measured number does not reach the target that was set for it."""

    code = "gate-missed"


class HistoryUnavailable(DfExplainError):
    """The file of past analyses is damaged, of a later version, or cannot be written."""

    code = "history"


class StoreUnavailable(DfExplainError):
    """The database of jobs cannot be reached, is of a later version, or cannot be written."""

    code = "store"


class RequestRefused(DfExplainError):
    """A request to the service that is not answered as it is."""

    code = "request"


class KeyRefused(RequestRefused):
    """A request without an API key, or with an unknown one."""

    code = "key-refused"


class NoSuchJob(RequestRefused):
    """There is no job, result or report of this name."""

    code = "no-such-job"


class NotReady(RequestRefused):
    """The job has not ended yet, or ended otherwise than the request needs."""

    code = "not-ready"


class TooLarge(RequestRefused):
    """A request of more bytes than the service takes."""

    code = "too-large"


class TooMany(RequestRefused):
    """More requests, or more waiting jobs, than the service takes; `wait_s` until it may again."""

    code = "too-many"

    def __init__(self, message: str, wait_s: int = 30) -> None:
        super().__init__(message)
        self.wait_s = wait_s


class SettingError(DfExplainError):
    """An option or a config value is outside its range."""

    code = "setting"

    @classmethod
    def without_extra(cls, extra: str, error: ImportError) -> SettingError:
        """What to say where a package of an `extra` is not installed."""
        return cls(
            f"the packages of the extra `{extra}` must be there, but {error.name} is not installed."
            f" Install dfexplain[{extra}]."
        )


class VersionRefused(DfExplainError):
    """An installed package has known holes that the input of strangers reaches."""

    code = "version"
