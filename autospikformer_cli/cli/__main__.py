"""The process `aspk`. It answers Ctrl-C with exit code 130, as early and as late as Python lets it.

So this module imports nothing of weight before `main` runs. Before that, Python itself answers: by its own end.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run `aspk` with these arguments (default: the process's, which then is ours) and return its exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    try:
        if argv is None:
            _ignore_interruptions_at_the_very_end()
        from autospikformer_cli.cli.outcome import outcome_of

        code = outcome_of(arguments)
    except KeyboardInterrupt:
        from autospikformer_cli.cli.outcome import interrupted_before

        code = interrupted_before(arguments)
    if argv is None:
        _answer_interruptions_by(code)
    return code


def _answer_interruptions_by(code: int) -> None:
    """What was asked for is done: Ctrl-C only ends what still keeps the process, such as a thread, and as it is."""
    import os
    import signal

    signal.signal(signal.SIGINT, lambda number, frame: os._exit(code))


def _ignore_interruptions_at_the_very_end() -> None:
    """Python ends its modules after its handlers; only a signal that is ignored cannot end it there otherwise."""
    import atexit
    import signal

    atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)  # the first registered is the last called


if __name__ == "__main__":
    sys.exit(main())
