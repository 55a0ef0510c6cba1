"""Errors that users can cause and fix."""


class UserError(Exception):
    """A mistake in the input, reported in one line.

    Parameters
    ----------
    message : str
        Names the file, row or field, what is wrong and what to do.
    exit_code : int
        2 for bad input; 3 if nothing could be estimated.
    """

    def __init__(self, message: str, exit_code: int = 2) -> None:
        super().__init__(message)
        self.exit_code = exit_code
