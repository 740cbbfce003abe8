"""What a chapter holds in its hand: a run with its presets, folder, scores and encoder."""
