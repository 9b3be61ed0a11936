-- The last look that found nothing to do, and what it had looked at: one row, or none.
CREATE TABLE calm (
    id          BIGINT  PRIMARY KEY CHECK (id = 1),
    text        TEXT    NOT NULL,
    inputs      TEXT    NOT NULL,
    reads_files BOOLEAN NOT NULL,
    generation  BIGINT  NOT NULL,
    cursor      BIGINT  NOT NULL,
    sites       BIGINT  NOT NULL
);
