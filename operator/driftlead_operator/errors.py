"""What can go wrong at the edges, sorted by what there is to do about it."""


class OperatorError(Exception):
    """Base of all that the operator expects to meet."""


class NotFoundError(OperatorError):
    """The object, or the whole kind, is not there."""


class ConflictError(OperatorError):
    """Somebody wrote first, or the object is there already: look again, then decide again."""


class RefusedError(OperatorError):
    """The API server understood and said no (invalid, forbidden, quota); a person must change something."""


class AwayError(OperatorError):
    """No answer, or one that says to come back later."""


class DeposedError(AwayError):
    """This process leads no longer, or is late with its Lease: what it was about to write is not its own."""


class RegistryAwayError(OperatorError):
    """The registry did not answer, or answered with its own trouble."""


class RegistryRefusedError(OperatorError):
    """The registry understood and said no."""
