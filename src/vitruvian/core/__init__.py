"""What every domain stands on: records, cards, weights, checkpoints, devices, errors."""
