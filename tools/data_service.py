"""The command `video-zoo data-service`, from a clone."""

from video_zoo.commands import main

if __name__ == "__main__":
    main("data-service")
