"""Commands of strangers: listed, run, named when they are broken, and never in the way of others."""

from __future__ import annotations

import json
import subprocess
from typing import Protocol


class Site(Protocol):
    """What the fixture of this name does."""

    def install(
        self, distribution: str, entry_points: dict[str, str], modules: dict[str, str], group: str = "aspk.commands"
    ) -> None: ...

    def aspk(self, *arguments: str) -> subprocess.CompletedProcess[str]: ...


GOOD = '''
    """Greet whoever is there.

    More about it."""
    from autospikformer_cli.cli.session import Session

    def greet(session: Session, name: str) -> None:
        session.emit({"hello": name, "quiet": session.quiet})
        session.console.print(f"hello {name}")
'''
BROKEN = '''
    """Break on purpose."""
    raise RuntimeError("broken on purpose")
'''


def install_good(site: Site) -> None:
    """A package whose parent counts as imported if it prints."""
    site.install(
        "aspk-good",
        {"greet": "good.greeting:greet"},
        {"good.__init__": "print('good is imported')", "good.greeting": GOOD},
    )


def test_a_good_plugin_is_listed_without_being_imported(site: Site) -> None:
    install_good(site)
    done = site.aspk("--help")
    assert done.returncode == 0
    assert "\n  greet     Greet whoever is there.\n" in done.stdout
    assert "good is imported" not in done.stdout
    assert done.stderr == ""


def test_a_good_plugin_has_the_shared_options(site: Site) -> None:
    """What it prints while it is imported is on standard error: standard output has results alone."""
    install_good(site)
    done = site.aspk("greet", "world")
    assert (done.stdout, done.stderr) == ("hello world\n", "good is imported\n")
    done = site.aspk("greet", "world", "--json", "--quiet")
    assert done.stdout == '{\n  "schema_version": 1,\n  "hello": "world",\n  "quiet": true\n}\n'
    assert "--quiet" in site.aspk("greet", "--help").stdout


def test_without_the_plugin_the_command_is_gone(site: Site) -> None:
    assert "greet" not in site.aspk("--help").stdout
    done = site.aspk("greet", "world")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: 'greet' is not one of the commands\n  ")


def test_a_broken_plugin_is_named_and_nothing_else_suffers(site: Site) -> None:
    site.install("aspk-broken", {"shatter": "shatter:shatter"}, {"shatter": BROKEN})
    install_good(site)

    done = site.aspk("shatter")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "error: command shatter of aspk-broken does not load: RuntimeError: broken on purpose\n"
        "  repair or uninstall aspk-broken; everything else works without it\n"
    )
    listing = site.aspk("--help")
    assert "\n  shatter   Break on purpose.\n" in listing.stdout
    assert listing.stderr == ""
    assert site.aspk("greet", "world").stdout.endswith("hello world\n")
    assert site.aspk("runs").returncode == 0


def test_every_way_to_be_broken_is_named(site: Site) -> None:
    site.install(
        "aspk-odd",
        {
            "absent": "odd_absent:absent",
            "exits": "odd_exits:exits",
            "leaves": "odd_leaves:leaves",
            "nofunction": "odd_fine:nofunction",
            "number": "odd_fine:number",
            "syntax": "odd_syntax:syntax",
            "taken": "odd_fine:taken",
            "unnamed": "odd_fine",
        },
        {
            "odd_exits": "import sys\nsys.exit('no licence')",
            "odd_leaves": "class Leave(BaseException):\n    pass\nraise Leave('no reason')",
            "odd_fine": """
                from autospikformer_cli.cli.session import Session
                number = 3
                def taken(session: Session, quiet: str = "x") -> None: ...
            """,
            "odd_syntax": "def syntax(:",
        },
    )
    reasons = {
        "absent": "ModuleNotFoundError: No module named 'odd_absent'",
        "exits": "SystemExit: no licence",
        "leaves": "Leave: no reason",
        "nofunction": "AttributeError: module 'odd_fine' has no attribute 'nofunction'",
        "number": "TypeError: odd_fine:number is not a function",
        "syntax": "SyntaxError: invalid syntax (odd_syntax.py, line 1)",
        "taken": "TypeError: a parameter is called as a shared option is: quiet",
        "unnamed": "TypeError: odd_fine is not a function",
    }
    for name, reason in reasons.items():
        done = site.aspk(name)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.splitlines()[0] == f"error: command {name} of aspk-odd does not load: {reason}"
    listing = site.aspk("--help").stdout
    assert all(f"\n  {name}" in listing for name in reasons)
    assert "What aspk-odd is for" in listing


def test_two_strangers_with_one_name_are_both_named(site: Site) -> None:
    site.install("aspk-one", {"greet": "one:greet"}, {"one": GOOD})
    site.install("aspk-two", {"greet": "two:greet"}, {"two": GOOD})
    done = site.aspk("greet", "world")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "error: command greet is given by 2 distributions: aspk-one, aspk-two\n  uninstall all but one of them\n"
    )
    assert site.aspk("--help").stdout.count("\n  greet ") == 1


def test_our_commands_are_not_replaced(site: Site) -> None:
    """Who uses the name is told so."""
    site.install("aspk-thief", {"runs": "thief:greet"}, {"thief": GOOD})
    listing = site.aspk("--help")
    assert "Greet whoever is there." not in listing.stdout
    assert listing.stderr == ""
    done = site.aspk("runs", "--json")
    assert done.stdout == '{\n  "schema_version": 1,\n  "runs": []\n}\n'
    told = "the command runs of aspk-thief is not used: aspk has one of that name\n"
    assert done.stderr.count(told) == 1
    assert site.aspk("runs", "--json", "--quiet").stderr == ""
    assert told not in site.aspk("recipes").stderr


def test_a_plugin_that_is_interrupted_while_it_is_imported(site: Site) -> None:
    """Ctrl-C and a plugin's own KeyboardInterrupt are the same to the program."""
    site.install("aspk-halt", {"halt": "halt:halt"}, {"halt": "raise KeyboardInterrupt"})
    done = site.aspk("halt", "--json")
    said = "interrupted: while command halt of aspk-halt was imported"
    assert (done.returncode, done.stderr) == (130, f"\n{said}\n")
    assert json.loads(done.stdout)["error"] == said
    assert site.aspk("runs").returncode == 0


def test_completion_offers_names_and_survives_a_broken_plugin(site: Site, monkeypatch) -> None:
    site.install("aspk-broken", {"shatter": "shatter:shatter"}, {"shatter": BROKEN})
    monkeypatch.setenv("_ASPK_COMPLETE", "complete_bash")

    monkeypatch.setenv("COMP_WORDS", "aspk s")
    monkeypatch.setenv("COMP_CWORD", "1")
    assert site.aspk().stdout.split() == ["search", "shatter"]

    monkeypatch.setenv("COMP_WORDS", "aspk shatter --")
    monkeypatch.setenv("COMP_CWORD", "2")
    done = site.aspk()
    assert (done.returncode, done.stderr) == (0, "")

    monkeypatch.setenv("COMP_WORDS", "aspk search --pre")
    assert site.aspk().stdout.split() == ["--precision"]
