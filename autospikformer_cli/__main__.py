"""`python -m autospikformer_cli` is the command `aspk`."""

import sys

from autospikformer_cli.cli.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
