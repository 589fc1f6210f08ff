"""Pages to entries, passages, and ranked hits: everything between a document and an answer.

The two walks are `index.ingest` (writing) and `index.search` (reading); `index.records` has the nouns and `index.errors` the
failures. ARCHITECTURE.md is the map.
"""
