"""The ID server's side: two dialects behind one interface. Its words end here; core/ judges the values."""
