"""What is measured of policies over the layers of language models."""
