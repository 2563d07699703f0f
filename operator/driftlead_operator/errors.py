"""What can go wrong at the edges, sorted by what there is to do about it."""


class OperatorError(Exception):
    """Base of all that the operator expects to meet."""


class NotFoundError(OperatorError):
    """The object, or the whole kind, is not there."""


class ConflictError(OperatorError):
    """Somebody wrote first, or the object is there already: look again, then decide again."""


class RefusedError(OperatorError):
    """The API server understood and said no (invalid, forbidden, quota); a person must change something."""


class UnreachableError(OperatorError):
    """The API server gave no answer, or one that says to come back later."""


class LostLeadershipError(UnreachableError):
    """This process is not the leader any more, or is late with its Lease: it must not write."""


class RegistryUnreachableError(OperatorError):
    """The registry did not answer, or answered that it cannot at the moment."""


class RegistryRefusedError(OperatorError):
    """The registry understood and said no."""
