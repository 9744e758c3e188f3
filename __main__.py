"""The program, from its first moment on: it heeds a request to stop while the rest of it is still being loaded."""

from .system.stop import end_on_stop


def main() -> None:
    """The entry point."""
    end_on_stop()
    from .cli import main as load_and_run
    load_and_run()


if __name__ == "__main__":
    main()
