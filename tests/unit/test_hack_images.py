"""What our Dockerfiles promise: only locked distributions by their hashes, no root, few layers."""

import re
from pathlib import Path

import pytest

from hack import ROOT
from hack.images.definitions import OURS, Image

# The example stands on an image of ours and adds an example's own requirements.
LOCKED = [image for image in OURS if image.name != "flights"]


def instructions(image: Image) -> list[str]:
    """The file's instructions, each on one line."""
    text = (ROOT / image.dockerfile).read_text().replace("\\\n", " ")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def stage(image: Image) -> list[str]:
    """The instructions of the stage that becomes the image."""
    lines = instructions(image)
    starts = [at for at, line in enumerate(lines) if line.startswith("FROM")]
    name = f" AS {image.target}" if image.target else ""
    begin = next(at for at in reversed(starts) if lines[at].endswith(name))
    return lines[begin : next((at for at in starts if at > begin), len(lines))]


@pytest.mark.parametrize("image", LOCKED, ids=lambda image: image.name)
def test_nothing_is_installed_that_no_lock_names_by_its_hash(image: Image) -> None:
    for line in instructions(image):
        for words in re.findall(r"pip install ([^&]*)", line):
            assert "--require-hashes" in words or "--no-deps --no-index /tmp/dist" in words, line
    locks = [each for each in image.inputs if each.endswith(".lock")]
    assert locks
    for lock in locks:
        pins = re.split(r"\n(?=\S)", Path(ROOT / lock).read_text().strip())
        assert all("--hash=sha256:" in pin for pin in pins)


@pytest.mark.parametrize("image", LOCKED, ids=lambda image: image.name)
def test_an_image_runs_without_root_and_adds_at_most_four_layers(image: Image) -> None:
    lines = stage(image)
    assert [line for line in lines if line.startswith("USER")] == ["USER 65532:65532"]
    assert len([line for line in lines if line.startswith(("RUN", "COPY", "ADD"))]) <= 4
