"""What `track.version.VERSION` of 1.0.x leads to; today it is `track.__version__`."""

from interakt_track import __version__ as VERSION  # noqa: N812 - the name of 1.0.x
from interakt_track._published import enter_module

__all__ = ["VERSION"]

enter_module(__name__, "track.__version__")
