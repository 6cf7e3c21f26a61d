"""Speed and memory of data sets: `python -m bench.studies.datasets`."""
