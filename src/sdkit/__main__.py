"""`python -m sdkit`: the command line."""

from sdkit.cli import main

raise SystemExit(main())
