"""What each image of this repository is made of. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from hack.tools import MINIO


@dataclass(frozen=True, kw_only=True)
class Image:
    """One image: its Dockerfile, the files that go in, the value of the chart that names it.

    `version`: that of a program which is copied in and is not a file of this repository.
    """

    name: str
    dockerfile: str
    inputs: Sequence[str] = ()
    target: str = ""
    base: str = ""
    value: str = ""
    version: str = ""

    @property
    def repository(self) -> str:
        """Its name without a tag."""
        return f"driftlead/{self.name}"


OURS = [
    Image(
        name="operator",
        dockerfile="operator/Dockerfile",
        inputs=["operator/requirements.lock", "wheel"],
        value="images.operator",
    ),
    Image(
        name="inference",
        dockerfile="inference/Dockerfile",
        inputs=["inference/requirements.lock", "wheel"],
        value="images.inference",
    ),
    Image(
        name="drift",
        dockerfile="drift/Dockerfile",
        target="drift",
        inputs=["drift/requirements.lock", "wheel"],
        value="images.drift",
    ),
    Image(
        name="train",
        dockerfile="drift/Dockerfile",
        target="train",
        inputs=["drift/requirements.lock", "drift/requirements-train.lock", "wheel"],
        value="images.train",
    ),
    Image(
        name="flights",
        dockerfile="examples/flights/Dockerfile",
        inputs=[
            "examples/flights/requirements.txt",
            *(
                f"examples/flights/{name}.py"
                for name in ("flights", "models", "train", "retrain", "replay", "compare")
            ),
        ],
        base="train",
    ),
    Image(
        name="mlflow",
        dockerfile="hack/images/mlflow/Dockerfile",
        inputs=["hack/images/mlflow/requirements.lock"],
        value="devStack.mlflow.image",
    ),
]
# Where nothing can be pulled these two are built as well; elsewhere the chart's own defaults are pulled.
STACK = [
    Image(
        name="postgres",
        dockerfile="hack/images/postgres/Dockerfile",
        inputs=["hack/images/postgres"],
        base="debian-postgres",
        value="devStack.postgres.image",
    ),
    Image(
        name="minio",
        dockerfile="hack/images/minio/Dockerfile",
        value="devStack.minio.image",
        version=MINIO,
    ),
]
