"""The command `video-zoo demo`, from a clone."""

from video_zoo.commands import main

if __name__ == "__main__":
    main("demo")
