"""argv -> exit code: 0 done, 2 the user can repair it, 1 a bug, 130 interrupted. Errors become text here alone.

One rule for the output: a command that could not print what it had to print ends with exit code 2, and says so. That
the disk is full, that standard output is closed (`>&-`), or that it is open for reading only, is all the same. What the
command has written into files stays. A command that prints nothing needs no standard output.
"""

from __future__ import annotations

import errno
import io
import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import typer

from autospikformer_cli.cli.app import PROGRAM, run
from autospikformer_cli.cli.launched import is_silent
from autospikformer_cli.cli.session import document_text
from autospikformer_cli.errors import Faults, UserError, no_memory
from autospikformer_cli.registry import plugins_in

DONE, BUG, REPAIRABLE, INTERRUPTED, PIPE_CLOSED = 0, 1, 2, 130, 141
LINES = "--watch"
"""The option with which documents are lines."""
REFUSED_PATHS = {errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.ELOOP, errno.EROFS, errno.EIO, errno.ESTALE}
"""What the operating system answers to a path that a user named, or in a folder that a user chose."""


def outcome_of(argv: Sequence[str]) -> int:
    """Run `aspk` with these arguments and return its exit code.

    With --json among them, a mistake, a bug and an interruption are a document on standard output, too.
    """
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without such characters is no reason to stop
    try:
        code = _outcome(argv, _Failure.of(argv))
        sys.stdout.flush()
        sys.stderr.flush()
    except KeyboardInterrupt:  # when all is done but the writing, for which a reader keeps it waiting
        code = INTERRUPTED
        _drop_what_is_not_read()
        _say_if_possible("\ninterrupted")
    except BrokenPipeError:
        code = PIPE_CLOSED
    except OSError as error:
        code = REPAIRABLE
        _say_if_possible(f"error: the output cannot be written: {(error.strerror or 'unknown error').lower()}")
    if code != DONE:
        _forget_what_cannot_be_written()
    return code


def interrupted_before(argv: Sequence[str]) -> int:
    """Ctrl-C before the command began. Returns the exit code."""
    return _Failure.of(argv).interrupted("")


def _outcome(args: Sequence[str], failure: _Failure) -> int:
    """Run the command line. Returns its exit code, after showing what went wrong. Raises OSError of the output."""
    try:
        run(args)
    except typer.Exit as stop:
        return stop.exit_code
    except SystemExit as stop:
        return _code(stop, failure)
    except UserError as error:
        return failure.repairable(error)
    except typer.TyperException as error:
        return REPAIRABLE if is_silent() else failure.repairable(_in_our_words(error))
    except (KeyboardInterrupt, typer.Abort) as stop:
        return failure.interrupted(str(stop))
    except Exception as error:
        if _is_of_the_output(error):
            raise
        if _is_of_an_interruption(error):
            return failure.interrupted("")
        refused = _refused_path(error) or _lacking_memory(error)
        return failure.bug(error) if refused is None else failure.repairable(refused)
    return DONE


def _is_of_the_output(error: Exception) -> bool:
    """Whether a stream of ours refused. An error of a file has its name."""
    refused = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EBADF) and error.filename is None
    return refused or isinstance(error, BrokenPipeError)


def _is_of_an_interruption(error: BaseException | None) -> bool:
    """Whether Ctrl-C caused it: an extension that it stops at its import says an ImportError of its own."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def _refused_path(error: Exception) -> UserError | None:
    """The mistake of a path that the operating system refuses, wherever it was first used."""
    if not isinstance(error, OSError) or error.filename is None or error.errno not in REFUSED_PATHS:
        return None
    reason = os.strerror(error.errno).lower()
    return UserError(
        f"the path cannot be used: {reason}", os.fsdecode(error.filename), "allow access, or choose another"
    )


def _lacking_memory(error: Exception) -> UserError | None:
    """The mistake of asking for more memory than there is, wherever it was first used."""
    what = no_memory(error)
    if what is None:
        return None
    keys = "train.batch, model.calibration_images, model.evaluation_batch, model.stem_dim, data.image_size or [space]"
    return UserError(what, None, f"lower {keys}; --dry-run says how much is needed")


@dataclass(frozen=True)
class _Failure:
    """Shows what went wrong: as text on standard error, and as a document on standard output if json is asked for.

    lines: whether each document of this command is a line.
    """

    json: bool
    lines: bool = False

    @classmethod
    def of(cls, argv: Sequence[str]) -> _Failure:
        """What the arguments ask for."""
        return cls("--json" in argv, LINES in argv)

    def repairable(self, error: UserError) -> int:
        """One mistake, or several that were found together."""
        faults = error.faults if isinstance(error, Faults) else (error,)
        self._show("".join(f"error: {fault}\n" for fault in faults), faults, REPAIRABLE)
        return REPAIRABLE

    def interrupted(self, reason: str) -> int:
        """Ctrl-C. reason: what was saved, if anything is to be said."""
        text = "interrupted" + (f": {reason}" if reason else "")
        self._show(f"\n{text}\n", [UserError(text)], INTERRUPTED)
        return INTERRUPTED

    def ended(self, text: str) -> int:
        """A plugin's own message at its end."""
        self._show(f"error: {text}\n", [UserError(text)], BUG)
        return BUG

    def bug(self, error: Exception) -> int:
        """Anything else, with its traceback."""
        frames = (frame for frame, _ in traceback.walk_tb(error.__traceback__))
        plugins = plugins_in(str(frame.f_globals.get("__name__")) for frame in frames)
        what = f"this is a bug in {PROGRAM}, or in {' or '.join(plugins) or 'one of its plugins'}"
        text = f"{''.join(traceback.format_exception(error))}error: {what}; the traceback says where\n"
        self._show(text, [UserError(f"{what}: {type(error).__name__}: {error}")], BUG)
        return BUG

    def _show(self, text: str, faults: Sequence[UserError], exit_code: int) -> None:
        sys.stderr.write(text)
        if self.json:
            sys.stdout.write(document_text(_error_document(faults, exit_code), one_line=self.lines))


def _error_document(faults: Sequence[UserError], exit_code: int) -> dict[str, object]:
    """The first fault, and the list of all."""
    every = [{"error": fault.what, "where": fault.where, "fix": fault.fix} for fault in faults]
    return {**every[0], "exit_code": exit_code, "faults": every}


def _in_our_words(error: typer.TyperException) -> UserError:
    """A mistake in the command line itself, which Typer found."""
    message = error.format_message().removesuffix(".")
    context = getattr(error, "ctx", None)
    path = context.command_path.strip() if context else PROGRAM
    return UserError(message[:1].lower() + message[1:], path, f"see {path} --help")


def _code(stop: SystemExit, failure: _Failure) -> int:
    """As Python itself would exit: completion ends so, and a plugin may."""
    if stop.code is None or isinstance(stop.code, int):
        return stop.code or DONE
    return failure.ended(str(stop.code))


def _open_closed_streams() -> None:
    """Give a stream that the shell closed (`>&-`) the null device. Python has None there.

    Otherwise the next file that is opened would take the stream's number, and receive what a library prints.
    Nothing can be written to standard output then: nobody gets the result, and that must not pass for success.
    """
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            null = os.open(os.devnull, os.O_RDONLY if name == "stdout" else os.O_RDWR)
            if null != number:
                os.dup2(null, number)
                os.close(null)
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115


def _say_if_possible(text: str) -> None:
    with suppress(OSError):
        print(text, file=sys.stderr, flush=True)


def _forget_what_cannot_be_written() -> None:
    """Drop what a stream holds if its reader has gone, as with `| head`: Python would complain as it exits."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _drop_what_is_not_read() -> None:
    """Drop what standard output holds, without waiting for its reader."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.stdout.flush()
