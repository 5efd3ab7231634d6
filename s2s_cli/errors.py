"""Errors that the user can mend, described in one sentence."""


class UserError(Exception):
    """Bad input, described in one sentence: what is wrong, where, and what to do.

    Commands print the sentence on stderr and leave with ``exit_code``.
    """

    def __init__(self, message: str, *, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class UsageError(UserError):
    """Options or settings that cannot be meant: the exit code is that of a wrong option, 2."""

    def __init__(self, message: str) -> None:
        super().__init__(message, exit_code=2)


class DamagedFileError(UserError):
    """A file that is not as it was written; an earlier one may do."""


# Words of such errors: of torch's own allocators, of CUDA, and of cuBLAS and cuDNN.
OUT_OF_MEMORY = (
    *("out of memory", "can't allocate memory", "Storage size calculation overflowed"),
    *("CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED", "ALLOCATION_FAILED"),
)


def is_out_of_memory(error: Exception) -> bool:
    """Check for lack of memory, the system's or a GPU's; torch has no one type for that."""
    return isinstance(error, MemoryError) or any(each in str(error) for each in OUT_OF_MEMORY)


def as_user_error(error: Exception) -> UserError | None:
    """Describe an error of the user, the system or memory; None for a mistake of ours."""
    if isinstance(error, UserError):
        return error
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return UserError(f"{where}{error.strerror.lower()}")
    if isinstance(error, UnicodeEncodeError):  # a file name, where text is written
        return UserError(f"{error.object[error.start : error.end + 40]!a}: is not UTF-8")
    if isinstance(error, MemoryError | RuntimeError) and is_out_of_memory(error):
        return UserError("out of memory; a smaller model, batch or beam needs less")
    return None
