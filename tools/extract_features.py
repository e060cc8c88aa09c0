"""The command `video-zoo extract-features`, from a clone."""

from video_zoo.commands import main

if __name__ == "__main__":
    main("extract-features")
