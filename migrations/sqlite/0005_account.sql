-- Who exactly it was, as posts have it: "slack:T012AB3CD:U2CERLKJA". People choose the name that they
-- show. NULL for the file, the loop and the command line.
ALTER TABLE audit ADD COLUMN account TEXT;
