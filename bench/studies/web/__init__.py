"""Measures formats/web in headless Chromium, beside BlurHash and ThumbHash."""
