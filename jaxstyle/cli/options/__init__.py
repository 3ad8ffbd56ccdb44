"""Options of commands: what argparse is told, and what is made of the answers."""
