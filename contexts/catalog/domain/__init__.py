"""Pure rules of catalog: attributes, options, and the reading of import files."""
