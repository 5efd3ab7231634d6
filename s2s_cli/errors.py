"""The error that is the user's to mend."""


class UserError(Exception):
    """Bad input, told in one sentence: what is wrong, where, and what to do.

    Commands print the sentence on stderr and leave with ``exit_code``.
    """

    def __init__(self, message: str, *, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code
