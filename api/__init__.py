"""The doors: command line, HTTP, page. No decision about relevance is made here."""
