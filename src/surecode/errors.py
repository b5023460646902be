"""The one exception that a user of surecode is meant to read."""


class InputError(ValueError):
    """Something that came from outside is wrong: a file, a setting, a document, a code.

    The message is one line that names the thing, the place and the remedy, and never quotes
    patient text. The command line prints it and ends with exit code 2; the scoring server answers
    HTTP 4xx with the same line.
    """
