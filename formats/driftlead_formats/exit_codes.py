"""How the inference server ends: by its exit code the operator knows whether to reject the version."""

from enum import IntEnum


class ExitCode(IntEnum):
    """3 to 9 blame the model version (it is rejected), 10 and more the environment (it is tried again)."""

    DRAINED = 0
    UNEXPECTED = 1
    USAGE = 2
    LOAD_FAILED = 3
    SMOKE_FAILED = 4
    REQUIREMENTS_MISSING = 5
    SIGNATURE_MISSING = 6
    POD_CANNOT_REACH_REGISTRY = 10
    POD_CANNOT_REACH_ARTIFACTS = 11
    CONNECTIONS_MISSING = 12
    SPOOL_UNUSABLE = 13
    VERSION_NOT_FOUND = 14

    @property
    def reason(self) -> str:
        """The word in termination messages and conditions: `LOAD_FAILED` is `LoadFailed`."""
        return "".join(part.capitalize() for part in self.name.split("_"))


BLAMES_MODEL = frozenset(
    {
        ExitCode.LOAD_FAILED,
        ExitCode.SMOKE_FAILED,
        ExitCode.REQUIREMENTS_MISSING,
        ExitCode.SIGNATURE_MISSING,
    }
)
