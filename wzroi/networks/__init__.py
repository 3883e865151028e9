"""The networks of the link: encoder, decoder and the flexible network, with their layers."""
