"""The second name of `interakt_track`: the same module object, as importing `track` has always been the way."""

import sys

import interakt_track  # noqa: F401 - loads the modules that are named below

TYPE_CHECKING = False  # importing typing for it costs 10 ms; type checkers know the name
if TYPE_CHECKING:
    from interakt_track import *  # noqa: F403 - what a type checker sees of this package
    from interakt_track import __version__ as __version__

for _name, _module in tuple(sys.modules.items()):
    if _name == "interakt_track" or _name.startswith("interakt_track."):
        sys.modules["track" + _name.removeprefix("interakt_track")] = _module
