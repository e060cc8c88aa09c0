"""``python -m video_zoo NAME ...`` is the command ``video-zoo NAME ...``."""

from .commands import main

if __name__ == "__main__":
    main()
