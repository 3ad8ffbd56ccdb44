from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from jaxstyle import images
from jaxstyle.cli.main import COMMANDS, main
from jaxstyle.cli.report.reporters import loss_line
from jaxstyle.config.stylize_config import StylizeConfig
from jaxstyle.network.network import Network
from jaxstyle.network.weights import load_weights, write_native
from jaxstyle.objective.pytrees import Terms
from jaxstyle.optimize import Progress

ROOT = Path(__file__).resolve().parents[2]
FAST = ["--size", "48", "--steps", "3", "--levels", "1"]


@pytest.fixture
def pictures(tmp_path, monkeypatch) -> Path:
    """A folder, made the current one, with content.png and style.png."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "cache"))
    y, x = np.mgrid[0:36, 0:48] / 48
    images.save_image("content.png", np.stack([x, y, x * y], -1).astype(np.float32))
    noise = np.random.default_rng(0).random((40, 40, 3), np.float32)
    images.save_image("style.png", noise)
    return tmp_path


def stylize(*options: str) -> int:
    return main(["stylize", "content.png", "style.png", *FAST, *options])


def test_writes_the_picture_and_says_what_it_does(pictures, capsys):
    assert stylize("-o", "out.png", "--style-weight", "2", "--wavelet-weight", "50") == 0
    out, err = capsys.readouterr()
    assert images.load_image("out.png").size == (48, 36)
    assert out == ""
    assert "vgg19-slim" in err
    assert "jaxstyle convert-weights" in err
    assert "convention jaxstyle: content weight 1, style weight 2, tv weight 0" in err
    found = re.search(r"48x36 \(1/1\) step 3/3: loss (\S+) = (.*?), ", err)
    assert found is not None
    terms = {name: float(value) for name, value in map(str.split, found[2].split(" + "))}
    assert list(terms) == ["content", "style", "tv", "other"]
    assert float(found[1]) == pytest.approx(sum(terms.values()), rel=0.01)
    assert "out.png: 48x36, loss" in err


def test_loss_and_terms_are_of_one_step_and_the_best_is_told_apart():
    zero = jnp.zeros(())
    terms = Terms(zero + 3.2, zero + 70.6, zero + 1.2, {}, {}, zero)
    step = Progress(7, 75.0, terms, 8.4, 1.0, lambda: np.zeros(()))
    said = "loss 75 = content 3.2 + style 70.6 + tv 1.2"
    assert loss_line(step, terms=True) == f"{said}, best 8.4"
    assert loss_line(step, terms=False) == "loss 75, best 8.4"
    assert loss_line(step._replace(best=75.001), terms=True) == said
    other = step._replace(terms=terms._replace(other=zero + 0.5))
    assert loss_line(other, terms=True) == f"{said} + other 0.5, best 8.4"


def test_quiet_says_nothing(pictures, capsys):
    assert stylize("-o", "out.png", "--quiet") == 0
    assert capsys.readouterr() == ("", "")


def test_output_is_named_after_the_inputs_by_default(pictures):
    assert stylize("--quiet") == 0
    assert Path("content-style.png").is_file()


def test_json_holds_the_figures(pictures, capsys):
    assert stylize("-o", "out.png", "--quiet", "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["steps"] == 3
    assert result["config"]["convention"] == "jaxstyle"
    assert result["config"]["style_weight"] == 1.0
    assert result["loss"] == pytest.approx(
        result["terms"]["content"] + result["terms"]["style"] + result["terms"]["tv"], rel=1e-5
    )


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_every_format_records_the_settings(pictures, suffix):
    name = f"out{suffix}"
    assert stylize("-o", name, "--quiet", "--style-weight", "3") == 0
    record = json.loads(images.read_record(name))
    assert record["config"]["style_weight"] == 3.0
    assert record["inputs"]["weights"]["sha256"] == load_weights("slim").sha256


def test_replay_gives_the_same_pixels(pictures, capsys):
    assert stylize("-o", "out.png", "--init", "noise", "--seed", "5", "--quiet") == 0
    assert main(["replay", "out.png", "-o", "again.png", "--quiet"]) == 0
    np.testing.assert_array_equal(
        images.load_image("out.png").rgb, images.load_image("again.png").rgb
    )
    assert images.read_record("out.png") == images.read_record("again.png")


def test_replay_refuses_another_picture_and_finds_a_moved_one(pictures, capsys):
    assert stylize("-o", "out.png", "--quiet") == 0
    Path("moved").mkdir()  # beside the result it would be found, under whatever name
    moved = str(Path("content.png").rename("moved/moved.png"))
    assert main(["replay", "out.png", "-o", "again.png", "--quiet"]) == 2
    assert main(["replay", "out.png", "-o", "x.png", "--quiet", "--content", "style.png"]) == 2
    assert "is not the content picture that was used" in capsys.readouterr().err
    assert main(["replay", "out.png", "-o", "again.png", "--quiet", "--content", moved]) == 0
    assert not Path("x.png").exists()


def test_replay_starts_from_the_picture_that_was_used_wherever_it_lies(pictures):
    Path("elsewhere").mkdir()
    start = np.random.default_rng(1).random((36, 48, 3), np.float32)
    images.save_image("elsewhere/start.png", start)
    assert stylize("-o", "out.png", "--init", "elsewhere/start.png", "--quiet") == 0
    Path("elsewhere/start.png").rename("start.png")  # beside the result
    images.save_image("elsewhere/start.png", 1 - start)  # and another one in its place
    assert main(["replay", "out.png", "-o", "again.png", "--quiet"]) == 0
    np.testing.assert_array_equal(
        images.load_image("out.png").rgb, images.load_image("again.png").rgb
    )


def test_replay_refuses_other_weights(pictures, capsys):
    write_native("mine.h5", load_weights("slim"))
    assert stylize("-o", "out.png", "--quiet", "--weights", "mine.h5") == 0
    write_native("mine.h5", load_weights("slim").upto("conv5_1"))
    assert main(["replay", "out.png", "-o", "again.png", "--quiet"]) == 2
    assert "made with other weights" in capsys.readouterr().err


def test_replay_of_a_foreign_picture(pictures, capsys):
    assert main(["replay", "content.png", "-o", "again.png"]) == 2
    assert_one_line(capsys)


def test_config_files_are_overridden_by_options(pictures, capsys):
    Path("run.json").write_text('{"style_weight": 4.0, "seed": 7}')
    Path("run.toml").write_text('style-weight = 5\ninit = "noise"\n')
    for file, weight, seed in (("run.json", 4.0, 7), ("run.toml", 5.0, 9)):
        options = ["--config", file, "--quiet", "--json", "-o", "out.png"]
        assert stylize(*options, *(["--seed", "9"] if seed == 9 else [])) == 0
        config = json.loads(capsys.readouterr().out)["config"]
        assert (config["style_weight"], config["seed"]) == (weight, seed)


def test_save_every_writes_intermediates(pictures):
    assert stylize("-o", "out.png", "--quiet", "--save-every", "2") == 0
    assert [path.name for path in sorted(Path().glob("out-*.png"))] == ["out-00002.png"]


def assert_one_line(capsys) -> str:
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1, err
    assert ": error: " in err
    return err


def broken_weights(path: str, value: float = 0.1) -> None:
    slim = load_weights("slim").upto("conv1_2")
    params = {name: dict(layer) for name, layer in slim.params.items()}
    params["conv1_2"]["kernel"] = params["conv1_2"]["kernel"] + value
    write_native(path, Network(params, slim.preprocessing, "test"))


def corrupt_weights(path: str) -> None:
    import h5py

    broken_weights(path)
    with h5py.File(path, "r+") as file:
        file["conv1_2/kernel"][0, 0, 0, 0] = np.nan


BAD = {
    "missing": ("gone.png", [], "gone.png"),
    "empty": ("empty.png", [], "empty.png"),
    "truncated": ("truncated.png", [], "truncated.png"),
    "not a picture": ("text.png", [], "text.png"),
    "a folder": ("folder", [], "folder"),
    "one pixel": ("pixel.png", ["--size", "1"], "is 1x1 px, which shows nothing"),
    "unknown tap": ("content.png", ["--style-layers", "conv7_1"], "conv7_1"),
    "NaN weights": ("content.png", ["--weights", "nan.h5"], "conv1_2"),
    "shallow weights": ("content.png", ["--weights", "shallow.h5"], "conv"),
    "foreign weights": ("content.png", ["--weights", "text.png"], "text.png"),
    "unknown folder": ("content.png", ["-o", "no/such/out.png"], "no/such"),
    "unknown format": ("content.png", ["-o", "out.xyz"], "xyz"),
    "16-bit JPEG": ("content.png", ["-o", "out.jpg", "--bits", "16"], "16"),
    "too small": ("content.png", ["--size", "12"], "needs at least 16 px on each side"),
    "bad number": ("content.png", ["--steps", "many"], "steps"),
    "out of range": ("content.png", ["--steps", "0"], "steps is '0': give whole numbers above 0"),
    "bad choice": ("content.png", ["--pooling", "median"], "pooling"),
    "bad settings": ("content.png", ["--config", "text.png"], "text.png"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_touches_no_file(pictures, capsys, case):
    content, options, words = BAD[case]
    Path("empty.png").touch()
    Path("truncated.png").write_bytes(Path("content.png").read_bytes()[:300])
    Path("text.png").write_text("hello")
    Path("folder").mkdir()
    images.save_image("pixel.png", np.zeros((1, 1, 3), np.float32))
    corrupt_weights("nan.h5")
    broken_weights("shallow.h5")
    before = {path: path.read_bytes() for path in Path().glob("*.*")}
    arguments = ["stylize", content, "style.png", *FAST, "-o", "out.png", *options]
    try:
        code = main(arguments)
    except SystemExit as stop:  # argparse's own way out
        code = stop.code
    assert code == 2
    assert words in assert_one_line(capsys)
    assert {path: path.read_bytes() for path in Path().glob("*.*")} == before


def test_an_older_result_survives_a_full_disk(pictures, capsys, monkeypatch):
    assert stylize("-o", "out.png", "--quiet") == 0
    before = Path("out.png").read_bytes()

    def full(*_args, **_kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    assert stylize("-o", "out.png", "--quiet", "--style-weight", "9") == 2
    assert "No space left" in assert_one_line(capsys)
    assert Path("out.png").read_bytes() == before
    assert sorted(path.name for path in Path().glob("*.png")) == [
        "content.png",
        "out.png",
        "style.png",
    ]


def test_running_out_of_memory_is_explained(pictures, capsys, monkeypatch):
    def exhausted(*_args, **_kwargs):
        raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 1 bytes")

    monkeypatch.setattr("jaxstyle.run.minimise.minimise", exhausted)
    assert stylize("-o", "out.png", "--quiet") == 2
    assert "smaller --size" in assert_one_line(capsys)


def test_ctrl_c_saves_the_best_so_far(pictures):
    command = [
        sys.executable, str(ROOT / "scripts" / "stylize.py"), "content.png", "style.png",
        "-o", "out.png", "--size", "64", "--levels", "1", "--steps", "1000000",
    ]  # fmt: skip
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=pictures) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "step 25/" in line:
                process.send_signal(signal.SIGINT)
                break
        rest = process.stderr.read()
    assert process.returncode == 130
    assert "(interrupted)" in rest
    assert "Traceback" not in rest
    assert images.load_image(pictures / "out.png").size == (64, 48)


def help_of(capsys, *arguments: str) -> str:
    with pytest.raises(SystemExit) as stop:
        main([*arguments])
    assert stop.value.code == 0
    return capsys.readouterr().out


def options_in(text: str) -> set[str]:
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text))


def test_help_shows_what_people_use_and_help_all_every_setting(capsys):
    short, whole = help_of(capsys, "stylize", "--help"), help_of(capsys, "stylize", "--help-all")
    for name in StylizeConfig().as_dict():
        assert f"--{name.replace('_', '-')}" in whole
    assert options_in(short) < options_in(whole)
    listed = set(re.findall(r"(?m)^  (?:-\w, |-\w \w+, )?(--[a-z-]+)", short))
    assert listed == set(
        "--help --help-all --output --quiet --json --masks --freeze --preview --checkpoint "
        "--config --preset --size --style-weight --content-weight --style-scale --color --init "
        "--seed --steps --optimizer --weights".split()
    )
    assert re.search(r"\n\d+ more options: jaxstyle stylize --help-all\n$", short)
    assert "more options" not in whole
    assert len(short.splitlines()) < 100 < len(whole.splitlines())


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_line_in_the_help_and_a_help(capsys, command):
    assert COMMANDS[command] in " ".join(help_of(capsys, "--help").split())
    assert f"usage: jaxstyle {command}" in help_of(capsys, command, "--help")


def test_a_setting_that_decides_what_a_command_does_may_be_rare_and_is_read_all_the_same(capsys):
    assert "--tile" not in help_of(capsys, "sweep", "--help")
    assert main(["stylize", "a.png", "b.png", "--tile", "3"]) == 2
    assert "tile is 3; it must be at least 32" in assert_one_line(capsys)


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["stylize", "--help"]])
def test_help_loads_nothing_heavy(arguments):
    program = (
        "import sys\n"
        "from jaxstyle.cli.main import main\n"
        "try:\n"
        f"    main({arguments!r})\n"
        "except SystemExit as stop:\n"
        "    assert stop.code == 0\n"
        "print([name for name in ('jax', 'numpy', 'PIL', 'flax', 'rich') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


def test_script_and_installed_command_are_the_same(pictures):
    script = [sys.executable, str(ROOT / "scripts" / "stylize.py"), "--help"]
    command = [sys.executable, "-m", "jaxstyle.cli.main", "stylize", "--help"]
    outputs = [
        subprocess.run(args, capture_output=True, text=True, check=True).stdout
        for args in (script, command)
    ]
    options = [set(re.findall(r"--[a-z-]+", output)) for output in outputs]
    assert options[0] == options[1]


def test_compiled_programs_are_kept_for_this_user_alone(pictures, monkeypatch):
    import jax

    from jaxstyle.runtime.compilation_cache import keep_compiled_programs

    before = jax.config.jax_compilation_cache_dir
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR")
    try:
        folder = keep_compiled_programs()
        assert folder == pictures / "cache" / "jaxstyle" / "xla"
        assert folder.stat().st_mode & 0o777 == 0o700
        assert jax.config.jax_compilation_cache_dir == str(folder)
    finally:
        jax.config.update("jax_compilation_cache_dir", before)


def test_a_live_bar_on_a_terminal(pictures, capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    assert stylize("-o", "out.png") == 0
    err = capsys.readouterr().err
    assert "48x36 (1/1)" in err
    assert "loss" in err


def test_time_limit(pictures, capsys):
    started = time.perf_counter()
    options = ["-o", "out.png", "--steps", "100000", "--max-seconds", "3", "--json", "--quiet"]
    assert stylize(*options) == 0
    assert json.loads(capsys.readouterr().out)["reason"] == "max_seconds"
    assert time.perf_counter() - started < 60


def test_a_current_folder_that_is_gone_is_told(pictures, capsys):
    (pictures / "gone").mkdir()
    os.chdir(pictures / "gone")
    (pictures / "gone").rmdir()
    assert stylize("-o", str(pictures / "out.png")) == 2
    assert "the current folder is not there any more" in assert_one_line(capsys)


@pytest.mark.parametrize("platforms", ["cuda", "banana", "cpu,banana"])
def test_platforms_that_are_not_there_are_one_line_that_names_the_variable(pictures, platforms):
    command = [sys.executable, "-m", "jaxstyle", "stylize", "content.png", "style.png", *FAST]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": platforms}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode == 0:
        pytest.skip("they are there")
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"jaxstyle stylize: error: JAX_PLATFORMS is '{platforms}', and JAX")
    assert "Traceback" not in done.stderr
