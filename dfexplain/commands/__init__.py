"""The commands of `dfexplain`, one module each.

A module has `HELP` (one line), `TEXT` (what `--help` opens with), `arguments(parser)` and
`run(arguments) -> int`, the exit status. It imports what is heavy only when it runs, so that
`--help` answers at once.
"""
