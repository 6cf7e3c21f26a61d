"""Scripts that each answer one question (`python -m bench.studies.NAME`); nothing else in the bench imports them."""
