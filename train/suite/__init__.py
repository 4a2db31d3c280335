"""The release measurement: all tables that weights ship with, made anew by one command.

`measuring.measure` makes them: `people` from made clips of test people, `worn` from the same clips
worn by degrees, `gates` from clips that must get no probability, `skin` for apparent skin tones,
`probe` for what picture quality alone gives away, `labelled` from genuine clips, `changed` from
held-out crops that somebody changes on purpose, and `shipped` from what lies in examples/ where
there are no portraits. `numbers` measures, `written` shows.
"""
