"""The page and the API: read only, strict about who asks and what a browser may run."""
