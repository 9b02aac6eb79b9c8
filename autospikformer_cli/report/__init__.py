"""Report: the only maker of tables; values in, rich renderables or JSON documents out."""
