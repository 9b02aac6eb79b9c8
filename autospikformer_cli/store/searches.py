"""The searches of a run: their names and their files, which never change, and which of them is the present one.

runs/x/searches/NAME.h5 is the file of the search NAME, from its first write on. runs/x/searches/present is a text with
the name of the search that was asked for last. An older aspk wrote population.h5 for the search that was present then,
and population-2.h5 and so on for those before. They keep these files, which name them: `population`, `population-2`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from autospikformer_cli.atomic_files import explaining_refusal, require_regular, write_whole
from autospikformer_cli.errors import UserError
from autospikformer_cli.store.files import SEARCHES_FOLDER
from autospikformer_cli.store.supernet import read_training
from autospikformer_cli.wording import did_you_mean, nearest_names, quoted

PRESENT_FILE = "present"
OLD_PRESENT = "population"
RENAME = "rename it: letters, digits and . _ + -, first a letter or digit; not population-N"
"""What to do with a file whose name is none of a search."""
_OLD_NAME = re.compile(r"population(-[1-9][0-9]*)?")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")


def search_file(run: Path, name: str) -> Path:
    """The file of a search, whether it exists or not.

    >>> str(search_file(Path("x"), "mine")), str(search_file(Path("x"), "population-2"))
    ('x/searches/mine.h5', 'x/population-2.h5')
    """
    return run / f"{name}.h5" if _OLD_NAME.fullmatch(name) else run / SEARCHES_FOLDER / f"{name}.h5"


def search_names(run: Path) -> list[str]:
    """Names of a run's searches: those of an older aspk by rising number, then all others by name."""
    old = [path.stem for path in run.glob("population*.h5") if _OLD_NAME.fullmatch(path.stem)]
    new = [path.stem for path in (run / SEARCHES_FOLDER).glob("*.h5") if is_search_name(path.stem)]
    return sorted(old, key=lambda name: (len(name), name)) + sorted(new)


def misnamed_files(run: Path) -> list[Path]:
    """Files among a run's searches whose name is none of a search, as a user's renaming leaves them. Nothing sees them.

    Hidden files are those of a writer that was killed.
    """
    found = (run / SEARCHES_FOLDER).glob("*.h5")
    return sorted(path for path in found if not is_search_name(path.stem) and not path.name.startswith("."))


def is_search_name(name: str) -> bool:
    """Whether a new search may have this name: it is a file's name, and no older aspk's."""
    return _NAME.fullmatch(name) is not None and _OLD_NAME.fullmatch(name) is None


def is_numbered_alone(name: str) -> bool:
    """Whether an older aspk set a search of this name aside: its candidates' ids may be those of `population`, too."""
    return name != OLD_PRESENT and _OLD_NAME.fullmatch(name) is not None


def present_search(run: Path) -> str | None:
    """The search that was asked for last; None without searches.

    If nothing says so, it is `population`, which was the present one of an older aspk, or else the one written last.
    """
    names = search_names(run)
    try:
        said = _said_present(run / SEARCHES_FOLDER / PRESENT_FILE)
    except (OSError, UnicodeDecodeError, UserError):
        said = OLD_PRESENT
    if said in names or not names:
        return said if names else None
    return max(names, key=lambda name: (search_file(run, name).stat().st_mtime_ns, name))


def make_present(run: Path, name: str) -> None:
    """Say that a search is the present one. Raises UserError if that cannot be written."""
    if present_search(run) == name and (name == OLD_PRESENT or (run / SEARCHES_FOLDER / PRESENT_FILE).is_file()):
        return
    folder = searches_folder(run)
    with explaining_refusal(folder, "allow writing there, or copy the run elsewhere"):
        write_whole(folder / PRESENT_FILE, f"{name}\n".encode())


def rename_search(run: Path, name: str, to: str) -> None:
    """Give a search's file another name, so that its own is free. It stays the present one if it is.

    Raises UserError if that cannot be written.
    """
    is_present = present_search(run) == name
    with explaining_refusal(search_file(run, name), "allow writing there, or copy the run elsewhere"):
        search_file(run, name).replace(search_file(run, to))
    if is_present:
        make_present(run, to)


def searches_folder(run: Path) -> Path:
    """The folder of a run's searches, made if it is absent. Raises UserError if it cannot be made."""
    folder = run / SEARCHES_FOLDER
    with explaining_refusal(folder, "allow writing there, or copy the run elsewhere"):
        folder.mkdir(exist_ok=True)
    return folder


def find_search(run: Path, name: str | None = None, where: str = "--search") -> str:
    """The search of a name, or the present one. Raises UserError, located at `where`, if there is none."""
    names = search_names(run)
    if name is None:
        present = present_search(run)
        if present is None:
            raise UserError(f"{run} has no search", fix=how_to_search(run))
        _require_known_present(run, names)
        return present
    if name not in names:
        listed = f"its searches: {', '.join(names)}" if names else how_to_search(run)
        fix = _renamed(run, name, names) or did_you_mean(nearest_names(name, names)) or listed
        raise UserError(f"{run} has no search {name}", where, fix)
    return name


def _require_known_present(run: Path, names: Sequence[str]) -> None:
    """Raises UserError if what says which search is the present one names none. Another one would be taken unseen."""
    file = run / SEARCHES_FOLDER / PRESENT_FILE
    try:
        said = _said_present(file)
    except FileNotFoundError:  # as in a run of an older aspk
        return
    except (OSError, UnicodeDecodeError, UserError):
        said = ""
    if said not in names:
        what = f"the present search {said} is not there" if said else "it does not say which search is the present one"
        now = None if not said else _renamed(run, said, names)
        listed = f"name one with --search: {', '.join(names)}; aspk search --name NAME makes one the present one"
        raise UserError(what, str(file), now or listed)


def _said_present(file: Path) -> str:
    """What a file says is the present search. Raises OSError, UnicodeDecodeError, or UserError for no file."""
    require_regular(file, "delete it")
    return file.read_text(encoding="utf-8").strip()


def _renamed(run: Path, name: str, names: Sequence[str]) -> str | None:
    """What is to be done if a user has renamed a search's file; None if none of this name is known."""
    if any(path.stem == name for path in misnamed_files(run)):
        return f"{run / SEARCHES_FOLDER / name}.h5 has a name that is none of a search; {RENAME}"
    from autospikformer_cli.store.population import written_as

    now = next((each for each in names if written_as(run, each) == name), None)
    return None if now is None else f"its file was renamed, it is now --search {quoted(now)}"


def how_to_search(run: Path) -> str:
    """What to do in a run without a search: search it, or first finish its training."""
    try:
        finished = read_training(run).state.finished
    except UserError:  # what is wrong with it is said by what reads it
        finished = True
    search = f"aspk search --run {quoted(run)}"
    if finished:
        return f"search first: {search}"
    return f"its training is not finished: aspk train --run {quoted(run)} goes on with it; then {search}"
