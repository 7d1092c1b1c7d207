"""Codecs of protocols that several processes speak. Pure: bytes in, values out."""
