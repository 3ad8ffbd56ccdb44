"""What a run shows: progress, figures, the preview's page, notebooks."""
