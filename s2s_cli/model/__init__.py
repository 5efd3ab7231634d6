"""The encoder, the decoder, the softmax and its loss; the model directory."""
