"""The answer of the whole page in two sentences."""

from collections.abc import Iterator, Sequence

from experiments.report.page_data import Card, SeedLine
from experiments.report.wording import counted
from scaler.units import format_quantity


def findings(cards: Sequence[Card], seed: SeedLine | None) -> tuple[str, ...]:
    """Return what the cards come to: accuracy kept and FLOPs saved, then the comparison with uniform scaling."""
    return (*_kept(cards, seed), *_gained(cards))


def _kept(cards: Sequence[Card], seed: SeedLine | None) -> Iterator[str]:
    kept = [card for card in cards if card.kept is not None and card.saved is not None]
    if not kept or seed is None or seed.top1 is None:
        return
    least = min(kept, key=lambda card: card.flops)
    yield (
        f"The seed {seed.name} has {seed.top1.value:.1f} % top-1 at {format_quantity(seed.flops, 3)} FLOPs. The smallest model "
        f"keeps {least.kept:.1f} % of that accuracy and saves {least.saved:.0f} % of the FLOPs."
    )


def _gained(cards: Sequence[Card]) -> Iterator[str]:
    gains = [card.gain for card in cards if card.gain]
    if not gains:
        return
    better = sum(gain.estimate.low > 0 for gain in gains)
    worse = sum(gain.estimate.high < 0 for gain in gains)
    if not better and not worse:
        yield f"Against uniform scaling, no difference is beyond the noise ({counted(len(gains), 'budget')})."
        return
    text = f"Against uniform scaling, the choice is better beyond the noise under {better} of {counted(len(gains), 'budget')}"
    yield f"{text}, and worse under {worse}." if worse else f"{text}."
