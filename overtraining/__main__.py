"""The command `overtraining`, and `python -m overtraining`."""

from overtraining.commands.stopping import stoppable


def main() -> None:
    """Run the command line; a signal stops it from its first import on."""
    with stoppable():
        from overtraining.commands.app import main as run

        run()


if __name__ == "__main__":
    main()
