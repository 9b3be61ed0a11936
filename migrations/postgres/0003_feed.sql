-- Published posts by date: the newest of one site, and of all.
CREATE INDEX post_newest_of_site ON post (site, publish_at, slug, digest) WHERE state = 'published';
CREATE INDEX post_newest ON post (publish_at, site, slug, digest) WHERE state = 'published';
