"""``index.html``: one page with the viewer and its data, which needs no server and no network."""
