"""The samplers in the box, by kind. Named by dotted strings: imported, and torch with them, when first used."""
