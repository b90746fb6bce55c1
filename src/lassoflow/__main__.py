"""``python -m lassoflow`` is the command line."""

from lassoflow.cli import main

if __name__ == "__main__":
    main()
