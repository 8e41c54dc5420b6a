"""Two pieces of music, heard against one another, open or blind."""
