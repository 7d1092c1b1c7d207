"""What the folder of pictures promises; a folder that breaks it is not added."""

from raw import DIGITS

import tidemill as tm


class Pictures(tm.FolderContract):
    """One picture a file, one folder a digit."""

    data = "digits"
    suffixes = (".pgm",)
    folders = DIGITS
    files = (200, 100_000)
    size_bytes = (64, 1000)
