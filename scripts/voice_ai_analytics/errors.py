"""Errors a user can cause and mend."""


class UserError(Exception):
    """A mistake in the input, told in one line.

    Parameters
    ----------
    message : str
        Names the file, row or field, what was wrong and what to do.
    exit_code : int
        2 for bad input; 3 when nothing could be estimated.
    """

    def __init__(self, message: str, exit_code: int = 2) -> None:
        super().__init__(message)
        self.exit_code = exit_code
