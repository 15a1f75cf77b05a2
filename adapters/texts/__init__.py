"""Texts: read in batches, continued by the full model, recorded layer by layer, replayed under a policy."""
