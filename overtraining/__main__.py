"""`python -m overtraining`: the command line."""

if __name__ == "__main__":  # worker processes import this file again, and need no command
    from overtraining.commands.app import main

    main()
