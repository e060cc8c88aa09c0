"""The command `video-zoo convert-weights`, from a clone."""

from video_zoo.commands import main

if __name__ == "__main__":
    main("convert-weights")
