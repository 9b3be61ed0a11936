-- Builds of one content in a row that came to nothing. Only for this content the next one waits.
ALTER TABLE observed ADD COLUMN vain_hash  TEXT;
ALTER TABLE observed ADD COLUMN vain_count BIGINT NOT NULL DEFAULT 0;
ALTER TABLE observed ADD COLUMN vain_at    BIGINT;
ALTER TABLE observed ADD COLUMN vain_error TEXT;
