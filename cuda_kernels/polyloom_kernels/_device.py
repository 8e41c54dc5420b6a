"""Whether there is a GPU that the kernels can use, and if not, why: decided once in a process, and only when asked.

A GPU is usable if torch sees it (torch allocates), CuPy is there (it launches), NVRTC is there (it compiles), and its
compute capability is at least 8.0, the oldest that the kernels are compiled for in the tests.  Run as a program, this
says so and fails if there is none.
"""

from functools import cache
from importlib import import_module

OLDEST = (8, 0)


def usable() -> bool:
    """Whether `backend="cuda"` works here."""
    return why() is None


@cache
def why() -> str | None:
    """Why no GPU can be used, as the end of a sentence; None if one can."""
    for module, brings in (
        ("torch", "pip install torch"),
        ("cupy", 'pip install "polyloom[cuda13]" or "polyloom[cuda12]"'),
    ):
        try:
            import_module(module)
        except ImportError as error:  # missing, or there without what it needs
            return f"{module} cannot be imported ({error}): {brings}"
    return _without_gpu() or _without_compiler()


def required() -> None:
    """Raise RuntimeError with the reason if no GPU can be used."""
    reason = why()
    if reason is not None:
        raise RuntimeError(f'The back end "cuda" cannot be used: {reason}.')


def _without_gpu() -> str | None:
    torch = import_module("torch")
    if torch.version.cuda is None:
        return f"torch {torch.__version__} was built without CUDA: install the build for your GPU from pytorch.org"
    if not torch.cuda.is_available():
        return "torch finds no GPU: there is none, or its driver is missing or too old"
    major, minor = torch.cuda.get_device_capability()
    if (major, minor) < OLDEST:
        return f"{torch.cuda.get_device_name()} has compute capability {major}.{minor}, and 8.0 is the oldest supported"
    return None


def _without_compiler() -> str | None:
    try:
        import_module("cupy.cuda").nvrtc.getVersion()
    except Exception as error:  # whatever CuPy raises for a library that it cannot load
        return f"NVRTC, which compiles the kernels, cannot be loaded ({error})"
    return None


if __name__ == "__main__":
    raise SystemExit(why() and f"No GPU can be used here: {why()}.")
