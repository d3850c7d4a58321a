"""The command `phone`: the simulated phone's buttons on the command line."""

import click


@click.group()
def phone() -> None:
    """Press the buttons of the simulator's phone."""
