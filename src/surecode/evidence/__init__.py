"""Why this code: from token contributions to the words of a document."""
