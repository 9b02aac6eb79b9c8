"""argv -> exit code: 0 done, 2 the user can repair it, 1 a bug, 130 interrupted. Errors become text here alone."""

from __future__ import annotations

import errno
import io
import os
import sys
import traceback
from collections.abc import Sequence

import typer

from autospikformer_cli.cli.app import PROGRAM, run
from autospikformer_cli.errors import Faults, UserError

DONE, BUG, REPAIRABLE, INTERRUPTED, PIPE_CLOSED = 0, 1, 2, 130, 141


def main(argv: Sequence[str] | None = None) -> int:
    """Run `aspk` with these arguments (default: the process's) and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without such characters is no reason to stop
    try:
        run(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
    except typer.Exit as stop:
        return stop.exit_code
    except SystemExit as stop:
        return _code(stop)
    except UserError as error:
        return _report(error)
    except typer.TyperException as error:
        return _report(_in_our_words(error))
    except (KeyboardInterrupt, typer.Abort) as stop:
        print("\ninterrupted" + (f": {stop}" if str(stop) else ""), file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        _forget_output()
        return PIPE_CLOSED
    except OSError as error:
        if error.errno != errno.ENOSPC or error.filename is not None:
            return _bug()
        _forget_output()
        return _report(UserError("the output cannot be written: no space left on the device"))
    except Exception:
        return _bug()
    return DONE


def _bug() -> int:
    traceback.print_exc()
    print(f"error: this is a bug in {PROGRAM}, or in one of its plugins; the traceback says where", file=sys.stderr)
    return BUG


def _report(error: UserError) -> int:
    for fault in error.faults if isinstance(error, Faults) else (error,):
        print(f"error: {fault}", file=sys.stderr)
    return REPAIRABLE


def _in_our_words(error: typer.TyperException) -> UserError:
    """A mistake in the command line itself, which Typer found."""
    message = error.format_message().removesuffix(".")
    context = getattr(error, "ctx", None)
    path = context.command_path.strip() if context else PROGRAM
    return UserError(message[:1].lower() + message[1:], path, f"see {path} --help")


def _code(stop: SystemExit) -> int:
    """As Python itself would exit: completion ends so, and a plugin may."""
    if stop.code is None or isinstance(stop.code, int):
        return stop.code or DONE
    print(f"error: {stop.code}", file=sys.stderr)
    return BUG


def _forget_output() -> None:
    """The reader has gone, as with `| head`; without this Python complains once more as it exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
