"""The crash matrix: a venue's file operations, recorded, and a start on every disk that a crash between them leaves."""
