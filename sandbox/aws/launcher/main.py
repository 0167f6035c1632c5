"""Starts the pinned emulator with Holdfast's corrections.

Each file in `corrections/` restores one thing that AWS does and the emulator does otherwise; its docstring says what.
A correction binds to private names of the emulator, so all names are checked before anything starts: a version that
moved them must be met with new corrections, not with a sandbox that quietly misleads.
"""

import importlib
import importlib.metadata
import os
import pkgutil
import sys

PINNED = "1.5.33"


def check_version() -> None:
    found = importlib.metadata.version("ministack")
    if found != PINNED:
        raise SystemExit(f"the corrections are written for ministack {PINNED}, found {found}: run npm run setup")


def load_corrections():
    import corrections

    names = sorted(module.name for module in pkgutil.iter_modules(corrections.__path__))
    return [importlib.import_module(f"corrections.{name}") for name in names]


def missing_names(correction) -> list[str]:
    missing = []
    for module_name, names in correction.BINDS_TO.items():
        module = importlib.import_module(module_name)
        missing += [f"{module_name}.{name}" for name in names if not hasattr(module, name)]
    return missing


def main() -> None:
    check_version()
    skip = set(filter(None, os.environ.pop("HOLDFAST_SKIP_CORRECTIONS", "").split(",")))
    corrections = [c for c in load_corrections() if c.__name__.rsplit(".", 1)[-1] not in skip]
    missing = [name for correction in corrections for name in missing_names(correction)]
    if missing:
        raise SystemExit("the emulator no longer has: " + ", ".join(missing))
    for correction in corrections:
        correction.apply()
    from ministack.app import main as run

    run()


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    main()
