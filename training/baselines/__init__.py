"""What the networks are compared with: linear analog schemes, and codecs at capacity and over 5G LDPC."""
