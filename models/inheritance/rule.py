"""The ways to take weights from a seed, by name."""

from dataclasses import dataclass

from scaler.errors import ScalerError, UnknownNameError

CHANNELS = ("first", "stride", "l2", "activation", "taylor")
DEPTHS = ("first", "even", "similarity")
WINDOWS = ("auto", "crop", "resize")


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One way to take weights from a seed.

    Attributes:
        channels: the criterion by which channels, heads and hidden channels are kept (`models.inheritance.criteria`).
        depth: which blocks of a stage are kept (`models.inheritance.depth`).
        windows: how a smaller table of window positions is made. ``crop`` keeps the entry of every offset, ``resize``
            stretches the table; ``auto`` crops at the seed's resolution and resizes at any other.
        std_correction: scale the cut layers so that the standard deviation of their outputs on the first batch is the seed's.
        batch_norm: compute the statistics of batch norms anew.
        random_seed: of the tensors that the seed has nothing for.

    Raises:
        UnknownNameError: a name that is not among the known ones.
    """

    channels: str = "l2"
    depth: str = "even"
    windows: str = "auto"
    std_correction: bool = False
    batch_norm: bool = False
    random_seed: int = 0

    def __post_init__(self) -> None:
        known = {"channels": CHANNELS, "depth": DEPTHS, "windows": WINDOWS}
        for field, names in known.items():
            if getattr(self, field) not in names:
                raise UnknownNameError(f"rule for {field}", getattr(self, field), names)

    def check_calibration(self, batches: int) -> None:
        """Refuse a rule that needs calibration images where there are no ``batches`` of them.

        Raises:
            ScalerError: with the choice that needs them.
        """
        wants = {
            f"channels = {self.channels}": self.channels in ("activation", "taylor"),
            f"depth = {self.depth}": self.depth == "similarity",
            "std_correction": self.std_correction,
            "batch_norm": self.batch_norm,
        }
        needed = [choice for choice, is_needed in wants.items() if is_needed]
        if needed and not batches:
            raise ScalerError(f"inheritance by {needed[0]} needs calibration images: give at least one batch, or another rule")
