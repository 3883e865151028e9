"""The explorer's pages, a module each; ``explorer.navigation`` lists them."""
