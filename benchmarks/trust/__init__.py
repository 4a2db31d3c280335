"""The promises of docs/trust.md, each measured: `python -m benchmarks.trust`.

A row of the table is a `rows.Row` in the tuple `ROWS` of a module of this package; `__main__` names
the modules in the order of the table.
"""
