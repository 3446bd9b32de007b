"""The rows of a search's trials in its ledger, written from the study, whose record of a trial is the one that counts."""

from scaler.results.ledger import Ledger, Record
from scaler.trials.study import SearchStudy

ROLES = ("trial", "pruned")


class TrialRows:
    """Keeps a ledger up to a study: each record of the study is looked at once."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._numbers = {row.trial for row in self.rows()}
        self._read = 0  # records of the study

    def sync(self, study: SearchStudy) -> None:
        """Append the records that the ledger lacks."""
        for number, record in study.records()[self._read :]:
            if number not in self._numbers:
                self._ledger.append(Record.of_row(record))
                self._numbers.add(number)
            self._read += 1

    def rows(self) -> list[Record]:
        """Return the rows of all trials, in the ledger's order."""
        return [row for row in self._ledger if row.role in ROLES]
