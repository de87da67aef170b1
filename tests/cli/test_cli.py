"""The command line's frame: help, version, errors, systems, weights."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import vitruvian
from vitruvian.cli import VERBS, main
from vitruvian.cli.output import print_json, run_safely
from vitruvian.core.errors import InputError


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as leaving:
        main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return leaving.value.code, out, err


def test_help_lists_every_verb(capsys):
    code, out, _ = run(capsys, "--help")
    assert code == 0
    for verb, line in VERBS.items():
        assert verb in out
        assert line.split(":")[0] in out


def test_help_imports_nothing_heavy():
    code = (
        "import sys\nfrom vitruvian.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "assert not {'torch', 'cv2', 'lightning', 'numpy'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb not in ("bench", "weights")])
def test_every_verb_has_help_with_examples(capsys, verb):
    code, out, _ = run(capsys, verb, "--help")
    assert code == 0
    assert f"vitruvian {verb}" in out
    assert "Examples" in out


def test_version(capsys):
    assert run(capsys, "--version")[:2] == (0, f"vitruvian {vitruvian.__version__}\n")


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("sistems",), 2, "Did you mean 'systems'?"),
        (("systems", "--bla"), 2, "--bla"),
        (("systems", "simple_bseline"), 1, "Did you mean 'pose/simple_baseline'?"),
        (("weights", "pull", "openpose", "mobilenet"), 1, "Did you mean"),
        (("weights", "pull", "simple_baseline"), 1, "vitruvian train pose/simple_baseline_lsp"),
        (("weights", "import", "simple_baseline", "absent.pth"), 1, "absent.pth"),
    ],
)
def test_wrong_use(capsys, arguments, code, sentence):
    got, out, err = run(capsys, *arguments)
    assert (got, out) == (code, "")
    assert sentence in err
    assert "Traceback" not in err


def test_systems_as_json_is_the_last_line(capsys):
    code, out, _ = run(capsys, "systems", "--json")
    assert code == 0
    found = json.loads(out.splitlines()[-1])
    assert found["pose/simple_baseline"]["paper"]["year"] == 2018


def test_systems_tells_one(capsys):
    code, out, _ = run(capsys, "systems", "simple_baseline")
    assert code == 0
    assert "1804.06208" in out
    assert "vitruvian train pose/simple_baseline_lsp" in out
    assert "70.4" in out


def test_weights_are_listed(capsys):
    code, out, _ = run(capsys, "weights", "list", "--json")
    assert code == 0
    assert json.loads(out)["pose/openpose"][0]["licence"] == "Apache-2.0"


def fail(error):
    raise error


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (InputError("The file x is empty."), 1, "Error: The file x is empty.\n"),
        (KeyError("inner"), 1, "KeyError"),
        (KeyboardInterrupt(), 130, "Stopped"),
    ],
)
def test_errors_are_one_sentence(capsys, error, code, words):
    assert run_safely(lambda: fail(error)) == code
    err = capsys.readouterr().err
    assert words in err
    assert err.count("\n") == 1


def test_debug_shows_the_trace(capsys):
    assert run_safely(lambda: fail(InputError("x")), debug=True) == 1
    assert "Traceback" in capsys.readouterr().err
    code, _, err = run(capsys, "systems", "absent", "--debug")
    assert code == 1
    assert "Traceback" in err


def test_a_closed_pipe_is_quiet():
    command = f"{sys.executable} -c 'from vitruvian.cli import main; main()' systems --json | true"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert "Error" not in done.stderr
    assert "Traceback" not in done.stderr


def test_json_has_no_nan(capsys):
    print_json({"a": float("nan"), "b": [1.0, (float("inf"),)], "c": {"d": "é"}})
    assert json.loads(capsys.readouterr().out) == {"a": None, "b": [1.0, [None]], "c": {"d": "é"}}
