"""The world's own format: WebDataset tars, without loss; `world.dataset.World` reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vitruvian.world.items import pack_item
from vitruvian.world.writers.base import Entry, Writer

if TYPE_CHECKING:
    from vitruvian.world.sample import Sample


def encode(sample: Sample, part: str) -> Entry:
    """Pictures as PNG and everything else as JSON, named by the sample's index."""
    del part  # the set is not divided
    files = {f"{sample.index:08d}.{name}": data for name, data in pack_item(sample).items()}
    return Entry(files, {}, len(sample.people))


WRITER = Writer(
    "native",
    "WebDataset tars with all that is known of a sample, without loss.",
    encode,
    size=(192, 256),
    tar=True,
)
