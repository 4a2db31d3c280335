"""Many videos: the store of jobs, and who works through it. Needs the extra `batch`."""
