"""Options are declared once; everything else is read from the declarations."""

from dataclasses import fields
from pathlib import Path

import pytest

from experiments.cli import COMMANDS
from experiments.cli.options_page import page
from experiments.options.declare import info_of
from experiments.options.search import PRUNERS, SearchOptions
from experiments.options.setup import PRECISIONS
from experiments.options.train import ENCODINGS, FORMATS, TrainOptions
from scaler.errors import ScalerError, UnknownNameError

SEARCH = {"seed_model": "tiny_vit_1m_32", "budget": "flops=1M", "data": "digits", "out": "x"}


def test_plain_values_become_those_of_the_fields() -> None:
    options = SearchOptions(**SEARCH)
    assert (options.budget, options.out) == (("flops=1M",), Path("x"))
    assert SearchOptions(**SEARCH | {"budget": ["flops=1M", "flops=2M"]}).budget == ("flops=1M", "flops=2M")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trials": 0}, "--trials 0: it must be at least 1"),
        ({"low_resolution": 2.0}, "--low-resolution 2.0: it must be at most 1"),
        ({"low_resolution": float("nan")}, "--low-resolution nan: it must be at least 0.1"),
        ({"seed": 2**32}, "--seed 4294967296: it must be at most"),
    ],
)
def test_a_value_out_of_its_range_is_refused(changes: dict[str, float], message: str) -> None:
    with pytest.raises(ScalerError, match=message):
        SearchOptions(**SEARCH | changes)


def test_an_unknown_name_is_refused_with_the_closest() -> None:
    with pytest.raises(UnknownNameError, match="unknown pruner 'halvin': did you mean 'halving'"):
        SearchOptions(**SEARCH, pruner="halvin")


def test_the_command_line_gives_the_options_back() -> None:
    """`SearchOptions.words` starts the workers of a search."""
    options = SearchOptions(**SEARCH | {"budget": ["flops=1M", "params=60%"]}, trials=5, teacher="a b", as_worker=True)
    words = options.words()
    assert {"--trials", "5", "--teacher", "a b", "--as-worker", "tiny_vit_1m_32"} <= set(words)
    assert words.count("--budget") == 2
    assert "--seed" not in words
    assert "--channels-first" in TrainOptions(variant="v", data="digits", out="x", channels_last=False).words()


def test_recorded_options_are_those_that_decide_the_result() -> None:
    recorded = SearchOptions(**SEARCH).recorded()
    assert not {"workers", "loader_workers", "out", "as_worker"} & recorded.keys()
    assert {"seed_model", "budget", "trials", "pruner", "seed"} <= recorded.keys()
    assert SearchOptions.fixed_names() == recorded.keys() - {"trials", "hours"}


def test_every_option_has_a_sentence_of_help_and_a_group() -> None:
    for command in COMMANDS:
        for item in fields(command.options):
            info = info_of(item)
            assert info.help.endswith("."), (command.name, item.name)
            assert info.group or info.is_argument, (command.name, item.name)


def test_the_page_of_options_is_printed_from_the_declarations() -> None:
    kept = Path(__file__).parents[3] / "docs" / "options.md"
    assert kept.read_text() == page(), "run `python -m experiments.cli.options_page > docs/options.md`"


def test_choices_are_what_the_code_knows() -> None:
    """The declarations load no torch, so that they list names which torch modules define."""
    from experiments.commands import export
    from experiments.logits import encoding
    from experiments.runtime import setup
    from scaler.trials import pruning

    assert set(PRUNERS) == set(pruning.RULES)
    assert set(PRECISIONS) == set(setup._PRECISIONS)
    assert set(ENCODINGS) == set(encoding.ENCODINGS)
    assert set(FORMATS) == set(export.FORMATS)
