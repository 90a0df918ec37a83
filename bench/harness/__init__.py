"""The benchmark of pg_cq; see bench/README.md."""
