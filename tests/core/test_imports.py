"""Who may import whom, and what must not be imported early."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import vitruvian

PACKAGE = Path(vitruvian.__file__).parent
DOMAINS = ("image", "pose", "body", "face", "fashion", "scene", "motion", "synthesis")
LAYERS = ["core", "nn", "world", *DOMAINS, "people", "studio", "cli"]

# A layer may import itself and what lies below it; a domain no other domain.
BELOW = {
    "core": (),
    "nn": ("core",),
    "world": ("core", "nn"),
    **dict.fromkeys(DOMAINS, ("core", "nn", "world")),
    "people": ("core", "nn", "world", *DOMAINS),
    "studio": ("core", "nn", "world", *DOMAINS, "people"),
    "cli": ("core", "nn", "world", *DOMAINS, "people", "studio"),
}


def imported_layers(file: Path) -> set[str]:
    """First parts below `vitruvian.` of everything that a file imports, wherever it does."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
    parts = [name.split(".") for name in names]
    return {part[1] for part in parts if part[0] == "vitruvian" and len(part) > 1} & set(LAYERS)


@pytest.mark.parametrize("layer", [layer for layer in LAYERS if (PACKAGE / layer).is_dir()])
def test_imports_go_down_only(layer):
    for file in (PACKAGE / layer).rglob("*.py"):
        upward = imported_layers(file) - {layer, *BELOW[layer]}
        assert not upward, f"{file.relative_to(PACKAGE)} imports {', '.join(sorted(upward))}"


def test_every_folder_has_its_place():
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert folders <= set(LAYERS)


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import vitruvian", ("torch", "cv2", "numpy")),
        ("import vitruvian; vitruvian.systems()", ("torch", "cv2")),
        (
            "from vitruvian.cli import main\ntry:\n    main(['--help'])\nexcept SystemExit: pass",
            ("torch", "cv2", "lightning"),
        ),
        ("import vitruvian; vitruvian.analyze", ("lightning", "matplotlib")),
        (
            "import vitruvian.people.run, vitruvian.people.detector",
            ("torch", "scipy", "lightning", "matplotlib"),
        ),
    ],
)
def test_nothing_heavy_is_imported_early(code, absent):
    check = f"\nimport sys\nloaded = [name for name in {absent!r} if name in sys.modules]\n"
    check += "assert not loaded, loaded"
    run = subprocess.run(
        [sys.executable, "-c", code + check], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr


def test_an_unknown_attribute_is_an_error():
    with pytest.raises(AttributeError, match="analyse"):
        _ = vitruvian.analyse
