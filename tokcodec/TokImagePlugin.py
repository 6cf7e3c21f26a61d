"""Registers `.tok` with Pillow when it is imported, for the worker processes of data loaders.

    import tokcodec.TokImagePlugin

A worker that is started by "spawn" or "forkserver" inherits nothing of the process that starts it. It imports the
modules of the objects that it is sent, so this import belongs in the module that defines the data set. The limits of
an earlier `tokcodec.pillow.register` in the same process stay.
"""

from __future__ import annotations

from PIL import Image

from .pillow import FORMAT, register

if FORMAT not in Image.OPEN:
    register()
