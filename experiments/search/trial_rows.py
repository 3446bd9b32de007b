"""The rows of a search's trials in its ledger, written from the study, whose record of a trial is the one that counts."""

from collections.abc import Callable, Mapping, Sequence

from scaler.errors import DamagedFileError
from scaler.json_files import set_aside
from scaler.results.ledger import Ledger, Record, same
from scaler.trials.study import SearchStudy

ROLES = ("trial", "pruned")


class TrialRows:
    """Keeps a ledger up to a study: each record of the study is looked at once."""

    def __init__(self, ledger: Ledger, say: Callable[[str], None]) -> None:
        self._ledger, self._say = ledger, say
        self._numbers: set[int] | None = None  # of the trials in the ledger; None until it was compared with the study
        self._read = 0  # records of the study

    def sync(self, study: SearchStudy) -> None:
        """Append the records that the ledger lacks. A ledger that is damaged or differs is set aside and written again first."""
        if self._numbers is None:
            self._compare(study)
            self._numbers = {row.trial for row in self.rows()}
        for number, record in study.records()[self._read :]:
            if number not in self._numbers:
                self._ledger.append(Record.of_row(record))
                self._numbers.add(number)
            self._read += 1

    def rows(self) -> list[Record]:
        """Return the rows of all trials, in the ledger's order."""
        return [row for row in self._ledger if row.role in ROLES]

    def _compare(self, study: SearchStudy) -> None:
        told = {number: Record.of_row(record) for number, record in study.records()}
        try:
            fault = _difference(self.rows(), told)
            others = [row for row in self._ledger if row.role not in ROLES]
        except DamagedFileError as error:
            fault = error.fault
            others = [row for row in self._ledger.intact() if row.role not in ROLES]
        if fault:
            aside = set_aside(self._ledger.path)
            self._ledger.replace([*told.values(), *others])
            self._say(f"{fault}: it was set aside as {aside.name} and written again from the study")


def _difference(rows: Sequence[Record], told: Mapping[int, Record]) -> str:
    """Return in words how a ledger's rows differ from the study's records; an empty text where they only lack some."""
    if len({row.trial for row in rows}) < len(rows):
        return "the ledger has a trial twice"
    changed = [row.trial for row in rows if row.trial not in told or not same(row, told[row.trial])]
    return f"the ledger's row of trial {changed[0]} is not that of the study" if changed else ""
