"""The numericalised corpus on disk and the batches drawn from it."""
