"""How threads of matrix products wait for each other, to be said before torch is imported."""

import os

# Looks at what a thread waits for before it sleeps: they take a few microseconds.
SPINS = "1000"


def wait_without_spinning() -> None:
    """Have threads that wait sleep soon, unless the environment says how they wait.

    GNU's OpenMP, which torch's builds for Linux have, otherwise lets them spin for milliseconds. A
    thread that shares its core with other work is then waited for by all others at every product.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
