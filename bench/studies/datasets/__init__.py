"""`python -m bench.studies.datasets`: measures speed and memory of data sets."""
