"""The subcommands of `python -m train`, one module each, named after the command.

A module has `HELP` (one line), `arguments(parser)` and `run(args)`. It imports what is heavy inside
`run`, so that `--help` is quick.
"""
