"""The service: the app and an HTTP API over one store of jobs. Needs the extra `batch`."""
