"""The decoding engine behind ``generate``: layers run one by one under a policy, with the cache kept right."""
