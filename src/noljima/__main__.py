"""`python -m noljima`: the command line."""

from noljima.cli import main

if __name__ == "__main__":
    main()
