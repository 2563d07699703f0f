"""Runs one target, or each in turn: `python tests/fuzz [TARGET] [libFuzzer's options]`.

Ends with 0 when the options' bound was reached, and names the input that was found otherwise. What was
reached is kept in .build/fuzz, so that the next run begins there.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT / ".build/fuzz"
sys.path[0] = str(ROOT / "tests")


def fuzz(name: str, options: list[str]) -> None:
    """Fuzzes until the options say enough. Does not return: libFuzzer ends the process."""
    import atheris  # noqa: PLC0415 - it must be there before what it watches is imported

    with atheris.instrument_imports(
        include=["driftlead_inference", "driftlead_operator", "driftlead_formats", "driftlead_log"]
    ):
        from fuzz import targets  # noqa: PLC0415
    folder = CORPUS / name
    folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(targets.SEEDS[name]):
        (folder / f"seed-{number}").write_bytes(seed)
    words = ["-print_final_stats=1", f"-artifact_prefix={CORPUS}/found-{name}-", *options, str(folder)]
    atheris.Setup([sys.argv[0], *words], targets.TARGETS[name])
    atheris.Fuzz()


def main(arguments: list[str]) -> int:
    """One target in this process; without a name each in one of its own."""
    names = [word for word in arguments if not word.startswith("-")]
    options = [word for word in arguments if word.startswith("-")]
    if names:
        fuzz(names[0], options)
    for name in ("wire", "rows", "spec"):
        print(f"fuzzing {name}", flush=True)
        if code := subprocess.run([sys.executable, __file__, name, *options], check=False).returncode:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
