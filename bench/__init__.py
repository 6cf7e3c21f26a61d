"""The bench of tokcodec: measures codecs on a folder of pictures, and reports their quality at equal bytes."""
