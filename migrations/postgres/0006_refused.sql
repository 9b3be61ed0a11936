-- The safety rail stopped the content `wanted_hash`, when so many sites wanted to be built at once.
ALTER TABLE observed ADD COLUMN wanted_refused BIGINT;
