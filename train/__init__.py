"""From real portraits (and, later, labelled videos) to a weights folder that dfexplain loads."""
