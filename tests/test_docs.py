"""The commands of README and docs run as they stand there, with less training."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command_line import ENV, ROOT, run_scaler
from tests.experiments.commands.test_import_timm import cached
from tests.experiments.commands.test_train import folder_of_images

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def commands(page: Path) -> list[str]:
    blocks = re.findall(r"^```sh\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.splitlines() if line.startswith("scaler ")]
    return [line for line in lines if "fashion" not in line]  # its files are not everywhere


def shortened(line: str) -> list[str]:
    """The same command on 250 images, with one epoch where that can be said and two trials."""
    words = re.sub(r"--trials \d+", "--trials 2", line).split()[1:]
    few = ["--train-images", "250"]
    once = ["--epochs", "1", *few]
    less = {"train": once, "teach": once, "elastic": once, "search": few}
    less |= {"shrink": less["train"] if "--data" in words else []}
    if "folder:flowers" in words:  # few images, of a network for large ones
        less = {"train": ["--epochs", "1", "--resolution", "64"], "shrink": ["--epochs", "1"]}
    return [*words, *less.get(words[0], [])]


def a_users_images_and_weights(place: Path) -> dict[str, str]:
    """Write the images that pages name, and a Hugging Face cache with the weights; return the variable that names the cache."""
    folder_of_images(place / "flowers")
    folder_of_images(place / "new-photos", ("first", "second"), each=2)
    cached(place / "huggingface" / "hub", "tiny_vit_5m_224.dist_in22k_ft_in1k")
    return {"HF_HOME": str(place / "huggingface")}


def test_options_of_commands_that_are_not_run_exist() -> None:
    sections = re.split(r"^## scaler ", (ROOT / "docs" / "options.md").read_text(), flags=re.MULTILINE)[1:]
    known = {section.split()[0]: set(re.findall(r"^\| `(-[-a-z]+)`", section, re.MULTILINE)) for section in sections}
    for page in PAGES:
        text = page.read_text().replace("\\\n", "")
        for name, words in re.findall(r"^(?:.*-m scaler\.launch|scaler) ([a-z]+) (.*)$", text, re.MULTILINE):
            assert set(re.findall(r"(?<= )--?[a-z][-a-z]*", words)) <= known[name] | {"--help"}, f"{page.name}: {name} {words}"


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_run(page: Path, tmp_path: Path) -> None:
    lines = commands(page)
    given = a_users_images_and_weights(tmp_path) if any("timm:" in line for line in lines) else {}
    for line in lines:
        own = ENV | given | {"XDG_CACHE_HOME": str(tmp_path / "cache")}
        if given or page.name == "README.md":
            command = [sys.executable, "-m", "scaler.launch", *shortened(line)]
            done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=own, check=False)
        else:
            done = run_scaler(shortened(line), tmp_path, own)
        assert done.returncode == 0, f"{line}\n{done.stderr}"
        if "timm:" in line:
            assert done.stdout.strip() in page.read_text()


def test_the_readme_says_what_the_commands_say(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "scaler.launch", "space", "tiny_vit_21m_224", "--budget", "flops=1.3G,params=5.4M"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=ENV, check=True)
    readme = (ROOT / "README.md").read_text()
    for number in re.findall(r"[\d,]{7,}", done.stdout.splitlines()[0]):
        assert number in readme


@pytest.mark.slow
def test_python_on_the_page_on_multiplexing_prints_its_table(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "multiplexing.md").read_text()
    table, usage = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    printed = subprocess.run([sys.executable, "-c", table], capture_output=True, text=True, cwd=tmp_path, env=ENV, check=True)
    assert len(printed.stdout.splitlines()) == 3
    assert printed.stdout in page
    subprocess.run([sys.executable, "-c", usage], cwd=tmp_path, env=ENV, check=True)


def test_links_lead_somewhere() -> None:
    for page in [*PAGES, ROOT / "CONTRIBUTING.md"]:
        for link in re.findall(r"\]\((?!http)([^)#]+)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


@pytest.mark.slow
def test_python_on_the_page_on_python_runs_and_prints_what_stands_there(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "python.md").read_text()
    code = "\n".join(re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=ENV, check=False)
    assert done.returncode == 0, done.stderr
    assert f"```\n{done.stdout.splitlines()[0]}\n```" in page


@pytest.mark.slow
def test_python_on_the_page_on_inheritance_runs(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "inheritance.md").read_text()
    (code,) = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=ENV, check=True)
