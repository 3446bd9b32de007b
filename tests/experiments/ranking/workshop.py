"""A small table's workshop on the digits, with a seed of random weights and its logits."""

from dataclasses import replace
from pathlib import Path

from experiments.data.input_format import InputFormat
from experiments.logits.writer import write_store
from experiments.ranking.shared_views import SharedCrops
from experiments.ranking.trainings import Workshop, images_of
from experiments.ranking.truth import Settings
from experiments.recipes import RECIPES
from models.inheritance.prepared_seed import PreparedSeed, prepare
from models.inheritance.rule import Rule
from models.networks.model_spec import model_spec_of
from tests.experiments.logits.small_teacher import ARCH, manifest, teacher, writer

SEED_ARCH = replace(ARCH, embed_dims=(16, 32, 32, 48), depths=(2, 1, 2, 1), num_heads=(1, 2, 2, 3))
SETTINGS = Settings(
    data="digits", recipe="small", train_images=151, seed_images=151, holdout_images=40, epochs=2, nets=2, repeats=2, longer=2,
    longer_nets=2,
)  # fmt: skip


def workshop(folder: Path) -> Workshop:
    """Return the workshop of `SETTINGS`, with the stored logits of a small teacher."""
    spec = teacher(folder / "teacher")
    store = write_store(writer(spec), manifest(spec, RECIPES["small"]), folder / "logits")
    return Workshop(settings=SETTINGS, data=images_of(SETTINGS, "digits"), store=store, folder=folder / "unfinished")


def seed(shop: Workshop) -> PreparedSeed:
    """Return a seed of random weights that is ready to give them, with calibration images."""
    network = model_spec_of("seed", SEED_ARCH).build()
    crops = SharedCrops(images=replace(shop.data.train, indices=shop.data.train.indices[:50]))
    return prepare(network, SEED_ARCH, Rule(batch_norm=True), crops.batches(InputFormat.of(model_spec_of("seed", SEED_ARCH))))
