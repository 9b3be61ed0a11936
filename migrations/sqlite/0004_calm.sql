-- The last look that found nothing to do, and what it had looked at: one row, or none.
CREATE TABLE calm (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    text        TEXT    NOT NULL,
    inputs      TEXT    NOT NULL,
    reads_files INTEGER NOT NULL,
    generation  INTEGER NOT NULL,
    cursor      INTEGER NOT NULL,
    sites       INTEGER NOT NULL
) STRICT;
