"""What the tests of annotations ask of those that were found."""

import collections
import os


def counts(found):
    return collections.Counter((clip.label, clip.split) for clip in found.clips)


def names(found, split=None):
    return [os.path.basename(clip.path) for clip in found.clips if split in (None, clip.split)]


def relative(found, folder):
    return [os.path.relpath(clip.path, folder) for clip in found.clips]
