"""The verbs: options in, one call into the core, errors out."""
