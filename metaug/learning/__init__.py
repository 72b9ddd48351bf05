"Networks, and how they are trained."

from . import batches  # first of all: it keeps what fastai warns of at import to itself
