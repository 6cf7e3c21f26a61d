"""The bench of tokcodec: rate-distortion points of codecs on a folder of pictures, and what follows from them."""
