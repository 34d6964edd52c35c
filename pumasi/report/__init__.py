"""Pages for people: one self-contained HTML file each, without script, for screen and paper."""
