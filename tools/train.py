"""The command `video-zoo train`, from a clone."""

from video_zoo.commands import main

if __name__ == "__main__":
    main("train")
