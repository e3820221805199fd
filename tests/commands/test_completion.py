"""What a shell completes, and that nobody else waits for it."""

import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

PROGRAM = f"""#!{sys.executable}
from newsletter.commands.main import main
main()
"""
TAB = """
source <(newsletter --show-completion)
COMP_WORDS=({words}) COMP_CWORD={last}
_newsletter_completion newsletter
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
Shell = Callable[[str], str]


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """Run a script in the bash of somebody who has the program on the PATH, and a home."""
    program = tmp_path / "bin" / "newsletter"
    program.parent.mkdir()
    program.write_text(PROGRAM, "utf-8")
    program.chmod(0o755)
    environ = {"HOME": str(tmp_path), "PATH": f"{program.parent}:{os.environ['PATH']}"}

    def run(script: str) -> str:
        command = ["bash", "-c", f"{script}\ntrue"]
        return subprocess.run(
            command, env=environ, check=True, stdout=subprocess.PIPE, text=True
        ).stdout

    return run


@pytest.mark.bash
@pytest.mark.slow
def test_the_tab_key_completes_commands_and_options(shell: Shell) -> None:
    def completed(*words: str) -> set[str]:
        line = shlex.join(["newsletter", *words])
        return set(shell(TAB.format(words=line, last=len(words))).split())

    assert completed("sub") == {"subscribers"}
    assert {"add", "forget", "import"} <= completed("subscribers", "")
    assert completed("run", "--dr") == {"--dry-run"}


@pytest.mark.bash
@pytest.mark.slow
def test_completion_is_installed_for_the_shell_that_asks(shell: Shell, tmp_path: Path) -> None:
    shell("newsletter --install-completion")

    assert "newsletter" in (tmp_path / ".bashrc").read_text("utf-8")


@pytest.mark.slow
@pytest.mark.parametrize(("word", "set_up"), [("--version", False), ("--help", True)])
def test_only_who_asks_for_completion_waits_for_it(word: str, *, set_up: bool) -> None:
    script = (
        f"import sys; sys.argv = ['newsletter', '{word}']\n"
        "from newsletter.commands import main\n"
        "try: main.main()\n"
        "finally:\n"
        "    from typer._completion_classes import BashComplete\n"
        "    from typer._click import shell_completion\n"
        "    print('set up:', shell_completion.get_completion_class('bash') is BashComplete)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, stdout=subprocess.PIPE)

    assert f"set up: {set_up}" in done.stdout.decode()
    assert (b"--install-completion" in done.stdout) is set_up
