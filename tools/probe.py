"""The command `video-zoo probe`, from a clone."""

from video_zoo.commands import main

if __name__ == "__main__":
    main("probe")
